import type { JsonObject, KubeObject } from "../../../src/kube/object.ts";
import { fluxFinalizer } from "../removable.ts";

/** What other people have in the cluster; nothing of it may be written to. */
export const neighbours: readonly KubeObject[] = [
  { apiVersion: "v1", kind: "Namespace", metadata: { name: "apps" } },
  configMap("apps", "settings", { colour: "blue" }),
  // Names that are nearly ours.
  configMap("flux-system", "source-controller", { whose: "mine" }),
  {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "source-controller", namespace: "apps" },
    spec: { ports: [{ port: 80 }] },
  },
  // What Flux's first version left behind.
  {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: "helmreleases.helm.fluxcd.io" },
    spec: {
      group: "helm.fluxcd.io",
      scope: "Namespaced",
      names: { kind: "HelmRelease", listKind: "HelmReleaseList", plural: "helmreleases", singular: "helmrelease" },
      versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: { type: "object" } } }],
    },
  },
  {
    apiVersion: "helm.fluxcd.io/v1",
    kind: "HelmRelease",
    metadata: { name: "old", namespace: "apps", finalizers: [fluxFinalizer] },
  },
  {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "web", namespace: "apps" },
    spec: {
      selector: { matchLabels: { app: "web" } },
      template: {
        metadata: { labels: { app: "web" } },
        spec: { containers: [{ name: "web", image: "example.com/web:1" }] },
      },
    },
  },
];

function configMap(namespace: string, name: string, data: JsonObject): KubeObject {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace }, data };
}
