import assert from "node:assert/strict";
import { test } from "node:test";
import { contextOf, releaseOf, specOf } from "../../test/support/small-release.ts";
import type { Component } from "../api/spec.ts";
import type { Release } from "../distribution/release.ts";
import { listOf } from "../kube/fields.ts";
import type { JsonObject, JsonValue, KubeObject } from "../kube/object.ts";
import { checkShapes } from "./check-shapes.ts";
import { podSpec } from "./deployment.ts";
import { edit, setField } from "./edit.ts";

const components: readonly Component[] = ["source-controller", "kustomize-controller", "notification-controller"];
const rbacVersion = "rbac.authorization.k8s.io/v1";
const subject = { kind: "ServiceAccount", name: "source-controller", namespace: "flux-system" };
const small = releaseOf("2.10.0", components);
const base: Release = {
  ...small,
  components: {
    "source-controller": [crd("source.toolkit.fluxcd.io", "GitRepository"), ...own("source-controller")],
    "kustomize-controller": [crd("kustomize.toolkit.fluxcd.io", "Kustomization"), ...own("kustomize-controller")],
    "notification-controller": [
      crd("notification.toolkit.fluxcd.io", "Alert"),
      crd("notification.toolkit.fluxcd.io", "Receiver"),
      ...own("notification-controller"),
    ],
  },
  rbac: [
    object(rbacVersion, "ClusterRole", {}),
    object(rbacVersion, "ClusterRoleBinding", { subjects: [subject, { kind: "Group", name: "system:masters" }] }),
  ],
  policies: [object("networking.k8s.io/v1", "NetworkPolicy", {})],
};
const spec = specOf({
  components,
  sync: { kind: "GitRepository", url: "https://example.com", ref: "main", path: "./", interval: "1m" },
});

