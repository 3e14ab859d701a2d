import { fluxInstance, instanceAnnotations } from "../../api/names.ts";
import type { KubeObject, ObjectKey } from "../../kube/object.ts";

/**
 * Tells a reconcile that is waiting that something newer is wanted: another generation, a deletion, a new request. One entry per
 * reconcile under way.
 */
export class Interrupts {
  readonly #waiting = new Map<string, { readonly wish: string; readonly abort: AbortController }>();

  /** The signal is aborted once `notify` sees another wish than that of `instance`. Call `done` at the end. */
  register(instance: KubeObject): { readonly signal: AbortSignal; readonly done: () => void } {
    const id = idOf(instance.metadata);
    const abort = new AbortController();
    this.#waiting.set(id, { wish: wishOf(instance), abort });
    return { signal: abort.signal, done: () => void this.#waiting.delete(id) };
  }

  notify(instance: KubeObject): void {
    const waiting = this.#waiting.get(idOf(instance.metadata));
    if (waiting !== undefined && waiting.wish !== wishOf(instance)) {
      waiting.abort.abort(new Error("something newer is wanted"));
    }
  }

  /** There is something newer for the instance although it is wished for as before. */
  interrupt(key: ObjectKey): void {
    this.#waiting.get(idOf(key))?.abort.abort(new Error("something newer is there"));
  }
}

/** Everything about an instance that can make a reconcile necessary, as one text. Status is not part of it. */
export function wishOf(instance: KubeObject): string {
  const { uid = "", generation = 0, deletionTimestamp = "", annotations = {} } = instance.metadata;
  const read = Object.values(instanceAnnotations).map((name) => annotations[name] ?? "");
  return JSON.stringify([fluxInstance.kind, uid, generation, deletionTimestamp, ...read]);
}

function idOf({ namespace = "", name }: Partial<ObjectKey> & { readonly name: string }): string {
  return `${namespace}/${name}`;
}
