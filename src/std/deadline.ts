import type { Clock } from "./clock.ts";

export type Deadline = {
  readonly timeoutMs: number;
  /** What the work's signal is aborted with, and thus what it usually throws, when the time is over. */
  readonly reason: () => Error;
  readonly clock: Pick<Clock, "sleep">;
};

/** Runs `work` with a signal that is aborted with the caller's, or when the time is over. Nothing of it stays on the caller's signal. */
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
  // The second is the timer being stopped below.
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
