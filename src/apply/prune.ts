import type { ApiClient } from "../client/api-client.ts";
import { isConflict, isNotFound, NoSuchKindError } from "../client/api-error.ts";
import type { Clock } from "../std/clock.ts";
import { mapConcurrent } from "../std/concurrent.ts";
import { ReasonedError } from "../std/errors.ts";
import { enumerate } from "../std/shorten.ts";
import type { KubeObject, ObjectMeta } from "../kube/object.ts";
import { formatObjectId, nameObject, objectIdOf } from "../kube/object-id.ts";
import { formatSelector } from "../kube/selector.ts";
import type { Change } from "./change-set.ts";
import type { ManagedObject } from "./inventory.ts";
import type { LiveMetadata } from "./plan-apply.ts";
import { requestLimit } from "./request.ts";

/** Labels that an object must carry to be ours; one that lost them belongs to somebody else. */
export type OwnerLabels = { readonly [key: string]: string };

export type PruneOptions = {
  readonly owner: OwnerLabels;
  /** "disabled" under this annotation keeps an object. */
  readonly keepAnnotation: string;
  /** Foreground: an object is gone only after all that it owns is gone. Background by default. */
  readonly propagationPolicy?: "Background" | "Foreground";
  /** What watches know of the objects: spares asking about those that are still as they were seen. */
  readonly live?: LiveMetadata;
};

export type PruneDeps = { readonly client: Pick<ApiClient, "getOrUndefined" | "delete"> };

/**
 * Deletes `objects` in the given order of kinds, in the background, and says what became of each: objects that are gone or going count as deleted,
 * objects without the owner labels or with the keep annotation as kept. Throws when any could not be deleted, after the others of its kind were tried.
 */
export async function prune(
  objects: readonly ManagedObject[],
  options: PruneOptions,
  { client }: PruneDeps,
  signal: AbortSignal,
): Promise<readonly Change[]> {
  const changes: Change[] = [];
  for (const wave of wavesByKind(objects)) {
    const done = await mapConcurrent(wave, requestLimit, async (id): Promise<Change> => {
      const seen = options.live?.get(formatObjectId(id));
      if (seen !== undefined && (await deleteAsSeen({ id, seen }, options, client, signal))) {
        return { id, action: "deleted" };
      }
      const live = await client.getOrUndefined(id, id, signal);
      if (live === undefined) return { id, action: "deleted" };
      if (!mayGo(live, options)) return { id, action: "kept" };
      if (live.metadata.deletionTimestamp !== undefined) return { id, action: "deleted" };
      return await deleteOnce({ id, seen: live.metadata }, options, client, signal);
    });
    changes.push(...done);
  }
  return changes;
}

/** Objects of one kind go together: nothing of ours within a kind depends on another. */
function wavesByKind(objects: readonly ManagedObject[]): readonly (readonly ManagedObject[])[] {
  return [...Map.groupBy(objects, (object) => `${object.kind}.${object.group}`).values()];
}

function mayGo(live: Pick<KubeObject, "metadata">, { owner, keepAnnotation }: PruneOptions): boolean {
  return isOwned(live, owner) && !isKept(live, keepAnnotation);
}

type Deletion = { readonly id: ManagedObject; readonly seen: ObjectMeta };

/** Only this very state goes: so nobody is passed over who has just taken our labels off, or told it to stay. False when it is another by now. */
async function deleteAsSeen(
  { id, seen }: Deletion,
  options: PruneOptions,
  client: PruneDeps["client"],
  signal: AbortSignal,
): Promise<boolean> {
  const { uid, resourceVersion, deletionTimestamp } = seen;
  if (uid === undefined || resourceVersion === undefined || deletionTimestamp !== undefined) return false;
  if (!mayGo({ metadata: seen }, options)) return false;
  const { propagationPolicy = "Background" } = options;
  try {
    await client.delete({ gvk: id, key: id }, { propagationPolicy, uid, resourceVersion }, signal);
    return true;
  } catch (error) {
    if (isConflict(error)) return false;
    throw error;
  }
}

/** The uid makes sure that it is the object we looked at, and not one that somebody has created since under its name. */
async function deleteOnce(
  { id, seen }: Deletion,
  { propagationPolicy = "Background" }: PruneOptions,
  client: PruneDeps["client"],
  signal: AbortSignal,
): Promise<Change> {
  const options = { propagationPolicy, ...(seen.uid === undefined ? {} : { uid: seen.uid }) };
  try {
    await client.delete({ gvk: id, key: id }, options, signal);
  } catch (error) {
    if (isConflict(error)) return { id, action: "kept" };
    throw error;
  }
  return { id, action: "deleted" };
}

export function isOwned(live: Pick<KubeObject, "metadata">, owner: OwnerLabels): boolean {
  return Object.entries(owner).every(([key, value]) => live.metadata.labels?.[key] === value);
}

