import { groupKindKey, gvkOf } from "./gvk.ts";
import type { KubeObject } from "./object.ts";
import { formatObjectId, objectIdOf } from "./object-id.ts";

/**
 * Position of a kind in an apply, lower first; deletion goes the other way round. Kinds that are not listed come after
 * workloads (they are custom resources) and before admission webhooks, which can lock out everything after them.
 */
const kindOrder: readonly string[] = [
  "CustomResourceDefinition.apiextensions.k8s.io",
  "Namespace",
  "ClusterRole.rbac.authorization.k8s.io",
  "ClusterRoleBinding.rbac.authorization.k8s.io",
  "ResourceQuota",
  "ServiceAccount",
  "Role.rbac.authorization.k8s.io",
  "RoleBinding.rbac.authorization.k8s.io",
  "ConfigMap",
  "Secret",
  "PersistentVolumeClaim",
  "Service",
  "NetworkPolicy.networking.k8s.io",
  "LimitRange",
  "Deployment.apps",
  "StatefulSet.apps",
  "CronJob.batch",
  "PodDisruptionBudget.policy",
];
const lastKinds: readonly string[] = [
  "MutatingWebhookConfiguration.admissionregistration.k8s.io",
  "ValidatingWebhookConfiguration.admissionregistration.k8s.io",
];
const ranks = new Map([
  ...kindOrder.map((key, index) => [key, index] as const),
  ...lastKinds.map((key, index) => [key, kindOrder.length + 1 + index] as const),
]);

/** Orders two objects for apply: by kind, then by id, so that the same set always goes in the same order. */
export function compareForApply(left: KubeObject, right: KubeObject): number {
  const byRank = rankOf(left) - rankOf(right);
  if (byRank !== 0) return byRank;
  const [a, b] = [formatObjectId(objectIdOf(left)), formatObjectId(objectIdOf(right))];
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function rankOf(object: KubeObject): number {
  return rankOfKind(groupKindKey(gvkOf(object)));
}

/** Rank of a `groupKindKey` in the order of apply. */
export function rankOfKind(key: string): number {
  return ranks.get(key) ?? kindOrder.length;
}
