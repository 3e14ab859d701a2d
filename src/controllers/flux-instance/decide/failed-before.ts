// Tests: src/controllers/flux-instance/rollback.test.ts
import { canonicalInstance } from "../../../api/canonical.ts";
import { parseStoredFluxInstance } from "../../../api/flux-instance.ts";
import { instanceAnnotations, lastGoodName } from "../../../api/names.ts";
import { conditionTypes, reasons } from "../../../api/reasons.ts";
import { findCondition } from "../../../kube/conditions.ts";
import { type Target, targetOfRelease } from "../../../render/target.ts";
import { attempt } from "../../../std/attempt.ts";
import { ReasonedError } from "../../../std/errors.ts";
import { operatorVersion } from "../../../std/version.ts";
import type { Rollback } from "../decision.ts";
import type { FailedAttempt, LastGood } from "../last-good.ts";
import { type World, isForced } from "../world.ts";

/**
 * The rollback, when `wanted` is what failed before: it is not retried until its time has come, the generation, the artifact or the operator
 * changes, or the user forces it. `wanted` is undefined when it cannot be built at the moment. The same decision restores the last good
 * revision, verifies it from then on, and continues after a crash. Pure.
 */
export function rollbackOf(world: World, wanted: Target | undefined, nowMs: number): Rollback | undefined {
  const { lastGood } = world;
  if (lastGood.kind !== "known" || lastGood.failed === undefined) return undefined;
  const { good, failed } = lastGood;
  if (!isSame(failed, world, wanted)) return undefined;
  const isRetried = isForced(world) || (wanted !== undefined && nowMs >= retryMs(failed));
  if (isRetried && !isRollingBack(world, failed)) return undefined;
  const target = goodTarget(world, good, wanted?.latestVersion ?? world.recorded.latestVersion);
  return target instanceof ReasonedError ? undefined : { kind: "rollback", failed, ...target };
}

/** When `failed` is retried: milliseconds since 1970, or 0 (at once) when its time cannot be read. */
export function retryMs({ retryAt }: FailedAttempt): number {
  const ms = Date.parse(retryAt);
  return Number.isNaN(ms) ? 0 : ms;
}

/** Whether `wanted` is what `failed` was an attempt of; what cannot be built counts as that. */
export function isSame(failed: FailedAttempt, { generation }: World, wanted: Target | undefined): boolean {
  if (failed.generation !== generation || failed.operatorVersion !== operatorVersion) return false;
  return (
    wanted === undefined ||
    (failed.artifactRevision === wanted.artifactRevision && failed.revision === wanted.rendering.revision)
  );
}

/** Whether the rollback has not ended yet: then a force means that it may lose fields, as the message of its refusal says. */
function isRollingBack({ recorded }: World, failed: FailedAttempt): boolean {
  const ready = findCondition(recorded.conditions, conditionTypes.ready);
  return ready?.reason === reasons.upgradeFailed && recorded.lastAttemptedRevision === failed.revision;
}

/** The last good revision as a target; the ReasonedError when this operator cannot build it. */
export function goodTarget(world: World, good: LastGood, latestVersion = good.version): Target | ReasonedError {
  return attempt(() => {
    const instance = canonicalInstance(parseStoredFluxInstance({ ...world.instance, spec: good.spec }));
    const { release, artifactRevision, digests } = good;
    const live = digests === undefined ? {} : { live: { resolved: digests } };
    return targetOfRelease(instance, release, { latestVersion, artifactRevision, ...live });
  });
}

/**
 * Why the operator cannot know whether the desired revision has failed before: the record is damaged or missing, and status says that an
 * upgrade was rolled back. Undefined when there is no doubt.
 */
export function whyNotRetry(world: World): ReasonedError | undefined {
  const { lastGood, recorded, generation, key } = world;
  const upToDate = findCondition(recorded.conditions, conditionTypes.upToDate);
  const wasReturned = upToDate?.reason === reasons.upgradeFailed && upToDate.observedGeneration === generation;
  if (lastGood.kind === "known" || !wasReturned || isForced(world)) return undefined;
  const why =
    lastGood.kind === "damaged"
      ? lastGood.message
      : `ConfigMap ${key.namespace}/${lastGoodName}, which records what was last healthy, is missing`;
  return new ReasonedError({
    reason: reasons.upgradeFailed,
    retry: "backoff",
    message: `The failed upgrade is not retried because it could not be rolled back (${why}); change the spec to what runs now, or set ${instanceAnnotations.forceAt} and ${instanceAnnotations.requestedAt} to the same new value to retry it`,
  });
}
