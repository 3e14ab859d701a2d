import type { ApiClient, DeleteResult } from "../../client/api-client.ts";
import { isConflict } from "../../client/api-error.ts";
import { formatObjectId } from "../../kube/object-id.ts";
import type { KubeObject, ObjectMeta } from "../../kube/object.ts";
import { mapConcurrent } from "../../std/concurrent.ts";
import type { Change, OnChange } from "../change-set.ts";
import type { ManagedObject } from "../inventory.ts";
import { type Owner, isOwned, isKept } from "../ownership.ts";
import type { LiveMetadata } from "../planned-object.ts";
import { requestLimit } from "../request.ts";
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
  readonly onChange?: OnChange | undefined;
};

/**
 * Deletes `objects` in the given order of kinds, and resolves to what became of each: objects that do not exist or are being deleted count as
 * `deleted`, objects without the owner labels or with the keep annotation as `kept`. Throws when one could not be deleted, after the others of
 * its kind were tried.
 */
export async function prune(
  objects: readonly ManagedObject[],
  options: PruneOptions,
  { client, onChange }: PruneDeps,
  signal: AbortSignal,
): Promise<readonly Change[]> {
  const changes: Change[] = [];
  for (const wave of options.together === true ? [objects] : wavesByKind(objects)) {
    const done = await mapConcurrent(wave, requestLimit, (id) => pruneOne(id, options, { client, onChange }, signal));
    changes.push(...done);
  }
  return changes;
}

async function pruneOne(
  id: ManagedObject,
  options: PruneOptions,
  { client, onChange }: PruneDeps,
  signal: AbortSignal,
): Promise<Change> {
  const seen = options.live?.get(formatObjectId(id));
  const asSeen = seen === undefined ? undefined : await deleteAsSeen({ id, seen }, options, client, signal);
  if (asSeen !== undefined) {
    onChange?.(asSeen);
    return asSeen;
  }
  const live = await client.getOrUndefined(id, id, signal);
  if (live === undefined) return { id, action: "deleted" };
  if (!mayGo(live, options)) return { id, action: "kept" };
  if (live.metadata.deletionTimestamp !== undefined) return { id, action: "deleted", isTerminating: true };
  const change = await deleteOnce({ id, seen: live.metadata }, options, client, signal);
  if (change.action === "deleted") onChange?.(change);
  return change;
}

function mayGo(live: Pick<KubeObject, "metadata">, { owner, keepAnnotation }: PruneOptions): boolean {
  return isOwned(live, owner) && !isKept(live, keepAnnotation);
}

type Deletion = { readonly id: ManagedObject; readonly seen: ObjectMeta };

/**
 * Deletes the object only in the state that a watch has seen, so that a client is respected which has just removed our labels or set the keep
 * annotation. Undefined when the state is another one by now.
 */
async function deleteAsSeen(
  { id, seen }: Deletion,
  options: PruneOptions,
  client: PruneDeps["client"],
  signal: AbortSignal,
): Promise<Change | undefined> {
  const { uid, resourceVersion, deletionTimestamp } = seen;
  if (uid === undefined || resourceVersion === undefined || deletionTimestamp !== undefined) return undefined;
  if (!mayGo({ metadata: seen }, options)) return undefined;
  const { propagationPolicy = "Background" } = options;
  try {
    return changeOf(id, await client.delete({ gvk: id, key: id }, { propagationPolicy, uid, resourceVersion }, signal));
  } catch (error) {
    if (isConflict(error)) return undefined;
    throw error;
  }
}

/** The uid makes sure that it is the object we looked at, and not one that another client has created since under its name. */
async function deleteOnce(
  { id, seen }: Deletion,
  { propagationPolicy = "Background" }: PruneOptions,
  client: PruneDeps["client"],
  signal: AbortSignal,
): Promise<Change> {
  const options = { propagationPolicy, ...(seen.uid === undefined ? {} : { uid: seen.uid }) };
  try {
    return changeOf(id, await client.delete({ gvk: id, key: id }, options, signal));
  } catch (error) {
    if (isConflict(error)) return { id, action: "kept" };
    throw error;
  }
}

function changeOf(id: ManagedObject, { kind }: DeleteResult): Change {
  return { id, action: "deleted", ...(kind === "terminating" ? { isTerminating: true } : {}) };
}
