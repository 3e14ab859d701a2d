import { canonicalJson, deepEqual } from "../std/json.ts";
import { sha256Hex } from "../std/digest.ts";
import type { KubeObject, ObjectMeta } from "../kube/object.ts";
import { formatObjectId, objectIdOf } from "../kube/object-id.ts";

/**
 * What the API server last answered about each object that we manage, by inventory id. It lives as long as the process: after a
 * restart it is empty, and every object is looked at once in full. Bounded by the inventory: `forgetOthers` drops the rest.
 */
export class Ledger {
  readonly #entries = new Map<string, LedgerEntry>();

  /** Notes that `answer` is what the API server made of `desired`. */
  record(desired: KubeObject, answer: KubeObject): void {
    this.#entries.set(formatObjectId(objectIdOf(desired)), { desired: digestOf(desired), seen: answer.metadata });
  }

  /**
   * Whether nothing can have changed since `record`: the same manifest is wanted, and the live object is the one that the
   * API server answered with. An object with a generation may get a new status meanwhile; without one (ServiceAccounts,
   * roles, bindings) any write by others counts as a change.
   */
  isSettled(desired: KubeObject, live: ObjectMeta | undefined): boolean {
    const entry = this.#entries.get(formatObjectId(objectIdOf(desired)));
    if (entry === undefined || live === undefined || entry.seen.uid !== live.uid) return false;
    if (live.deletionTimestamp !== undefined || entry.desired !== digestOf(desired)) return false;
    if (entry.seen.resourceVersion === live.resourceVersion) return true;
    if (live.generation === undefined || live.generation !== entry.seen.generation) return false;
    return (
      deepEqual(live.labels ?? {}, entry.seen.labels ?? {}) &&
      deepEqual(live.annotations ?? {}, entry.seen.annotations ?? {})
    );
  }

  forgetOthers(desired: readonly KubeObject[]): void {
    const keep = new Set(desired.map((object) => formatObjectId(objectIdOf(object))));
    for (const id of this.#entries.keys()) if (!keep.has(id)) this.#entries.delete(id);
  }

  clear(): void {
    this.#entries.clear();
  }
}

type LedgerEntry = { readonly desired: string; readonly seen: ObjectMeta };

const digests = new WeakMap<KubeObject, string>();

/** Memoised by identity: a rendering is compared many times and never changed. */
function digestOf(object: KubeObject): string {
  const known = digests.get(object);
  if (known !== undefined) return known;
  const digest = sha256Hex(canonicalJson(object));
  digests.set(object, digest);
  return digest;
}
