import type { ApiClient, DeleteResult } from "../../client/api-client.ts";
import { ApiError, isConflict } from "../../client/api-error.ts";
import { formatObjectId } from "../../kube/object-id.ts";
import type { KubeObject, ObjectMeta } from "../../kube/object.ts";
import type { Clock } from "../../std/clock.ts";
import { mapConcurrent } from "../../std/concurrent.ts";
import type { Change, OnChange } from "../change-set.ts";
import type { ManagedObject } from "../inventory.ts";
import { type Owner, isOwned, isKept } from "../ownership.ts";
import type { LiveMetadata } from "../planned-object.ts";
import { maxConflicts, pauseAfterConflict, requestLimit } from "../request.ts";
import { wavesByKind } from "./wait-until-gone.ts";

/** Which objects may be deleted, and how. */
export type PruneOptions = {
  readonly owner: Owner;
  /** "disabled" under this annotation keeps an object. */
  readonly keepAnnotation: string;
  /** All objects side by side, and not kind after kind: for objects that do not need each other. */
  readonly together?: boolean;
  /** Foreground: an object is deleted only after all that it owns. Background by default. */
  readonly propagationPolicy?: "Background" | "Foreground";
  /** Metadata from the watches. An object that is still as it was seen is deleted without reading it. */
  readonly live?: LiveMetadata;
};

/** A client that reads and deletes. `onChange` is called for each object that is deleted. */
export type PruneDeps = {
  readonly client: Pick<ApiClient, "getOrUndefined" | "delete">;
  readonly clock: Pick<Clock, "sleep">;
  readonly onChange?: OnChange | undefined;
};

/**
 * Deletes `objects` in the given order of kinds, each in the state in which it was seen, and resolves to what became of each: objects that do
 * not exist or are being deleted count as `deleted`, objects without the owner labels or with the keep annotation as `kept`. Throws when one
 * could not be deleted, after the others of its kind were tried; the conflict when one was another one at each of 10 looks.
 */
export async function prune(
  objects: readonly ManagedObject[],
  options: PruneOptions,
  deps: PruneDeps,
  signal: AbortSignal,
): Promise<readonly Change[]> {
  const changes: Change[] = [];
  for (const wave of options.together === true ? [objects] : wavesByKind(objects)) {
    const done = await mapConcurrent(wave, requestLimit, (id) => pruneOne(id, options, deps, signal));
    changes.push(...done);
  }
  return changes;
}

async function pruneOne(
  id: ManagedObject,
  options: PruneOptions,
  { client, clock, onChange }: PruneDeps,
  signal: AbortSignal,
): Promise<Change> {
  const known = { id, seen: options.live?.get(formatObjectId(id)) };
  let change: Change | ApiError | undefined = await pruneAsSeen(known, options, client, signal);
  for (let look = 1; change === undefined || change instanceof ApiError; look += 1) {
    if (change !== undefined && look > maxConflicts) throw change;
    if (change !== undefined) await pauseAfterConflict(look - 1, clock, signal);
    const live = await client.getOrUndefined(id, id, signal);
    if (live === undefined) return { id, action: "deleted" };
    if (!mayGo(live, options)) return { id, action: "kept" };
    if (live.metadata.deletionTimestamp !== undefined) return { id, action: "deleted", isTerminating: true };
    change = await deleteAsSeen({ id, seen: live.metadata }, options, client, signal);
  }
  onChange?.(change);
  return change;
}

/** Whether `prune` deletes the object: it is the owner's, and no user keeps it. */
export function mayGo(live: Pick<KubeObject, "metadata">, { owner, keepAnnotation }: PruneOptions): boolean {
  return isOwned(live, owner) && !isKept(live, keepAnnotation);
}

/** Undefined where the watch knows too little, or that the object stays or goes by itself. */
async function pruneAsSeen(
  { id, seen }: { readonly id: ManagedObject; readonly seen: ObjectMeta | undefined },
  options: PruneOptions,
  client: PruneDeps["client"],
  signal: AbortSignal,
): Promise<Change | undefined> {
  if (seen?.uid === undefined || seen.resourceVersion === undefined) return undefined;
  if (seen.deletionTimestamp !== undefined || !mayGo({ metadata: seen }, options)) return undefined;
  const change = await deleteAsSeen({ id, seen }, options, client, signal);
  return change instanceof ApiError ? undefined : change;
}

/**
 * Deletes the object only in the state that was seen, so that a client is respected which has just removed our labels or set the keep
 * annotation. The conflict when the state is another one by now.
 */
async function deleteAsSeen(
  { id, seen: { uid, resourceVersion } }: { readonly id: ManagedObject; readonly seen: ObjectMeta },
  { propagationPolicy = "Background" }: PruneOptions,
  client: PruneDeps["client"],
  signal: AbortSignal,
): Promise<Change | ApiError> {
  const state = {
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  };
  try {
    return changeOf(id, await client.delete({ gvk: id, key: id }, { propagationPolicy, ...state }, signal));
  } catch (error) {
    if (error instanceof ApiError && isConflict(error)) return error;
    throw error;
  }
}

function changeOf(id: ManagedObject, { kind }: DeleteResult): Change {
  return { id, action: "deleted", ...(kind === "terminating" ? { isTerminating: true } : {}) };
}
