// Tests: src/apply/remove/prune.test.ts
import type { KubeObject } from "../kube/object.ts";

/** Labels that an object must carry to be ours; an object that lost them is left alone. Those of ours that are in a namespace are in `namespace`. */
export type Owner = { readonly labels: { readonly [key: string]: string }; readonly namespace: string };

/** Whether `live` is the owner's. Anybody can copy the labels, so an object elsewhere that carries them is not. */
export function isOwned({ metadata }: Pick<KubeObject, "metadata">, { labels, namespace }: Owner): boolean {
  if ((metadata.namespace ?? namespace) !== namespace) return false;
  return Object.entries(labels).every(([key, value]) => metadata.labels?.[key] === value);
}

/** Whether the user keeps the object from deletion: `keepAnnotation` is "disabled", in upper or lower case. */
export function isKept(live: Pick<KubeObject, "metadata">, keepAnnotation: string): boolean {
  return live.metadata.annotations?.[keepAnnotation]?.toLowerCase() === "disabled";
}
