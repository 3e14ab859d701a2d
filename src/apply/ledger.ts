import { systemClock, type Clock } from "../std/clock.ts";
import { canonicalJson, deepEqual } from "../std/json.ts";
import { sha256Hex } from "../std/digest.ts";
import type { KubeObject, ManagedFieldsEntry, ObjectMeta } from "../kube/object.ts";
import { formatObjectId, objectIdOf, type ObjectId } from "../kube/object-id.ts";
import { Contests } from "./contests.ts";

/**
 * What the API server last answered about each object that we manage, by inventory id. It lives as long as the process: after a restart it is
 * empty, and every object is looked at once in full. Bounded by the inventory: `forgetOthers` removes all other entries.
 */
export class Ledger {
  readonly #entries = new Map<string, LedgerEntry>();
  readonly #contests = new Contests();
  readonly #clock: Pick<Clock, "monotonicMs">;

  constructor(clock: Pick<Clock, "monotonicMs"> = systemClock) {
    this.#clock = clock;
  }

  /** Records that `answer` is what the API server made of `desired`. */
  record(desired: KubeObject, answer: KubeObject): void {
    this.#entries.set(formatObjectId(objectIdOf(desired)), { desired: digestOf(desired), seen: answer.metadata });
  }

  /** Whether the object is one that was recorded. */
  has(id: ObjectId): boolean {
    return this.#entries.has(formatObjectId(id));
  }

  /** Whether nothing can have changed since `record`: the same manifest is desired, and no other client wrote the live object. */
  isUnchanged(desired: KubeObject, live: ObjectMeta | undefined): boolean {
    const entry = this.#entries.get(formatObjectId(objectIdOf(desired)));
    if (entry === undefined || live === undefined) return false;
    return entry.desired === digestOf(desired) && isAsSeen(entry.seen, live);
  }

  /** Whether another client wrote or deleted an object that we manage: `live` is what a watch says about it, undefined after a deletion. */
  isDrift(id: ObjectId, live: ObjectMeta | undefined): boolean {
    const entry = this.#entries.get(formatObjectId(id));
    if (entry === undefined) return false;
    return live === undefined || !isAsSeen(entry.seen, live);
  }

  /** Whether another client has changed what the object specifies, and that is repaired at once: metadata alone keeps no object from getting ready. */
  isEdited(live: KubeObject): boolean {
    const id = objectIdOf(live);
    const seen = this.#entries.get(formatObjectId(id))?.seen;
    return this.isDrift(id, live.metadata) && live.metadata.generation !== seen?.generation && !this.isContested(id);
  }

  /**
   * Records that what another client had made of an object is repaired: `live` is what that was, undefined after a deletion. Nothing is recorded
   * when another manifest was desired until now. Call it before `record`. `own` is our field manager.
   */
  repaired(desired: KubeObject, live: KubeObject | undefined, answer: KubeObject, own: string): void {
    if (!this.#isDesired(desired)) return;
    this.#contests.repaired(answer, live, { nowMs: this.#clock.monotonicMs(), own });
  }

  /** Whether the object stays as another client has changed it, since that client undoes each repair. Never when another manifest is desired now. */
  isPaused(desired: KubeObject): boolean {
    return this.#isDesired(desired) && this.isContested(objectIdOf(desired));
  }

  /** Whether drift of the object is repaired later, and not when it happens. */
  isContested(id: ObjectId): boolean {
    return this.#contests.isPaused(id, this.#clock.monotonicMs());
  }

  /** Lets every object be repaired now, since the user asks for it. */
  resume(): void {
    this.#contests.resume(this.#clock.monotonicMs());
  }

  /** Who undoes our repairs, in sentences, sorted; and in how many milliseconds the first of these objects is due. */
  contested(): ReturnType<Contests["told"]> {
    return this.#contests.told(this.#clock.monotonicMs());
  }

  #isDesired(desired: KubeObject): boolean {
    return this.#entries.get(formatObjectId(objectIdOf(desired)))?.desired === digestOf(desired);
  }

  /** Removes the entries of all objects that are not in `desired`. */
  forgetOthers(desired: readonly KubeObject[]): void {
    const keep = new Set(desired.map((object) => formatObjectId(objectIdOf(object))));
    for (const id of this.#entries.keys()) if (!keep.has(id)) this.#entries.delete(id);
    this.#contests.forgetOthers(keep);
  }

  /** Removes all entries. */
  clear(): void {
    this.#entries.clear();
    this.#contests.forgetOthers(new Set());
  }
}

/** Whether the object is as it was seen, but for a new status and the annotations that Kubernetes' own controllers put on it. */
function isAsSeen(seen: ObjectMeta, live: ObjectMeta): boolean {
  if (seen.uid !== live.uid || live.deletionTimestamp !== undefined) return false;
  if (seen.resourceVersion === live.resourceVersion || sameWriters(seen, live)) return true;
  if (live.generation === undefined || live.generation !== seen.generation) return false;
  return deepEqual(live.labels ?? {}, seen.labels ?? {}) && deepEqual(lasting(live), lasting(seen));
}

/** Whether only status was written between the two: every other write changes managedFields. */
function sameWriters(seen: ObjectMeta, live: ObjectMeta): boolean {
  const [before, after] = [contentWriters(seen), contentWriters(live)];
  return before !== undefined && after !== undefined && deepEqual(before, after);
}

function contentWriters({ managedFields }: ObjectMeta): readonly ManagedFieldsEntry[] | undefined {
  return managedFields?.filter(({ subresource }) => subresource !== "status");
}

/** Annotations without those that Kubernetes' own controllers keep on Deployments and claims. */
function lasting({ annotations = {} }: ObjectMeta): { readonly [key: string]: string } {
  const kept = Object.entries(annotations).filter(([key]) => !controllerAnnotations.test(key));
  return Object.fromEntries(kept);
}

const controllerAnnotations = /^(deployment|pv|volume|volume\.beta)\.kubernetes\.io\//;

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
