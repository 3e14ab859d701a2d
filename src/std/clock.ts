/** Time as a dependency, so that tests need not wait for it. */
export type Clock = {
  /** Wall clock, milliseconds since 1970. May jump: only for what people and other machines read. */
  nowMs(): number;
  /** Milliseconds that never go back; only differences mean something. */
  monotonicMs(): number;
  /** Resolves after `ms`; rejects with the signal's reason once it is aborted. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
};

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: sleepOnTimer,
};

/** The wall clock as Kubernetes writes metav1.Time: RFC 3339 in UTC with whole seconds. */
export function timestamp(clock: Clock): string {
  return formatTime(clock.nowMs());
}

/** Milliseconds since 1970 as Kubernetes writes metav1.Time. */
export function formatTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/** As Kubernetes writes metav1.MicroTime, the times of Leases and Events. */
export function microTimestamp(clock: Clock): string {
  return `${new Date(clock.nowMs()).toISOString().slice(0, 23)}000Z`;
}

/** setTimeout fires at once beyond this. */
const longestTimerMs = 2 ** 31 - 1;

async function sleepOnTimer(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  for (let left = ms; left > longestTimerMs; left -= longestTimerMs) await oneTimer(longestTimerMs, signal);
  await oneTimer(ms > longestTimerMs ? ms % longestTimerMs : ms, signal);
}

function oneTimer(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onAbort = (): void => {
    clearTimeout(timer);
    reject(signal.reason);
  };
  const timer = setTimeout(() => {
    signal.removeEventListener("abort", onAbort);
    resolve();
  }, ms);
  signal.addEventListener("abort", onAbort, { once: true });
  return promise;
}
