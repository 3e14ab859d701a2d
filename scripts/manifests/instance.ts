import type { KubeObject } from "../../src/kube/object.ts";
import { fluxInstance } from "../../src/api/names.ts";
import { canonicalInstance } from "../../src/api/canonical.ts";
import { parseFluxInstance } from "../../src/api/flux-instance.ts";
import { embeddedVersions, loadRelease } from "../../src/distribution/load.ts";
import { targetOf } from "../../src/render/target.ts";
import { defaultNamespace } from "./operator.ts";

const defaultSpec = {
  distribution: { version: "2.x", registry: "ghcr.io/fluxcd" },
  components: ["source-controller", "kustomize-controller", "helm-controller", "notification-controller"],
  cluster: { type: "kubernetes", networkPolicy: true },
};

/** A FluxInstance to begin with: the newest Flux 2, kept up to date, without anything to sync from. */
export const defaultInstance: KubeObject = {
  apiVersion: fluxInstance.storageApiVersion,
  kind: fluxInstance.kind,
  metadata: { name: fluxInstance.name, namespace: defaultNamespace },
  spec: defaultSpec,
};

/** The kinds that only cluster admins write where the operator may not. */
const roleKinds = ["ClusterRole", "ClusterRoleBinding"];

/** The same instance where others write its cluster roles: a patch takes them out of what is rendered. */
export const instanceWithoutRoles: KubeObject = {
  ...defaultInstance,
  spec: {
    ...defaultSpec,
    kustomize: {
      strict: true,
      patches: roleKinds.map((kind) => ({
        target: { kind },
        patch: `$patch: delete\napiVersion: rbac.authorization.k8s.io/v1\nkind: ${kind}\nmetadata:\n  name: any\n`,
      })),
    },
  },
};

/**
 * The cluster roles and bindings that the default instance has, for others to apply. They do not carry the labels of the instance, by which the
 * operator would take them for its own.
 */
export function rolesForOthers(): readonly KubeObject[] {
  const instance = canonicalInstance(parseFluxInstance(defaultInstance));
  const { rendering } = targetOf(instance, { versions: embeddedVersions, load: (version) => loadRelease(version) });
  return rendering.objects.filter(({ kind }) => roleKinds.includes(kind)).map(withoutMarks);
}

/** What makes a role part of Kubernetes' own ones is kept. */
function withoutMarks({ apiVersion, kind, metadata: { name, labels = {} }, ...fields }: KubeObject): KubeObject {
  const aggregation = Object.entries(labels).filter(([label]) => label.startsWith("rbac.authorization.k8s.io/"));
  const kept = aggregation.length === 0 ? {} : { labels: Object.fromEntries(aggregation) };
  return { apiVersion, kind, metadata: { name, ...kept }, ...fields };
}
