import { isAbortOf } from "../client/abort.ts";
import { ApiError } from "../client/api-error.ts";
import type { ObjectKey } from "../kube/object.ts";
import type { Random } from "../std/backoff.ts";
import type { Clock } from "../std/clock.ts";
import { ReasonedError, UnreachableError } from "../std/errors.ts";
import type { Retry } from "../std/errors.ts";
import type { Logger } from "./log.ts";
import type { WorkQueue } from "./work-queue.ts";

/** How a reconcile ended, which is all that the controller knows of it. */
export type Outcome =
  /** Nothing to do until something changes or `recheckMs` has passed, at the latest after `dueMs`, which does not vary. The backoff starts anew. */
  | { readonly kind: "settled"; readonly recheckMs?: number; readonly dueMs?: number }
  /** All went well, but the world is not there yet. The backoff starts anew. */
  | { readonly kind: "waiting"; readonly retryMs: number }
  /**
   * It failed and was reported where users look. `on-change` waits for an event, or for `recheckMs` if that is given; `backoff` waits for
   * no more than that, unless `atLeastMs` is longer.
   */
  | { readonly kind: "failed"; readonly retry: Retry; readonly recheckMs?: number; readonly atLeastMs?: number };

export type ReconcileResult = "success" | "requeue_after" | "requeue" | "error";

/** What the controller tells whoever measures it. */
export type ControllerObserver = {
  started(): void;
  finished(result: ReconcileResult, ms: number): void;
};

export type ControllerOptions = {
  readonly name: string;
  readonly queue: WorkQueue;
  /** How many keys are reconciled at a time. */
  readonly workers: number;
  /**
   * Gets a key and never an event. An exception counts as `failed` with backoff (with the `retry` of a ReasonedError, and no
   * sooner than an ApiError's Retry-After) and is logged.
   */
  readonly reconcile: (key: ObjectKey, signal: AbortSignal) => Promise<Outcome>;
  readonly log: Logger;
  readonly clock: Clock;
  readonly random: Random;
  /** `recheckMs` varies by so much in both directions; 0.05 by default, so that a fleet does not ask at one moment. */
  readonly recheckJitter?: number;
  readonly observer?: ControllerObserver;
};

/**
 * Reconciles keys until the signal is aborted; resolves when the last worker is done. Closes the queue. Never rejects for what a
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
  try {
    return requeue(options, key, await options.reconcile(key, signal));
  } catch (error) {
    if (isAbortOf(signal, error)) return "success";
    options.log.error("Reconcile failed", { controller: options.name, ...key, error });
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
      if (outcome.retry === "backoff") queue.retry(key, outcome.atLeastMs);
      if (outcome.retry === "on-change" || (outcome.atLeastMs ?? 0) < (outcome.recheckMs ?? 0))
        recheck(options, key, outcome.recheckMs);
      return "error";
    default:
      throw new UnreachableError(outcome);
  }
}

function recheck(
  { queue, random, recheckJitter = 0.05 }: ControllerOptions,
  key: ObjectKey,
  ms: number | undefined,
): boolean {
  if (ms === undefined) return false;
  queue.addAfter(key, ms * (1 + recheckJitter * (2 * random() - 1)));
  return true;
}
