import { fluxInstance, instanceAnnotations } from "../../../api/names.ts";
import type { KubeObject, ObjectKey } from "../../../kube/object.ts";

/** One reconcile, as long as it is under way. */
export type Interrupt = {
  /** Aborted once something newer is wanted than what `expect` was told. */
  readonly signal: AbortSignal;
  /** Says what the reconcile has read and works on. What has been wished since is heard, also from before this call. */
  readonly expect: (instance: KubeObject) => void;
  readonly done: () => void;
};

/**
 * Tells a reconcile that is waiting that something newer is wanted: another generation, a deletion, a new request, another artifact. One
 * entry per reconcile under way; it begins before the instance is read, so that no change falls between reading and listening.
 */
export class Interrupts {
  readonly #entries = new Map<string, Entry>();

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

  notify(instance: KubeObject): void {
    const entry = this.#entries.get(idOf(instance.metadata));
    if (entry === undefined) return;
    entry.latest = instance;
    abortIfOutdated(entry);
  }

  /** There is something newer for the instance although it is wished for as before. A reconcile that has not read it yet finds it by itself. */
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

/** A watch may tell late what has been read since. Resource versions are numbers that grow (KEP-5504; before it, in fact). */
function isNewer({ metadata: left }: KubeObject, { metadata: right }: KubeObject): boolean {
  return Number(left.resourceVersion ?? 0) > Number(right.resourceVersion ?? 0);
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
