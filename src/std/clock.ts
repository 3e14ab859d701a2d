/** Time as a dependency, so that tests need not wait. */
export type Clock = {
  /** Wall clock, milliseconds since 1970. It may jump, so it is only for times that people and other programs read. */
  nowMs(): number;
  /** Milliseconds that never decrease; only differences have a meaning. */
  monotonicMs(): number;
  /** Resolves after `ms`; rejects with the signal's reason when it is aborted. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
};

/** The clocks and timers of the process. */
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

/** The wall clock as Kubernetes writes metav1.MicroTime, for Leases and Events. */
export function microTimestamp(clock: Clock): string {
  return `${new Date(clock.nowMs()).toISOString().slice(0, 23)}000Z`;
}

/** The longest time of setTimeout, which fires at once beyond it. */
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
