import { uptime } from "node:os";

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

/**
 * The same, for what must not outlast a lease: its monotonic clock goes on while the machine is suspended. That of Node stands still then, as
 * CLOCK_MONOTONIC does on Linux; the uptime, CLOCK_BOOTTIME, does not.
 */
export const unsuspendedClock: Clock = {
  ...systemClock,
  monotonicMs: withSuspensions(
    () => performance.now(),
    () => uptime() * 1000,
  ),
};

/** `monotonicMs`, and what it has missed of `uptimeMs`, which may be less precise: only what is longer than a second counts as missed. */
export function withSuspensions(monotonicMs: () => number, uptimeMs: () => number): () => number {
  const read = (): readonly [nowMs: number, upMs: number] => {
    for (;;) {
      const beforeMs = monotonicMs();
      const upMs = uptimeMs();
      const nowMs = monotonicMs();
      // Two clocks between which the process was stopped would differ, too.
      if (nowMs - beforeMs < 100) return [nowMs, upMs];
    }
  };
  let [lastMs, lastUpMs] = read();
  let missedMs = 0;
  return () => {
    const [nowMs, upMs] = read();
    const missed = upMs - lastUpMs - (nowMs - lastMs);
    if (missed > 1_000) missedMs += missed;
    [lastMs, lastUpMs] = [nowMs, upMs];
    return nowMs + missedMs;
  };
}

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
