import { fluxInstance, instanceAnnotations } from "../../../api/names.ts";
import { fieldsOf } from "../../../kube/fields.ts";
import type { KubeObject, ObjectKey } from "../../../kube/object.ts";

/** One reconcile, while it is under way. */
export type Interrupt = {
  /** Aborted when the instance is newer than what `expect` was given, and asks for something else. */
  readonly signal: AbortSignal;
  /** Sets what the reconcile has read and works on. Changes since then count, also those before this call. */
  readonly expect: (instance: KubeObject) => void;
  readonly done: () => void;
};

/**
 * Interrupts a waiting reconcile when its instance changes: another generation, a deletion, a new request, another artifact. It has one entry
 * for each reconcile under way, which begins before the instance is read, so that no change is missed between reading and listening.
 */
export class Interrupts {
  readonly #entries = new Map<string, Entry>();

  /** Begins to listen for the reconcile of `key`, which calls `done` when it ends. */
  begin(key: ObjectKey): Interrupt {
    const id = idOf(key);
    const entry: Entry = { abort: new AbortController(), expected: undefined, latest: undefined };
    this.#entries.set(id, entry);
    return {
      signal: entry.abort.signal,
      expect: (instance) => {
        entry.expected = instance;
        abortIfOutdated(entry);
      },
      done: () => void this.#entries.delete(id),
    };
  }

  /** Called with every version of an instance that a watch delivers. */
  notify(instance: KubeObject): void {
    const entry = this.#entries.get(idOf(instance.metadata));
    if (entry === undefined) return;
    entry.latest = instance;
    abortIfOutdated(entry);
  }

  /**
   * Interrupts the reconcile of `key` although its instance has not changed, as for a new artifact. A reconcile that has not read its instance
   * yet finds that by itself.
   */
  interrupt(key: ObjectKey): void {
    const entry = this.#entries.get(idOf(key));
    if (entry?.expected !== undefined) entry.abort.abort(new Error("something newer is there"));
  }
}

type Entry = { readonly abort: AbortController; expected: KubeObject | undefined; latest: KubeObject | undefined };

function abortIfOutdated({ abort, expected, latest }: Entry): void {
  if (expected === undefined || latest === undefined || !isNewer(latest, expected)) return;
  if (desiredTextOf(expected) !== desiredTextOf(latest)) abort.abort(new Error("something newer is wanted"));
}

/** A watch may deliver late what has been read already. Resource versions are numbers that grow (KEP-5504; before it, in practice). */
function isNewer({ metadata: left }: KubeObject, { metadata: right }: KubeObject): boolean {
  return Number(left.resourceVersion ?? 0) > Number(right.resourceVersion ?? 0);
}

/**
 * Whether a change of an instance makes a reconcile necessary: something else is wanted, or the status is lost, as by a restore. Nobody else
 * would write it again for an instance that waits for another spec.
 */
export function isNewsOf(previous: KubeObject, now: KubeObject): boolean {
  const [had, has] = [previous, now].map((instance) => fieldsOf(instance["status"])["conditions"] !== undefined);
  const isStatusLost = had === true && has === false;
  return isStatusLost || desiredTextOf(previous) !== desiredTextOf(now);
}

/** Everything about an instance that can make a reconcile necessary, as one text. Status is not part of it. */
export function desiredTextOf(instance: KubeObject): string {
  const { uid = "", generation = 0, deletionTimestamp = "", annotations = {} } = instance.metadata;
  const read = Object.values(instanceAnnotations).map((name) => annotations[name] ?? "");
  return JSON.stringify([fluxInstance.kind, uid, generation, deletionTimestamp, ...read]);
}

function idOf({ namespace = "", name }: Partial<ObjectKey> & { readonly name: string }): string {
  return `${namespace}/${name}`;
}
