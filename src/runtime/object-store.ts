import type { KubeObject, ObjectKey } from "../kube/object.ts";

/** One change of an object. `object` of a deletion is the last known state. */
export type ObjectChange =
  | { readonly kind: "added" | "deleted"; readonly object: KubeObject }
  | { readonly kind: "updated"; readonly object: KubeObject; readonly previous: KubeObject };

/** The objects of one kind by key. Each write returns the changes that it made. */
export class ObjectStore {
  #objects = new Map<string, KubeObject>();
  readonly #keep: (object: KubeObject) => KubeObject;

  constructor({ keep }: { readonly keep: (object: KubeObject) => KubeObject }) {
    this.#keep = keep;
  }

  get(key: ObjectKey): KubeObject | undefined {
    return this.#objects.get(`${key.namespace}/${key.name}`);
  }

  list(): readonly KubeObject[] {
    return [...this.#objects.values()];
  }

  /** Replaces the whole content at once. What is missing from `objects` was deleted while no watch was open. */
  replace(objects: readonly KubeObject[]): readonly ObjectChange[] {
    const before = this.#objects;
    const after = new Map(objects.map((object) => [idOf(object), this.#keep(object)] as const));
    this.#objects = after;
    const found = [...after].flatMap(([id, object]) => changeOf(before.get(id), object));
    const missing = [...before].filter(([id]) => !after.has(id));
    return [...found, ...missing.map(([, object]) => ({ kind: "deleted", object }) as const)];
  }

  put(received: KubeObject): readonly ObjectChange[] {
    const object = this.#keep(received);
    const previous = this.#objects.get(idOf(object));
    this.#objects.set(idOf(object), object);
    return changeOf(previous, object);
  }

  remove(received: KubeObject): readonly ObjectChange[] {
    const object = this.#keep(received);
    this.#objects.delete(idOf(object));
    return [{ kind: "deleted", object }];
  }
}

function changeOf(previous: KubeObject | undefined, object: KubeObject): readonly ObjectChange[] {
  if (previous === undefined) return [{ kind: "added", object }];
  if (previous.metadata.resourceVersion === object.metadata.resourceVersion) return [];
  return [{ kind: "updated", object, previous }];
}

function idOf(object: KubeObject): string {
  return `${object.metadata.namespace ?? ""}/${object.metadata.name}`;
}
