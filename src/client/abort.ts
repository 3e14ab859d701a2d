import type { Clock } from "../std/clock.ts";

/** Whether `thrown` only says that the signal was aborted. */
export function isAbortOf(signal: AbortSignal, thrown: unknown): boolean {
  if (!signal.aborted) return false;
  return (
    thrown === signal.reason ||
    (thrown instanceof Error && (thrown.name === "AbortError" || thrown.cause === signal.reason))
  );
}

/** When work must be done: after `timeoutMs` by `clock`, or when the signal is aborted. */
export type Deadline = {
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  readonly timeoutReason: () => Error;
  readonly clock: Clock;
};

/** The promise's own end, or the signal's reason when that is aborted before. */
export async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => aborted.reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/**
 * Runs `work` with a signal of its own that is aborted with the caller's, or after `timeoutMs` with `timeoutReason`. It removes all listeners
 * afterwards, so that a long-lived signal collects none. Throws what `work` throws.
 */
export async function withDeadline<T>(
  { signal, timeoutMs, timeoutReason, clock }: Deadline,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const own = new AbortController();
  const onAbort = (): void => own.abort(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  const done = new AbortController();
  const late = clock.sleep(timeoutMs, done.signal).then(
    () => own.abort(timeoutReason()),
    () => undefined,
  );
  try {
    return await work(own.signal);
  } finally {
    done.abort();
    await late;
    signal.removeEventListener("abort", onAbort);
  }
}

/** Runs `waits` until one of them has ended, whose end it is. The others are aborted, and have ended when this resolves or throws. */
export async function firstOf(
  waits: readonly ((signal: AbortSignal) => Promise<void>)[],
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  const own = new AbortController();
  const onAbort = (): void => own.abort(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  const running = waits.map((wait) => wait(own.signal));
  try {
    await Promise.race(running);
  } finally {
    own.abort(new Error("another one has ended"));
    await Promise.allSettled(running);
    signal.removeEventListener("abort", onAbort);
  }
}
