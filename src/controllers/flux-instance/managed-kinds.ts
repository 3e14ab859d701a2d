// Tests: src/controllers/flux-instance/remove/unlisted.test.ts
import { deploymentKind } from "../../kube/kinds.ts";
import type { GroupVersionKind } from "../../kube/gvk.ts";

/** A kind of which every instance has objects, whatever its spec. */
export type ManagedKind = GroupVersionKind & { readonly namespaced: boolean };

const rbac = { group: "rbac.authorization.k8s.io", version: "v1", namespaced: false };
const core = { group: "", version: "v1", namespaced: true };

/** Built-in kinds and CRDs: what instances manage besides their sync objects. */
export const managedKinds: readonly ManagedKind[] = [
  { group: "apiextensions.k8s.io", version: "v1", kind: "CustomResourceDefinition", namespaced: false },
  { ...core, kind: "Namespace", namespaced: false },
  { ...rbac, kind: "ClusterRole" },
  { ...rbac, kind: "ClusterRoleBinding" },
  { ...core, kind: "ResourceQuota" },
  { ...core, kind: "ServiceAccount" },
  { ...core, kind: "Service" },
  { ...core, kind: "PersistentVolumeClaim" },
  { group: "networking.k8s.io", version: "v1", kind: "NetworkPolicy", namespaced: true },
  { ...deploymentKind, namespaced: true },
];
