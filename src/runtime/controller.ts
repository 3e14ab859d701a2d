import { isAbortOf } from "../client/abort.ts";
import { ApiError } from "../client/api-error.ts";
import type { ObjectKey } from "../kube/object.ts";
import { withSpread, type Random } from "../std/backoff.ts";
import type { Clock } from "../std/clock.ts";
import { ReasonedError, UnreachableError } from "../std/errors.ts";
import type { Logger } from "./log.ts";
import type { WorkQueue } from "./work-queue.ts";

/** How a reconcile ended, which is all that the controller knows of it. */
export type Outcome =
  /** Nothing to do until something changes or `recheckMs` has passed, at the latest after `dueMs`, which does not vary. The backoff is reset. */
  | { readonly kind: "settled"; readonly recheckMs?: number; readonly dueMs?: number }
  /** All went well, but the cluster is not there yet. The backoff is reset. */
  | { readonly kind: "waiting"; readonly retryMs: number }
  /** It failed, and the reconcile has reported that in status, events or log. */
  | { readonly kind: "failed"; readonly retry: FailureRetry };

/** When a key comes back after a failure, unless an event brings it back earlier. */
export type FailureRetry =
  /** With growing delays, at least `atLeastMs` and at most `atMostMs` apart; if the two contradict each other, `atLeastMs` counts. */
  | { readonly kind: "backoff"; readonly atLeastMs?: number; readonly atMostMs?: number }
  /** With an event only. */
  | { readonly kind: "on-change" }
  | { readonly kind: "after"; readonly ms: number };

/** How a reconcile ended, in the words of controller-runtime's metrics. */
export type ReconcileResult = "success" | "requeue_after" | "requeue" | "error";

/** What the controller reports for metrics. Called once before and once after each reconcile. */
export type ControllerObserver = {
  started(): void;
  finished(result: ReconcileResult, ms: number): void;
};

/** `name` is the `controller` field of its log lines. A controller owns its queue, and closes it. */
export type ControllerOptions = {
  readonly name: string;
  readonly queue: WorkQueue;
  /** How many keys are reconciled at a time. */
  readonly workers: number;
  /**
   * Gets a key and never an event, and a logger whose lines have the key and the ID of this reconcile. An exception is logged and counts as
   * `failed` with backoff (with the `retry` of a ReasonedError, and no sooner than an ApiError's Retry-After).
   */
  readonly reconcile: (key: ObjectKey, log: Logger, signal: AbortSignal) => Promise<Outcome>;
  readonly log: Logger;
  /** The ID of one reconcile in the log. */
  readonly createId: () => string;
  readonly clock: Clock;
  readonly random: Random;
  /** `recheckMs` varies by this fraction of itself in both directions; 0.05 by default. */
  readonly recheckJitter?: number;
  readonly observer?: ControllerObserver;
};

/**
 * Reconciles keys until the signal is aborted; resolves when the last worker is done, and closes the queue. It never rejects because of what a
 * reconcile throws.
 */
export async function runController(options: ControllerOptions, signal: AbortSignal): Promise<void> {
  const onAbort = (): void => void options.queue.close();
  if (signal.aborted) await options.queue.close();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    await Promise.all(Array.from({ length: options.workers }, () => work(options, signal)));
  } finally {
    signal.removeEventListener("abort", onAbort);
    await options.queue.close();
  }
}

async function work(options: ControllerOptions, signal: AbortSignal): Promise<void> {
  const { queue } = options;
  for (let key = await queue.take(); key !== undefined; key = await queue.take()) {
    try {
      await reconcileKey(options, key, signal);
    } finally {
      queue.done(key);
    }
  }
}

async function reconcileKey(options: ControllerOptions, key: ObjectKey, signal: AbortSignal): Promise<void> {
  const { clock, observer } = options;
  const startedMs = clock.monotonicMs();
  observer?.started();
  const result = await reconcileOnce(options, key, signal);
  observer?.finished(result, clock.monotonicMs() - startedMs);
}

async function reconcileOnce(
  options: ControllerOptions,
  key: ObjectKey,
  signal: AbortSignal,
): Promise<ReconcileResult> {
  const log = options.log.with({ controller: options.name, ...key, reconcileID: options.createId() });
  try {
    return requeue(options, key, await options.reconcile(key, log, signal));
  } catch (error) {
    if (isAbortOf(signal, error)) return "success";
    log.error("Reconcile failed unexpectedly", { error });
    if (error instanceof ReasonedError && error.retry === "on-change") return "error";
    options.queue.retry(key, error instanceof ApiError ? error.retryAfterMs : undefined);
    return "error";
  }
}

function requeue(options: ControllerOptions, key: ObjectKey, outcome: Outcome): ReconcileResult {
  const { queue } = options;
  switch (outcome.kind) {
    case "settled":
      queue.forget(key);
      if (outcome.dueMs !== undefined) queue.addAfter(key, outcome.dueMs);
      return recheck(options, key, outcome.recheckMs) || outcome.dueMs !== undefined ? "requeue_after" : "success";
    case "waiting":
      queue.forget(key);
      queue.addAfter(key, outcome.retryMs);
      return "requeue_after";
    case "failed":
      retryFailure(queue, key, outcome.retry);
      return "error";
    default:
      throw new UnreachableError(outcome);
  }
}

function retryFailure(queue: WorkQueue, key: ObjectKey, retry: FailureRetry): void {
  switch (retry.kind) {
    case "backoff":
      queue.retry(key, retry.atLeastMs);
      // The earlier of the two counts.
      if (retry.atMostMs !== undefined && retry.atMostMs > (retry.atLeastMs ?? 0)) queue.addAfter(key, retry.atMostMs);
      return;
    case "on-change":
      return;
    case "after":
      queue.addAfter(key, retry.ms);
      return;
    default:
      throw new UnreachableError(retry);
  }
}

function recheck(
  { queue, random, recheckJitter = 0.05 }: ControllerOptions,
  key: ObjectKey,
  ms: number | undefined,
): boolean {
  if (ms === undefined) return false;
  queue.addAfter(key, withSpread(ms, recheckJitter, random));
  return true;
}
