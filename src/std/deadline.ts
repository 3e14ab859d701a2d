import type { Clock } from "./clock.ts";

/** A time limit. */
export type Deadline = {
  readonly timeoutMs: number;
  /** What the work's signal is aborted with when the time is over, and so what the work usually throws. */
  readonly reason: () => Error;
  readonly clock: Pick<Clock, "sleep">;
};

/**
 * Runs `work` with a signal that is aborted with the caller's, or when the time is over. Leaves no listener on the caller's signal. Throws what
 * `work` throws.
 */
export async function withinDeadline<T>(
  { timeoutMs, reason, clock }: Deadline,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const own = new AbortController();
  const timer = new AbortController();
  const onAbort = (): void => own.abort(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  // The second callback is for the abort of the timer below.
  clock.sleep(timeoutMs, timer.signal).then(
    () => own.abort(reason()),
    () => undefined,
  );
  try {
    return await work(own.signal);
  } finally {
    timer.abort();
    signal.removeEventListener("abort", onAbort);
  }
}
