import type { Clock } from "../../../src/std/clock.ts";

type Sleeper = { readonly atMs: number; readonly wake: () => void };

/** A clock that goes on only when it is told to, by one sleeper at a time. */
export class VirtualClock implements Clock {
  #nowMs: number;
  readonly #sleepers = new Set<Sleeper>();

  constructor(startMs: number) {
    this.#nowMs = startMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(signal.reason);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onAbort = (): void => {
      this.#sleepers.delete(sleeper);
      reject(signal.reason);
    };
    const wake = (): void => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    };
    const sleeper = { atMs: this.#nowMs + Math.max(0, ms), wake };
    this.#sleepers.add(sleeper);
    signal.addEventListener("abort", onAbort, { once: true });
    return promise;
  }

  /** Goes on to the next sleeper that is due until then, and wakes it; false where there is none, and it is then. */
  wakeNext(untilMs: number): boolean {
    let next: Sleeper | undefined;
    for (const sleeper of this.#sleepers) {
      if (sleeper.atMs <= untilMs && (next === undefined || sleeper.atMs < next.atMs)) next = sleeper;
    }
    if (next === undefined) {
      this.#nowMs = Math.max(this.#nowMs, untilMs);
      return false;
    }
    this.#sleepers.delete(next);
    this.#nowMs = Math.max(this.#nowMs, next.atMs);
    next.wake();
    return true;
  }
}
