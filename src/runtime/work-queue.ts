import type { ObjectKey } from "../kube/object.ts";
import { backoffMs } from "../std/backoff.ts";
import type { BackoffLimits } from "../std/backoff.ts";
import type { Clock } from "../std/clock.ts";

/** What the queue reports for metrics. Times in milliseconds. */
export type QueueObserver = {
  added(): void;
  depth(keys: number): void;
  retried(): void;
  waited(ms: number): void;
  worked(ms: number): void;
};

/** A queue without an observer reports nothing. */
export type WorkQueueOptions = {
  readonly clock: Clock;
  /** Delays of `retry`: 750 ms to 15 minutes by default. */
  readonly backoff?: BackoffLimits;
  /** How often a key is handed out: `burst` times at once, and once every `everyMs` in the long run. Without limit by default. */
  readonly pace?: Pace;
  readonly observer?: QueueObserver;
};

type Pace = { readonly burst: number; readonly everyMs: number };

type Waiting = { readonly dueMs: number; readonly abort: AbortController };

const defaultBackoff: BackoffLimits = { baseMs: 750, maxMs: 15 * 60_000 };

/**
 * Keys to be reconciled, each once, first come first served. A key that is added while a worker has it is handed out again after `done`, and
 * never to two workers at a time. Same rules as client-go's workqueue. Bounded by the number of keys that exist.
 */
export class WorkQueue {
  readonly #clock: Clock;
  readonly #backoff: BackoffLimits;
  readonly #observer: QueueObserver | undefined;
  /** In order; the value is when the key was added. */
  readonly #ready = new Map<string, { readonly key: ObjectKey; readonly addedMs: number }>();
  readonly #working = new Map<string, number>();
  readonly #dirty = new Set<string>();
  readonly #waiting = new Map<string, Waiting>();
  readonly #pace: Pace | undefined;
  /** When a key will have had no turn for so long that all of its burst is there again; a token bucket, in one number. */
  readonly #restedMs = new Map<string, number>();
  readonly #failures = new Map<string, number>();
  readonly #sleeps = new Set<Promise<void>>();
  readonly #takers: (() => void)[] = [];
  #closed = false;

  constructor(options: WorkQueueOptions) {
    this.#clock = options.clock;
    this.#backoff = options.backoff ?? defaultBackoff;
    this.#pace = options.pace;
    this.#observer = options.observer;
  }

  /** How many keys a worker could take now. */
  get depth(): number {
    return this.#ready.size;
  }

  add(key: ObjectKey): void {
    const id = idOf(key);
    if (this.#closed || this.#ready.has(id) || this.#dirty.has(id)) return;
    this.#observer?.added();
    if (this.#working.has(id)) {
      this.#dirty.add(id);
      return;
    }
    this.#push(id, key);
  }

  /** Adds the key after `ms`; of several such requests for a key the earliest counts. */
  addAfter(key: ObjectKey, ms: number): void {
    if (this.#closed) return;
    if (ms <= 0) return this.add(key);
    const id = idOf(key);
    const dueMs = this.#clock.monotonicMs() + ms;
    const earlier = this.#waiting.get(id);
    if (earlier !== undefined && earlier.dueMs <= dueMs) return;
    earlier?.abort.abort();
    this.#startWaiting(id, { key, ms, dueMs });
  }

  /** Adds the key after its backoff, which doubles until `forget`; at least `atLeastMs`. Returns the delay in milliseconds. */
  retry(key: ObjectKey, atLeastMs = 0): number {
    const id = idOf(key);
    const attempt = (this.#failures.get(id) ?? 0) + 1;
    this.#failures.set(id, attempt);
    const ms = Math.max(atLeastMs, backoffMs(attempt, this.#backoff));
    this.#observer?.retried();
    this.addAfter(key, ms);
    return ms;
  }

  /** Resets the backoff of the key. */
  forget(key: ObjectKey): void {
    this.#failures.delete(idOf(key));
  }

  /**
   * The next key, which must be given back with `done`; undefined after the queue is closed. A delayed request for the key is dropped, since
   * this reconcile serves it.
   */
  async take(): Promise<ObjectKey | undefined> {
    while (!this.#closed) {
      const [first] = this.#ready;
      if (first !== undefined) return this.#handOut(first[0], first[1]);
      await new Promise<void>((resolve) => this.#takers.push(resolve));
    }
    return undefined;
  }

  done(key: ObjectKey): void {
    const id = idOf(key);
    const startedMs = this.#working.get(id);
    if (startedMs === undefined) return;
    this.#working.delete(id);
    this.#observer?.worked(this.#clock.monotonicMs() - startedMs);
    if (this.#dirty.delete(id)) this.#push(id, key);
  }

  /** Drops everything, ends every `take` with undefined, and resolves when no timer is left. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#ready.clear();
    this.#dirty.clear();
    this.#failures.clear();
    for (const { abort } of this.#waiting.values()) abort.abort();
    for (const wake of this.#takers.splice(0)) wake();
    await Promise.all(this.#sleeps);
    this.#observer?.depth(0);
  }

  #push(id: string, key: ObjectKey): void {
    if (this.#closed) return;
    const waitMs = this.#untilTurnMs(id);
    if (waitMs > 0) return this.addAfter(key, waitMs);
    this.#ready.set(id, { key, addedMs: this.#clock.monotonicMs() });
    this.#observer?.depth(this.#ready.size);
    this.#takers.shift()?.();
  }

  #untilTurnMs(id: string): number {
    if (this.#pace === undefined) return 0;
    const { burst, everyMs } = this.#pace;
    return (this.#restedMs.get(id) ?? 0) - this.#clock.monotonicMs() - (burst - 1) * everyMs;
  }

  #useTurn(id: string, nowMs: number): void {
    if (this.#pace === undefined) return;
    this.#restedMs.set(id, Math.max(this.#restedMs.get(id) ?? 0, nowMs) + this.#pace.everyMs);
  }

  #handOut(id: string, { key, addedMs }: { readonly key: ObjectKey; readonly addedMs: number }): ObjectKey {
    this.#ready.delete(id);
    this.#waiting.get(id)?.abort.abort();
    const nowMs = this.#clock.monotonicMs();
    this.#working.set(id, nowMs);
    this.#useTurn(id, nowMs);
    this.#observer?.depth(this.#ready.size);
    this.#observer?.waited(nowMs - addedMs);
    return key;
  }

  #startWaiting(id: string, request: { readonly key: ObjectKey; readonly ms: number; readonly dueMs: number }): void {
    const waiting = { dueMs: request.dueMs, abort: new AbortController() };
    this.#waiting.set(id, waiting);
    const sleep = this.#addLater(id, request, waiting);
    this.#sleeps.add(sleep);
    void sleep.finally(() => this.#sleeps.delete(sleep));
  }

  async #addLater(
    id: string,
    { key, ms }: { readonly key: ObjectKey; readonly ms: number },
    waiting: Waiting,
  ): Promise<void> {
    const { signal } = waiting.abort;
    try {
      await this.#clock.sleep(ms, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    if (this.#waiting.get(id) === waiting) this.#waiting.delete(id);
    if (!signal.aborted) this.add(key);
  }
}

function idOf(key: ObjectKey): string {
  return `${key.namespace}/${key.name}`;
}
