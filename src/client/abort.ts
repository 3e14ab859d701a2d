/** Whether `thrown` only says that the signal was aborted. */
export function isAbortOf(signal: AbortSignal, thrown: unknown): boolean {
  if (!signal.aborted) return false;
  return (
    thrown === signal.reason ||
    (thrown instanceof Error && (thrown.name === "AbortError" || thrown.cause === signal.reason))
  );
}

/**
 * Runs `work` with a signal of its own that is aborted with the caller's, or after `timeoutMs` with `timeoutReason`. It removes all listeners
 * afterwards, so that a long-lived signal collects none. Throws what `work` throws.
 */
export async function withDeadline<T>(
  { signal, timeoutMs, timeoutReason }: { signal: AbortSignal; timeoutMs: number; timeoutReason: () => Error },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const own = new AbortController();
  const onAbort = (): void => own.abort(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  const timer = setTimeout(() => own.abort(timeoutReason()), timeoutMs);
  try {
    return await work(own.signal);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
}
