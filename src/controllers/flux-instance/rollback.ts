import { ApplyError } from "../../apply/apply-error.ts";
import { LatePlanError } from "../../apply/plan/plan-apply.ts";
import { ApiError } from "../../client/api-error.ts";
import type { Target } from "../../render/target.ts";
import { attemptAsync } from "../../std/attempt.ts";
import { backoffMs, type BackoffLimits } from "../../std/backoff.ts";
import { formatTime } from "../../std/clock.ts";
import { ReasonedError } from "../../std/errors.ts";
import { operatorVersion } from "../../std/version.ts";
import { HealthError } from "./act/act-error.ts";
import { rebuiltImages } from "./applied-digests.ts";
import { goodTarget, isSame } from "./decide/failed-before.ts";
import type { Rollback } from "./decision.ts";
import type { LastGoodStore } from "./last-good-store.ts";
import { lastGoodOf } from "./last-good-of.ts";
import { LastGoodError, type FailedAttempt, type LastGoodState } from "./last-good.ts";
import type { World } from "./world.ts";

/** What follows from the failure of an upgrade: what was applied stays, and `because` says why there is no rollback; or a rollback. */
export type AfterFailure =
  | { readonly kind: "stay"; readonly because?: string }
  | { readonly kind: "rollback"; readonly to: Rollback };

/**
 * Whether the upgrade to `target`, which `thrown` has ended at `nowMs`, is rolled back, and to what. `error` is what `firstReasonOf` makes of
 * `thrown`. Pure.
 */
export function rollbackAfter(
  thrown: unknown,
  error: ReasonedError,
  { world, target, nowMs }: { readonly world: World; readonly target: Target; readonly nowMs: number },
): AfterFailure {
  const { upgrade, wait } = target.spec;
  if (!upgrade.rollback || !wait || !endsUpgrade(thrown)) return { kind: "stay" };
  const { lastGood } = world;
  if (lastGood.kind === "absent") return stay("nothing is on record that was healthy before");
  if (lastGood.kind === "damaged") return stay("the record of what was healthy before cannot be read");
  const good = goodTarget(world, lastGood.good, target.latestVersion);
  if (good instanceof ReasonedError) return stay(good.message);
  if (good.rendering.revision === target.rendering.revision) return stay("what was healthy before was the same");
  return { kind: "rollback", to: { kind: "rollback", failed: attemptOf(error, world, target, nowMs), ...good } };
}

function stay(because: string): AfterFailure {
  return { kind: "stay", because };
}

/** Statuses with which the API server would answer every retry. */
const finalStatuses: ReadonlySet<number> = new Set([400, 403, 413, 422]);

/** Whether a retry cannot help: pods are unhealthy, or the API server refuses what is in the objects. */
function endsUpgrade(thrown: unknown): boolean {
  if (thrown instanceof AggregateError) return thrown.errors.some(endsUpgrade);
  if (thrown instanceof HealthError || thrown instanceof LatePlanError) return true;
  return thrown instanceof ApplyError && thrown.cause instanceof ApiError && finalStatuses.has(thrown.cause.status);
}

/** What failed may have been bad luck, such as a registry that was down: it is retried, but every attempt disturbs what runs. */
const retryLimits: BackoffLimits = { baseMs: 15 * 60_000, maxMs: 24 * 3_600_000 };

function attemptOf(error: ReasonedError, world: World, target: Target, nowMs: number): FailedAttempt {
  const { version, revision } = target.rendering;
  const { artifactRevision } = target;
  const rebuilt = rebuiltImages(target.rendering, world);
  const origin = {
    ...(artifactRevision === undefined ? {} : { artifactRevision }),
    ...(rebuilt.length === 0 ? {} : { rebuilt }),
  };
  const { reason, message } = error;
  const { generation, lastGood } = world;
  const before = lastGood.kind === "known" ? lastGood.failed : undefined;
  const attempts = before !== undefined && isSame(before, world, target) ? before.attempts + 1 : 1;
  const retryAt = formatTime(nowMs + backoffMs(attempts, retryLimits));
  return { generation, ...origin, operatorVersion, version, revision, reason, message, attempts, retryAt };
}

/**
 * Records the failed upgrade, so that every later reconcile continues the rollback. Resolves to `stay` when the record cannot be written, since
 * without it the next reconcile would retry the upgrade.
 */
export async function recordFailure(
  way: AfterFailure,
  { instance, lastGood }: World,
  store: Pick<LastGoodStore, "write">,
  signal: AbortSignal,
): Promise<AfterFailure> {
  if (way.kind === "stay" || lastGood.kind !== "known") return way;
  const record = { good: lastGood.good, failed: way.to.failed };
  const error = await attemptAsync(() => store.write(instance, record, lastGood, signal), signal);
  return error === undefined ? way : stay(error.message);
}

/** What is on record now. `isFinal`: a retry would not change that. */
export type KeptGood = { readonly state: LastGoodState; readonly isFinal: boolean };

/** Records `target` as the last good revision. A failed write does not fail the reconcile: it resolves to the `damaged` state that says why. */
export async function keepGood(
  world: World,
  target: Target,
  store: Pick<LastGoodStore, "write">,
  signal: AbortSignal,
): Promise<KeptGood> {
  const good = lastGoodOf(world, target);
  const error = await attemptAsync(() => store.write(world.instance, { good }, world.lastGood, signal), signal);
  if (error === undefined) return { state: { kind: "known", good }, isFinal: true };
  return { state: { kind: "damaged", message: error.message }, isFinal: error instanceof LastGoodError };
}