export function isKept(live: Pick<KubeObject, "metadata">, keepAnnotation: string): boolean {
  return live.metadata.annotations?.[keepAnnotation]?.toLowerCase() === "disabled";
}

/** Objects that are still there when the time is over. */
export class StillThereError extends ReasonedError {}

/** How often deletions are looked at, with one list a kind; a watch would cost more than it saves for the seconds that they take. */
const pollMs = 150;
/** What takes longer than a moment is looked at less often. */
const slowPollMs = 600;

/** From this time on, whoever wants to know is told what is waited for, and not more often than that. */
const tellMs = 1_000;

export type GoneOptions = {
  readonly owner: OwnerLabels;
  readonly timeoutMs: number;
  /** Told what is still there, once that takes longer than a moment, and again when it is something else. */
  readonly onWaiting?: (message: string) => Promise<void>;
  /** What else holds an object that is still there. */
  readonly heldBy?: (live: KubeObject) => Promise<readonly KubeObject[]>;
};

/**
 * Resolves when none of `objects`, which carry the owner labels, exists any more; throws StillThereError naming those that do, with the
 * finalizers that hold them.
 */
export async function waitUntilGone(
  objects: readonly ManagedObject[],
  options: GoneOptions,
  deps: { readonly client: Pick<ApiClient, "list">; readonly clock: Clock },
  signal: AbortSignal,
): Promise<void> {
  const { timeoutMs, onWaiting } = options;
  const startMs = deps.clock.monotonicMs();
  let told = { message: "", atMs: startMs };
  for (let left = objects; ;) {
    const lists = await mapConcurrent(wavesByKind(left), requestLimit, (kind) =>
      stillListed(kind, options.owner, deps, signal),
    );
    const seen = lists.flat();
    left = seen.map(({ id }) => id);
    if (left.length === 0) return;
    const nowMs = deps.clock.monotonicMs();
    if (nowMs - startMs >= timeoutMs) throw await stillThere(seen, options);
    if (onWaiting !== undefined && nowMs - told.atMs >= tellMs) {
      const { message } = await stillThere(seen, options);
      if (message !== told.message) await onWaiting(message);
      told = { message, atMs: nowMs };
    }
    await deps.clock.sleep(nowMs - startMs < 4 * tellMs ? pollMs : slowPollMs, signal);
  }
}

type Listed = { readonly id: ManagedObject; readonly live: KubeObject };

async function stillListed(
  kind: readonly ManagedObject[],
  owner: OwnerLabels,
  { client }: { readonly client: Pick<ApiClient, "list"> },
  signal: AbortSignal,
): Promise<readonly Listed[]> {
  const [first] = kind;
  if (first === undefined) return [];
  try {
    const selection = { labelSelector: formatSelector(owner), metadataOnly: true };
    const { items } = await client.list(first, selection, signal);
    const live = new Map(items.map((item) => [formatObjectId(objectIdOf(item)), item]));
    return kind.flatMap((id) => {
      const found = live.get(formatObjectId(id));
      return found === undefined ? [] : [{ id, live: found }];
    });
  } catch (error) {
    // With its definition, the kind is gone too.
    if (error instanceof NoSuchKindError || isNotFound(error)) return [];
    throw error;
  }
}

const namedAtMost = 10;

async function stillThere(seen: readonly Listed[], { heldBy }: GoneOptions): Promise<StillThereError> {
  const sorted = seen
    .map(({ live }) => live)
    .toSorted((left, right) => (nameObject(left) < nameObject(right) ? -1 : 1));
  const names = await mapConcurrent(sorted.slice(0, namedAtMost), requestLimit, async (live) => {
    const held = live.metadata.finalizers ?? [];
    const holders = ((await heldBy?.(live)) ?? []).map(describeHeld).toSorted();
    const by = [
      ...(held.length === 0 || holders.length > 0 ? [] : [`finalizer ${held.join(", ")}`]),
      ...(holders.length === 0 ? [] : [enumerate(holders, 3)]),
    ];
    return `${nameObject(live)}${by.length === 0 ? "" : ` (held by ${by.join(", ")})`}`;
  });
  const more = seen.length - names.length;
  return stillThereError(`${names.join(", ")}${more > 0 ? ` and ${more} more` : ""}`);
}

/** `what` names the objects. */
export function stillThereError(what: string): StillThereError {
  const message = `Cannot go on before these objects are gone: ${what}`;
  return new StillThereError({ reason: "ReconciliationFailed", retry: "backoff", message });
}

function describeHeld(object: KubeObject): string {
  const held = object.metadata.finalizers ?? [];
  return held.length === 0 ? nameObject(object) : `${nameObject(object)} with finalizer ${held.join(", ")}`;
}
