import { objectAnnotations, ownerOf } from "../../../api/names.ts";
import type { ManagedObject } from "../../../apply/inventory.ts";
import { isKept, isOwned } from "../../../apply/ownership.ts";
import type { ApiClient } from "../../../client/api-client.ts";
import { isNotFound } from "../../../client/api-error.ts";
import { fieldsOf } from "../../../kube/fields.ts";
import { type GroupKind, gvkOf } from "../../../kube/gvk.ts";
import type { KubeObject } from "../../../kube/object.ts";
import type { World } from "../world.ts";

/** The requests that Kustomizations are suspended with. */
export type SuspensionDeps = { readonly client: Pick<ApiClient, "getOrUndefined" | "patch"> };

/** A separate field manager distinguishes our suspension from the user's. */
export const suspensionManager = "flux-operator-removal";

/** Whether the kind is Flux's Kustomization. */
export function isKustomization({ group, kind }: GroupKind): boolean {
  return group === "kustomize.toolkit.fluxcd.io" && kind === "Kustomization";
}

/**
 * Suspends a Kustomization that is ours and not kept: kustomize-controller prunes nothing for a suspended one that is deleted, whatever its
 * `prune` and `deletionPolicy` say. Throws as ApiClient.
 */
export async function suspend(
  id: ManagedObject,
  world: World,
  { client }: SuspensionDeps,
  signal: AbortSignal,
): Promise<void> {
  const live = await client.getOrUndefined(id, id, signal);
  if (live === undefined || !isOwned(live, ownerOf(world.key)) || isKept(live, objectAnnotations.prune)) return;
  await setSuspend(live, true, { client }, signal);
}

/**
 * Undoes our suspension of a Kustomization that stays, because its removal was interrupted and is not desired any more. One that is being
 * deleted stays suspended. Throws as ApiClient.
 */
export async function resume(live: KubeObject, deps: SuspensionDeps, signal: AbortSignal): Promise<void> {
  if (isSuspendedByUs(live)) await setSuspend(live, null, deps, signal);
}

/** Whether a Kustomization is suspended by our field manager, and is not being deleted. */
export function isSuspendedByUs(live: KubeObject): boolean {
  if (!isKustomization(gvkOf(live)) || live.metadata.deletionTimestamp !== undefined) return false;
  const suspended = fieldsOf(live["spec"])["suspend"] === true;
  return (
    suspended &&
    (live.metadata.managedFields ?? []).some(({ manager, fieldsV1 }) => {
      return manager === suspensionManager && fieldsOf(fieldsV1?.["f:spec"])["f:suspend"] !== undefined;
    })
  );
}

async function setSuspend(
  live: KubeObject,
  value: true | null,
  { client }: SuspensionDeps,
  signal: AbortSignal,
): Promise<void> {
  if (value === true && fieldsOf(live["spec"])["suspend"] === true) return;
  const key = { namespace: live.metadata.namespace ?? "", name: live.metadata.name };
  const patch = { kind: "merge", value: { spec: { suspend: value } } } as const;
  try {
    await client.patch({ gvk: gvkOf(live), key }, patch, { fieldManager: suspensionManager }, signal);
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
