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
import type { OwnerLabels } from "../ownership.ts";
import { requestLimit } from "../request.ts";

/** Objects that are still there when the time is over. */
export class StillThereError extends ReasonedError {}

/** `what` names the objects. */
export function stillThereError(what: string): StillThereError {
  const message = `Waiting for these objects to be deleted: ${what}`;
  return new StillThereError({ reason: "ReconciliationFailed", retry: "backoff", message });
}

const namedAtMost = 10;

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

function describeHeld(object: KubeObject): string {
  const held = object.metadata.finalizers ?? [];
  return held.length === 0 ? nameObject(object) : `${nameObject(object)} with finalizer ${held.join(", ")}`;
}

/** How often deletions are looked at, with one list a kind; a watch would cost more than it saves for the seconds that they take. */
const pollMs = 150;

/** What takes longer than a moment is looked at less often. */
const slowPollMs = 600;

/** From this time on, whoever wants to know is told what is waited for, and not more often than that. */
const tellMs = 1_000;

/** Objects of one kind go together: nothing of ours within a kind depends on another. */
export function wavesByKind(objects: readonly ManagedObject[]): readonly (readonly ManagedObject[])[] {
  return [...Map.groupBy(objects, (object) => `${object.kind}.${object.group}`).values()];
}
