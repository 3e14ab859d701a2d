import type { KubeObject } from "../kube/object.ts";

/** Labels that an object must carry to be ours; one that lost them belongs to somebody else. */
export type OwnerLabels = { readonly [key: string]: string };

export function isOwned(live: Pick<KubeObject, "metadata">, owner: OwnerLabels): boolean {
  return Object.entries(owner).every(([key, value]) => live.metadata.labels?.[key] === value);
}

export function isKept(live: Pick<KubeObject, "metadata">, keepAnnotation: string): boolean {
  return live.metadata.annotations?.[keepAnnotation]?.toLowerCase() === "disabled";
}
