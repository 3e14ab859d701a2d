// Tests: src/apply/remove/prune.test.ts
import type { ApiClient } from "../../client/api-client.ts";
import { NoSuchKindError, isNotFound } from "../../client/api-error.ts";
import { formatObjectId, nameObject, objectIdOf } from "../../kube/object-id.ts";
import type { KubeObject } from "../../kube/object.ts";
import { formatSelector } from "../../kube/selector.ts";
import type { Clock } from "../../std/clock.ts";
import { mapConcurrent } from "../../std/concurrent.ts";
import { ReasonedError } from "../../std/errors.ts";
import { enumerate } from "../../std/shorten.ts";
import type { ManagedObject } from "../inventory.ts";
import type { Owner } from "../ownership.ts";
import { requestLimit } from "../request.ts";

/** Objects still exist when the time for their deletion is over. */
export class StillThereError extends ReasonedError {}

/** The error for objects that still exist; `what` names them. */
export function stillThereError(what: string): StillThereError {
  const message = `Waiting for these objects to be deleted: ${what}`;
  return new StillThereError({ reason: "ReconciliationFailed", retry: "backoff", message });
}

const namedAtMost = 10;

/** Objects that have to be deleted first, and with what the API server has failed, in its words. */
export type Hold = { readonly objects: readonly KubeObject[]; readonly failure?: string | undefined };

/** Whose objects are waited for, and how long. */
export type GoneOptions = {
  readonly owner: Owner;
  readonly timeoutMs: number;
  /** Called with what still exists after 1 second, and again when that changes. */
  readonly onWaiting?: (message: string) => Promise<void>;
  /** What blocks the deletion of an object besides its finalizers. */
  readonly heldBy?: (live: KubeObject) => Promise<Hold>;
};

/**
 * Resolves when none of `objects`, which carry the owner labels, exists any more. Throws StillThereError naming those that do, with the
 * finalizers or objects that block their deletion.
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
  owner: Owner,
  { client }: { readonly client: Pick<ApiClient, "list"> },
  signal: AbortSignal,
): Promise<readonly Listed[]> {
  const [first] = kind;
  if (first === undefined) return [];
  try {
    const within = first.namespace === "" ? {} : { namespace: owner.namespace };
    const selection = { ...within, labelSelector: formatSelector(owner.labels), metadataOnly: true };
    const { items } = await client.list(first, selection, signal);
    const live = new Map(items.map((item) => [formatObjectId(objectIdOf(item)), item]));
    return kind.flatMap((id) => {
      const found = live.get(formatObjectId(id));
      return found === undefined ? [] : [{ id, live: found }];
    });
  } catch (error) {
    // Without its CRD, neither the kind nor an object of it exists.
    if (error instanceof NoSuchKindError || isNotFound(error)) return [];
    throw error;
  }
}

async function stillThere(seen: readonly Listed[], { heldBy }: GoneOptions): Promise<StillThereError> {
  const sorted = seen
    .map(({ live }) => live)
    .toSorted((left, right) => (nameObject(left) < nameObject(right) ? -1 : 1));
  const names = await mapConcurrent(sorted.slice(0, namedAtMost), requestLimit, async (live) => {
    const held = live.metadata.finalizers ?? [];
    const { objects = [], failure } = (await heldBy?.(live)) ?? {};
    const holders = objects.map(describeHeld).toSorted();
    const by = [
      ...(held.length === 0 || holders.length > 0 ? [] : [`finalizer ${held.join(", ")}`]),
      ...(holders.length === 0 ? [] : [enumerate(holders, 3)]),
    ];
    const why = [
      ...(by.length === 0 ? [] : [`held by ${by.join(", ")}`]),
      ...(failure === undefined ? [] : [`the API server says: ${failure}`]),
    ];
    return `${nameObject(live)}${why.length === 0 ? "" : ` (${why.join("; ")})`}`;
  });
  const more = seen.length - names.length;
  return stillThereError(`${names.join(", ")}${more > 0 ? ` and ${more} more` : ""}`);
}

function describeHeld(object: KubeObject): string {
  const held = object.metadata.finalizers ?? [];
  return held.length === 0 ? nameObject(object) : `${nameObject(object)} with finalizer ${held.join(", ")}`;
}

/** How often deletions are checked, with one list for each kind; a watch would cost more than it saves for the seconds that they take. */
const pollMs = 150;

/** How often deletions are checked that take longer than a moment. */
const slowPollMs = 600;

/** `onWaiting` is called after this time, and not more often. */
const tellMs = 1_000;

/** `objects` by kind, in the order in which the kinds first come. Objects of one kind are deleted together, since none of them depends on another. */
export function wavesByKind(objects: readonly ManagedObject[]): readonly (readonly ManagedObject[])[] {
  return [...Map.groupBy(objects, (object) => `${object.kind}.${object.group}`).values()];
}
