import { firstOf } from "../client/abort.ts";
import type { ApiClient, WatchEvent } from "../client/api-client.ts";
import type { KubeObject, ObjectKey } from "../kube/object.ts";
import type { Clock } from "../std/clock.ts";
import { errorMessage } from "../std/errors.ts";
import { leaseKind, readLease, type LeaseRecord } from "./lease.ts";
import type { Logger } from "./log.ts";

/** Which lease, and how it is followed. */
export type ObservedLeaseOptions = {
  readonly client: Pick<ApiClient, "watch">;
  readonly lease: ObjectKey;
  /** For how long a lease is valid that does not say so. */
  readonly leaseMs: number;
  /** How the identities of processes begin that have certainly ended; absent where there are none. */
  readonly predecessors?: string;
  /** For how long the API server may still work at what a process has sent that has ended. */
  readonly graceMs: number;
  /** How soon the lease is worth a look when it cannot be watched. */
  readonly retryMs: number;
  readonly clock: Clock;
  readonly log: Logger;
};

/** A watch of the lease that is silent for longer is given up; the API server sends a bookmark about every minute. */
const idleMs = 150_000;
/** The API server ends a watch of the lease after this time. */
const watchMs = 10 * 60_000;
/** Who gives a lease back leaves it with this duration, as client-go does; a lease that somebody else has emptied keeps the one of its holder. */
const givenBackMs = 1_000;

/** What one process knows of the lease, and since when by its own clock. */
export class ObservedLease {
  readonly #options: ObservedLeaseOptions;
  #live: KubeObject | undefined;
  /** What the lease said, and when we first saw that. */
  #said: (LeaseRecord & { readonly atMs: number }) | undefined;
  /**
   * Until when whoever was seen to hold it may be at work. What others write into the lease, or its deletion, does not make that shorter: the
   * holder need not have heard of it.
   */
  #heldUntilMs = Number.NEGATIVE_INFINITY;
  /** Why the lease could not be watched, so that it is logged once. */
  #unwatched = "";

  constructor(options: ObservedLeaseOptions) {
    this.#options = options;
  }

  /** The lease as it was last seen; undefined when there was none. */
  get live(): KubeObject | undefined {
    return this.#live;
  }

  /** Who has held it last; "" when that one has given it back. */
  get holder(): string | undefined {
    return this.#said?.holder;
  }

  /** When it was seen to change. */
  get atMs(): number | undefined {
    return this.#said?.atMs;
  }

  /** Takes in what the API server said. Of a lease that is gone, its last holder is remembered. */
  observe(lease: KubeObject | undefined): void {
    this.#live = lease;
    if (lease !== undefined) this.#note(lease);
  }

  /** Takes in a lease that could not be written. */
  assume(lease: KubeObject): void {
    this.#live = undefined;
    this.#note(lease);
  }

  /** For how long whoever holds or held it may still be at work; 0 when nobody may. */
  heldForMs(): number {
    return Math.max(0, this.#heldUntilMs - this.#options.clock.monotonicMs());
  }

  /** Resolves when it is worth a try: the lease was given back or deleted, was not renewed in time, or cannot be watched. */
  async untilFree(signal: AbortSignal): Promise<void> {
    const { clock, retryMs } = this.#options;
    const live = this.#live;
    if (live === undefined) return await clock.sleep(Math.min(retryMs, this.heldForMs()), signal);
    const isFree = (event: LeaseEvent): boolean => {
      if (event.kind === "deleted") return true;
      this.observe(event.object);
      return this.holder === "";
    };
    const freed = async (own: AbortSignal): Promise<void> => void (await this.#watch(live, isFree, own));
    await firstOf([freed, (own) => this.#untilQuiet(own)], signal);
  }

  /** For the process that holds the lease as `identity`: resolves when another one holds it, and calls `onEmptied` when it was deleted or emptied. */
  async untilTheirs(identity: string, onEmptied: () => void, signal: AbortSignal): Promise<void> {
    const isTheirs = (event: LeaseEvent): boolean => {
      const { holder } = event.kind === "deleted" ? { holder: "" } : readLease(event.object, 0);
      if (holder === "") onEmptied();
      return holder !== "" && holder !== identity;
    };
    for (;;) {
      const live = this.#live;
      if (live === undefined) await this.#options.clock.sleep(this.#options.retryMs, signal);
      else if (await this.#watch(live, isTheirs, signal)) return;
    }
  }

  /** Watches the lease from `metadata` on. Resolves to true when `isIt` says so, and to false when the watch has ended. */
  async #watch({ metadata }: KubeObject, isIt: (event: LeaseEvent) => boolean, signal: AbortSignal): Promise<boolean> {
    const { client, clock, lease, retryMs, log } = this.#options;
    const openedMs = clock.monotonicMs();
    const one = { namespace: lease.namespace, fieldSelector: `metadata.name=${lease.name}` };
    const from = { ...one, resourceVersion: metadata.resourceVersion ?? "0", timeoutMs: watchMs, idleMs };
    try {
      for await (const event of client.watch(leaseKind, from, signal)) {
        if (event.kind !== "bookmark" && isIt(event)) return true;
      }
    } catch (error) {
      signal.throwIfAborted();
      const why = errorMessage(error);
      if (why !== this.#unwatched)
        log.error("Cannot watch the lease, asking for it instead", { lease: lease.name, error });
      this.#unwatched = why;
    }
    // A watch that ends at once, or is refused, must not become a loop of requests.
    await clock.sleep(Math.max(0, openedMs + retryMs - clock.monotonicMs()), signal);
    return false;
  }

  /** Until the lease has expired, or was not renewed for so long that the watch may be the one that is silent. */
  async #untilQuiet(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const beganMs = clock.monotonicMs();
    for (;;) {
      const { atMs = beganMs, durationMs = 0 } = this.#said ?? {};
      const quietMs = Math.max(atMs, beganMs) + durationMs / 3 - clock.monotonicMs();
      const leftMs = Math.min(quietMs, this.heldForMs());
      if (leftMs <= 0) return;
      // The watch may tell of a renewal meanwhile.
      await clock.sleep(leftMs, signal);
    }
  }

  #note(lease: KubeObject): void {
    const { leaseMs, predecessors, graceMs, clock } = this.#options;
    const record = readLease(lease, leaseMs);
    if (this.#said?.holder === record.holder && this.#said.renewTime === record.renewTime) return;
    const nowMs = clock.monotonicMs();
    if (record.holder === "") {
      if (this.#said !== undefined && record.durationMs > givenBackMs) return;
      this.#heldUntilMs = Number.NEGATIVE_INFINITY;
    } else {
      const hasEnded = predecessors !== undefined && record.holder.startsWith(predecessors);
      const heldMs = hasEnded ? Math.min(graceMs, record.durationMs) : record.durationMs;
      this.#heldUntilMs = Math.max(this.#heldUntilMs, nowMs + heldMs);
    }
    this.#said = { ...record, atMs: nowMs };
  }
}

type LeaseEvent = Exclude<WatchEvent, { readonly kind: "bookmark" }>;
