// Tests: src/apply/remove/prune.test.ts
import type { KubeObject } from "../kube/object.ts";

/** Labels that an object must carry to be ours; an object that lost them is left alone. */
export type OwnerLabels = { readonly [key: string]: string };

/** Whether `live` carries all labels of `owner`. */
export function isOwned(live: Pick<KubeObject, "metadata">, owner: OwnerLabels): boolean {
  return Object.entries(owner).every(([key, value]) => live.metadata.labels?.[key] === value);
}

/** Whether the user keeps the object from deletion: `keepAnnotation` is "disabled", in upper or lower case. */
export function isKept(live: Pick<KubeObject, "metadata">, keepAnnotation: string): boolean {
  return live.metadata.annotations?.[keepAnnotation]?.toLowerCase() === "disabled";
}
