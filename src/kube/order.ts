import { groupKindKey, gvkOf, type GroupKind } from "./gvk.ts";
import { formatObjectId, isBuiltIn, objectIdOf } from "./object-id.ts";
import type { KubeObject } from "./object.ts";

/** A stage of an apply; the stages follow each other in this order. */
export type ApplyStage = "definitions" | "foundation" | "workloads" | "customResources" | "webhooks";

/**
 * The order of an apply, and its only table: rows one after the other, the kinds of one row side by side. A deletion takes the kinds in reverse
 * order. Webhooks come last, since they can block everything after them.
 */
const rows: readonly { readonly stage: ApplyStage; readonly kinds: readonly string[] }[] = [
  { stage: "definitions", kinds: ["CustomResourceDefinition.apiextensions.k8s.io"] },
  { stage: "foundation", kinds: ["Namespace"] },
  { stage: "foundation", kinds: ["ClusterRole.rbac.authorization.k8s.io", "ServiceAccount"] },
  {
    stage: "foundation",
    kinds: [
      "ClusterRoleBinding.rbac.authorization.k8s.io",
      "ResourceQuota",
      "Role.rbac.authorization.k8s.io",
      "RoleBinding.rbac.authorization.k8s.io",
      "ConfigMap",
      "Secret",
      "PersistentVolumeClaim",
      "Service",
      "NetworkPolicy.networking.k8s.io",
      "LimitRange",
    ],
  },
  {
    stage: "workloads",
    kinds: ["Deployment.apps", "StatefulSet.apps", "CronJob.batch", "PodDisruptionBudget.policy"],
  },
  { stage: "customResources", kinds: [] },
  {
    stage: "webhooks",
    kinds: [
      "MutatingWebhookConfiguration.admissionregistration.k8s.io",
      "ValidatingWebhookConfiguration.admissionregistration.k8s.io",
    ],
  },
];

/** The place of a kind in the table. `wave` is its row, and `rank` counts kinds over all rows; lower is applied earlier. */
export type ApplyPlace = { readonly stage: ApplyStage; readonly wave: number; readonly rank: number };

/** The distance between the ranks of two rows; no row has so many kinds. */
const rowWidth = 100;

const places = new Map(
  rows.flatMap(({ stage, kinds }, wave) =>
    kinds.map((key, index): [string, ApplyPlace] => [key, { stage, wave, rank: wave * rowWidth + index }]),
  ),
);
const otherBuiltIn = lastPlaceOf("foundation");
const customResource = lastPlaceOf("customResources");

/** The place of a kind. A built-in kind that is not listed is at the end of the foundation. */
export function applyPlaceOf(kind: GroupKind): ApplyPlace {
  return places.get(groupKindKey(kind)) ?? (isBuiltIn(kind) ? otherBuiltIn : customResource);
}

/** Orders two objects for apply: by kind, then by id, so that the same set always has the same order. */
export function compareForApply(left: KubeObject, right: KubeObject): number {
  const byRank = applyPlaceOf(gvkOf(left)).rank - applyPlaceOf(gvkOf(right)).rank;
  return byRank === 0 ? compareIds(left, right) : byRank;
}

/** Orders two objects by inventory id. */
export function compareIds(left: KubeObject, right: KubeObject): number {
  const [a, b] = [formatObjectId(objectIdOf(left)), formatObjectId(objectIdOf(right))];
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function lastPlaceOf(stage: ApplyStage): ApplyPlace {
  const wave = rows.findLastIndex((row) => row.stage === stage);
  return { stage, wave, rank: (wave + 1) * rowWidth - 1 };
}