function own(component: Component): readonly KubeObject[] {
  return small.components[component] ?? [];
}
function object(apiVersion: string, kind: string, fields: JsonObject): KubeObject {
  return { apiVersion, kind, metadata: { name: "x" }, ...fields };
}
function crd(group: string, kind: string): KubeObject {
  const plural = kind === "GitRepository" ? "gitrepositories" : `${kind.toLowerCase()}s`;
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${group}` },
    spec: { group, names: { kind }, versions: [{ name: "v1", served: true }] },
  };
}

/** The release with every object named `name` ("Kind/name") changed, or left out where `change` gives undefined. */
function withObject(name: string, change: (object: KubeObject) => KubeObject | undefined): Release {
  const all = (objects: readonly KubeObject[]) =>
    objects.flatMap((object) =>
      `${object.kind}/${object.metadata.name}` === name ? (change(object) ?? []) : [object],
    );
  const changed = Object.entries(base.components).map(([component, objects]) => [component, all(objects)]);
  return { ...base, components: Object.fromEntries(changed), rbac: all(base.rbac), policies: all(base.policies) };
}
const without = (name: string) => withObject(name, () => undefined);
const deployment = "Deployment/source-controller";
const withPod = (field: string, change: (value: JsonValue | undefined) => JsonValue) =>
  withObject(deployment, (object) => edit(object, [...podSpec, field], change));
const ofKind = (apiVersion: string, kind: string) => (object: KubeObject) => ({ ...object, apiVersion, kind });

test("checkShapes() finds all that is needed", () => checkShapes(contextOf(spec, base)));

for (const { name, release, finding } of [
  {
    name: "a controller in a StatefulSet",
    release: withObject("Service/source-controller", ofKind("apps/v1", "StatefulSet")),
    finding: "StatefulSet/source-controller is of a kind not seen there, apps/v1 StatefulSet",
  },
  {
    name: "a role beside a controller",
    release: withObject("ServiceAccount/source-controller", ofKind(rbacVersion, "ClusterRoleBinding")),
    finding: `ClusterRoleBinding/source-controller is of a kind not seen there, ${rbacVersion} ClusterRoleBinding`,
  },
  {
    name: "an account among the roles",
    release: withObject("ClusterRole/x", ofKind("v1", "ServiceAccount")),
    finding: "ServiceAccount/x is of a kind not seen there, v1 ServiceAccount",
  },
  {
    name: "another version of network policies",
    release: withObject("NetworkPolicy/x", ofKind("networking.k8s.io/v2", "NetworkPolicy")),
    finding: "NetworkPolicy/x is of a kind not seen there, networking.k8s.io/v2 NetworkPolicy",
  },
  ...[
    { component: "source-controller", missing: "ServiceAccount/source-controller" },
    { component: "source-controller", missing: "Service/source-controller" },
    { component: "notification-controller", missing: "Service/notification-controller" },
    {
      component: "notification-controller",
      missing: "CustomResourceDefinition/alerts.notification.toolkit.fluxcd.io",
    },
    {
      component: "notification-controller",
      missing: "CustomResourceDefinition/receivers.notification.toolkit.fluxcd.io",
    },
  ].map(({ component, missing }) => ({
    name: `no ${missing}`,
    release: without(missing),
    finding: `${component} has no ${missing}`,
  })),
  {
    name: "a Deployment of another name",
    release: withObject(deployment, (object) => setField(object, ["metadata", "name"], "source")),
    finding: "source-controller has no Deployment/source-controller",
  },
  {
    name: "a container of another name",
    release: withPod("containers", () => [{ name: "controller", image: "fluxcd/source-controller:v1" }]),
    finding: `${deployment} has no container manager`,
  },
  {
    name: "another account of the pod",
    release: withPod("serviceAccountName", () => "flux"),
    finding: `${deployment} runs as ServiceAccount/flux`,
  },
  {
    name: "a container that no table pins",
    release: withPod("initContainers", () => [{ name: "cli", image: "fluxcd/flux-cli:v2.10.0" }]),
    finding: `${deployment} has a container of another image, "fluxcd/flux-cli:v2.10.0"`,
  },
  {
    name: "accounts of another namespace",
    release: withObject("ClusterRoleBinding/x", (binding) =>
      setField<KubeObject>(binding, ["subjects"], [{ ...subject, namespace: "flux" }]),
    ),
    finding: "ClusterRoleBinding/x binds ServiceAccount/flux/source-controller",
  },
  {
    name: "a source that is no longer served",
    release: withObject("CustomResourceDefinition/gitrepositories.source.toolkit.fluxcd.io", (object) =>
      edit<KubeObject>(object, ["spec", "versions"], () => [
        { name: "v1", served: false },
        { name: "v2", served: true },
      ]),
    ),
    finding: "source-controller has no served source.toolkit.fluxcd.io/v1 GitRepository",
  },
  {
    name: "no Kustomization",
    release: without("CustomResourceDefinition/kustomizations.kustomize.toolkit.fluxcd.io"),
    finding: "kustomize-controller has no served kustomize.toolkit.fluxcd.io/v1 Kustomization",
  },
]) {
  test(`checkShapes() refuses ${name}`, () => {
    assert.throws(() => checkShapes(contextOf(spec, release)), {
      reason: "NeedsNewerOperator",
      message:
        `Cannot build Flux 2.10.0: ${finding}, so this release has a shape that this operator does not know; ` +
        "upgrade the operator or choose an older version in spec.distribution.version",
    });
  });
}

for (const { name, release, spec: other } of [
  { name: "a component that is not installed", release: without("Service/notification-controller"), spec: specOf() },
  {
    name: "policies that are not installed",
    release: withObject("NetworkPolicy/x", ofKind("v2", "Policy")),
    spec: specOf({ cluster: { networkPolicy: false } }),
  },
  {
    name: "a second container of the same image",
    release: withPod("containers", (containers) => [
      { name: "warm-up", image: "fluxcd/source-controller:v1.0.0" },
      ...listOf(containers),
    ]),
    spec,
  },
]) {
  test(`checkShapes() passes over ${name}`, () => checkShapes(contextOf(other, release)));
}
