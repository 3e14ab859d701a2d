import { isAbortOf } from "../client/abort.ts";
import type { Clock } from "../std/clock.ts";
import { ReasonedError } from "../std/errors.ts";
import type { Logger } from "./log.ts";

/** A part of the program that runs as long as the program does. */
export type Runnable = {
  readonly name: string;
  /** Resolves when the signal is aborted and nothing of it is left. When it ends earlier, or rejects, the program ends. */
  run(signal: AbortSignal): Promise<void>;
  /** Resolves when the runnables of later steps may rely on it; at once by default. */
  ready?(signal: AbortSignal): Promise<void>;
};

/** Runnables that are started together. */
export type StartStep = {
  /** Why it starts now and not later. */
  readonly because: string;
  readonly runnables: readonly Runnable[];
};

/** How a program stops: `log` gets the runnables that do not stop in time. */
export type ManagerOptions = {
  readonly log: Logger;
  readonly clock: Clock;
  /**
   * How long all steps together may take to stop before the manager stops waiting for them. 8 s by default: the Go operator's Deployment gives
   * 10 s, after which the kubelet kills the process.
   */
  readonly stopMs?: number;
};

/** A runnable ended by itself, or failed. */
export class RunnableError extends ReasonedError {
  constructor(name: string, why: string, cause?: unknown) {
    super({ reason: "RunnableFailed", retry: "on-change", message: `Cannot go on without ${name}: ${why}`, cause });
  }
}

const defaultStopMs = 8_000;

type Running = { readonly runnable: Runnable; readonly ended: Promise<void> };
type StartedStep = { readonly abort: AbortController; readonly running: readonly Running[] };

/**
 * Starts the steps in their order, each when the one before is ready, and runs until the signal is aborted: then it stops them in the reverse
 * order and resolves. When a runnable fails, all are stopped at once and the error (RunnableError, or the ReasonedError of the runnable) is
 * thrown. It awaits every promise.
 */
export async function runManager(
  steps: readonly StartStep[],
  options: ManagerOptions,
  signal: AbortSignal,
): Promise<void> {
  const failure = Promise.withResolvers<never>();
  failure.promise.catch(() => undefined);
  const stop = new AbortController();
  const onAbort = (): void => stop.abort(signal.reason);
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  const started: StartedStep[] = [];
  try {
    await Promise.race([startAll(steps, { started, fail: failure.reject, signal: stop.signal }), failure.promise]);
    await Promise.race([untilAborted(stop.signal), failure.promise]);
    await Promise.race([stopInReverse(started, options), failure.promise]);
  } catch (error) {
    stop.abort(error);
    for (const { abort } of started) abort.abort(error);
    await within(
      options,
      started.flatMap(({ running }) => running),
    );
    if (!isAbortOf(signal, error)) throw error;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

type Start = { readonly started: StartedStep[]; readonly fail: (error: unknown) => void; readonly signal: AbortSignal };

async function startAll(steps: readonly StartStep[], { started, fail, signal }: Start): Promise<void> {
  for (const { runnables } of steps) {
    signal.throwIfAborted();
    const abort = new AbortController();
    const running = runnables.map((runnable) => ({ runnable, ended: watchOver(runnable, abort.signal, fail) }));
    started.push({ abort, running });
    await Promise.all(runnables.map(async (runnable) => await runnable.ready?.(signal)));
  }
}

/** Never rejects: failures are passed to `fail`. */
async function watchOver(runnable: Runnable, signal: AbortSignal, fail: (error: unknown) => void): Promise<void> {
  try {
    await runnable.run(signal);
    if (!signal.aborted) fail(new RunnableError(runnable.name, "it ended"));
  } catch (error) {
    if (isAbortOf(signal, error)) return;
    fail(error instanceof ReasonedError ? error : new RunnableError(runnable.name, "it failed", error));
  }
}

/** Each step may use what is left of the time but for an equal part for each of the steps that come after it. */
async function stopInReverse(started: readonly StartedStep[], options: ManagerOptions): Promise<void> {
  const { clock, stopMs = defaultStopMs } = options;
  const untilMs = clock.monotonicMs() + stopMs;
  for (const [index, { abort, running }] of [...started.entries()].toReversed()) {
    abort.abort(new Error("shutting down"));
    const leftMs = untilMs - clock.monotonicMs() - (stopMs * index) / started.length;
    await within({ ...options, stopMs: leftMs }, running);
  }
}

/** Waits until everything has stopped, but not longer than `stopMs`. */
async function within(
  { clock, log, stopMs = defaultStopMs }: ManagerOptions,
  running: readonly Running[],
): Promise<void> {
  const left = new Set(running.map(({ runnable }) => runnable.name));
  const enough = new AbortController();
  const all = Promise.all(running.map(({ runnable, ended }) => ended.then(() => left.delete(runnable.name))));
  const timeout = clock.sleep(stopMs, enough.signal).then(
    () => log.error("Left running at shutdown", { runnables: [...left] }),
    () => undefined,
  );
  await Promise.race([all, timeout]);
  enough.abort();
}

function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
