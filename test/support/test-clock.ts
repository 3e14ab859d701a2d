import type { Clock } from "../../src/std/clock.ts";

type Sleeper = { readonly atMs: number; readonly wake: () => void };

/** A clock for tests that stands still until `advance` or `wakeNext` is called; both its readings start at `startMs`. */
export class TestClock implements Clock {
  #nowMs: number;
  readonly #sleepers = new Set<Sleeper>();

  constructor(startMs = 0) {
    this.#nowMs = startMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  /** How long each sleeper still sleeps, in milliseconds, soonest first. */
  sleepingMs(): readonly number[] {
    return [...this.#sleepers].map((sleeper) => sleeper.atMs - this.#nowMs).toSorted((left, right) => left - right);
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

  /** Lets `ms` pass: wakes sleepers in their order, each with the clock at its own time, and lets what they wake run. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    await othersRun();
    while (this.wakeNext(untilMs)) await othersRun();
    await othersRun();
  }

  /** Goes on to the next sleeper that is due until then, and wakes it; false where there is none, and it is then. */
  wakeNext(untilMs: number): boolean {
    const next = this.#next(untilMs);
    this.#nowMs = Math.max(this.#nowMs, next?.atMs ?? untilMs);
    if (next === undefined) return false;
    this.#sleepers.delete(next);
    next.wake();
    return true;
  }

  /** Lets `ms` pass without anybody noticing, as when the process was stopped: due sleepers wake at the next `advance`. */
  jump(ms: number): void {
    this.#nowMs += ms;
  }

  #next(untilMs: number): Sleeper | undefined {
    let next: Sleeper | undefined;
    for (const sleeper of this.#sleepers) {
      if (sleeper.atMs <= untilMs && sleeper.atMs < (next?.atMs ?? Number.POSITIVE_INFINITY)) next = sleeper;
    }
    return next;
  }
}

/** Lets everything run that is ready to. */
function othersRun(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
