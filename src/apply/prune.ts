import type { ApiClient } from "../client/api-client.ts";
import { isConflict, isNotFound, NoSuchKindError } from "../client/api-error.ts";
import type { Clock } from "../std/clock.ts";
import { mapConcurrent } from "../std/concurrent.ts";
import { ReasonedError } from "../std/errors.ts";
import type { KubeObject } from "../kube/object.ts";
import { describeObject, formatObjectId, objectIdOf } from "../kube/object-id.ts";
import { formatSelector } from "../kube/selector.ts";
import type { Change } from "./change-set.ts";
import type { ManagedObject } from "./inventory.ts";
import { requestLimit } from "./plan-apply.ts";

/** Labels that an object must carry to be ours; one that lost them belongs to somebody else. */
export type OwnerLabels = { readonly [key: string]: string };

export type PruneOptions = {
  readonly owner: OwnerLabels;
  /** "disabled" under this annotation keeps an object. */
  readonly keepAnnotation: string;
  /** Foreground: an object is gone only after all that it owns is gone. Background by default. */
  readonly propagationPolicy?: "Background" | "Foreground";
};

export type PruneDeps = { readonly client: Pick<ApiClient, "getOrUndefined" | "delete"> };

/**
 * Deletes `objects` in the given order of kinds, in the background, and says what became of each: gone objects count as deleted,
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
      const live = await client.getOrUndefined(id, id, signal);
      if (live === undefined) return { id, action: "deleted" };
      if (!isOwned(live, options.owner) || isKept(live, options.keepAnnotation)) return { id, action: "kept" };
      return await deleteOnce(
        { id, live, propagationPolicy: options.propagationPolicy ?? "Background" },
        client,
        signal,
      );
    });
    changes.push(...done);
  }
  return changes;
}

/** Objects of one kind go together: nothing of ours within a kind depends on another. */
function wavesByKind(objects: readonly ManagedObject[]): readonly (readonly ManagedObject[])[] {
  return [...Map.groupBy(objects, (object) => `${object.kind}.${object.group}`).values()];
}

type Deletion = {
  readonly id: ManagedObject;
  readonly live: KubeObject;
  readonly propagationPolicy: "Background" | "Foreground";
};

/** The uid makes sure that it is the object we looked at, and not one that somebody has created since under its name. */
async function deleteOnce(
  { id, live, propagationPolicy }: Deletion,
  client: PruneDeps["client"],
  signal: AbortSignal,
): Promise<Change> {
  const uid = live.metadata.uid;
  const options = { propagationPolicy, ...(uid === undefined ? {} : { uid }) };
  try {
    await client.delete({ gvk: id, key: id }, options, signal);
  } catch (error) {
    if (isConflict(error)) return { id, action: "kept" };
    throw error;
  }
  return { id, action: "deleted" };
}

export function isOwned(live: KubeObject, owner: OwnerLabels): boolean {
  return Object.entries(owner).every(([key, value]) => live.metadata.labels?.[key] === value);
}

export function isKept(live: KubeObject, keepAnnotation: string): boolean {
  return live.metadata.annotations?.[keepAnnotation]?.toLowerCase() === "disabled";
}

/** Objects that are still there when the time is over. */
export class StillThereError extends ReasonedError {}

/** How often deletions are looked at, with one list a kind; a watch would cost more than it saves for the seconds that they take. */
const pollMs = 150;

export type GoneOptions = { readonly owner: OwnerLabels; readonly timeoutMs: number };

/**
 * Resolves when none of `objects`, which carry the owner labels, exists any more; throws StillThereError naming those that do, with the
 * finalizers that hold them.
 */
export async function waitUntilGone(
  objects: readonly ManagedObject[],
  { owner, timeoutMs }: GoneOptions,
  deps: { readonly client: Pick<ApiClient, "list">; readonly clock: Clock },
  signal: AbortSignal,
): Promise<void> {
  const startMs = deps.clock.monotonicMs();
  let left = objects;
  for (;;) {
    const lists = await mapConcurrent(wavesByKind(left), requestLimit, (kind) =>
      stillListed(kind, owner, deps, signal),
    );
    const seen = lists.flat();
    left = seen.map(({ id }) => id);
    if (left.length === 0) return;
    if (deps.clock.monotonicMs() - startMs >= timeoutMs) throw stillThere(seen.map(({ live }) => live));
    await deps.clock.sleep(pollMs, signal);
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

function stillThere(objects: readonly KubeObject[]): StillThereError {
  const names = objects.map((object) => {
    const id = { kind: object.kind, namespace: object.metadata.namespace ?? "", name: object.metadata.name };
    const held = object.metadata.finalizers ?? [];
    return `${describeObject(id)}${held.length === 0 ? "" : ` (held by finalizer ${held.join(", ")})`}`;
  });
  return new StillThereError({
    reason: "ReconciliationFailed",
    retry: "backoff",
    message: `Cannot go on before these objects are gone: ${names.toSorted().slice(0, 10).join(", ")}`,
  });
}
