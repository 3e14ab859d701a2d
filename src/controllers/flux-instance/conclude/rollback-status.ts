import { failedUpgradeCondition } from "./up-to-date.ts";
import {
  failedName,
  goodName,
  digestOf,
  handled,
  shortRevision,
  warnings,
  withConditions,
  withHistory,
  type ConditionChange,
  type ReconcileTime,
  unattendedCondition,
} from "./status-parts.ts";
import { instanceAnnotations } from "../../../api/names.ts";
import { conditionTypes, reasons } from "../../../api/reasons.ts";
import type { InventoryEntry } from "../../../apply/inventory.ts";
import { findCondition } from "../../../kube/conditions.ts";
import { deepEqual } from "../../../std/json.ts";
import type { Rollback } from "../decision.ts";
import type { FluxInstanceStatus } from "../status.ts";
import type { World } from "../world.ts";
import { appliedFields, type Applied, type Failure } from "./instance-status.ts";

/** The status when an upgrade has failed and is rolled back. */
export function rollingBackStatus(world: World, to: Rollback, moment: ReconcileTime): FluxInstanceStatus {
  const { failed } = to;
  return {
    ...handled(world),
    lastAttemptedRevision: failed.revision,
    history: withHistory(world, moment, {
      digest: digestOf(failed.revision),
      status: reasons.upgradeFailed,
      changed: false,
      metadata: { flux: `v${failed.version}` },
    }),
    conditions: withConditions(world, moment.nowIso, [
      {
        type: conditionTypes.ready,
        status: "False",
        reason: reasons.upgradeFailed,
        message: `${failedName(to)} failed, and is rolled back to ${goodName(to)}: ${failed.message}`,
      },
      {
        type: conditionTypes.reconciling,
        status: "True",
        reason: reasons.progressing,
        message: `Rolling back to ${goodName(to)}`,
      },
      { type: conditionTypes.stalled },
      failedUpgradeCondition(to),
      warnings(world),
    ]),
  };
}

/** The status before the first write of a rollback. Conditions stay when they say already that it is done, or why it fails. */
export function rollbackIntentStatus(
  world: World,
  to: Rollback,
  inventory: readonly InventoryEntry[],
  nowIso: string,
): FluxInstanceStatus {
  const reconciling = findCondition(world.recorded.conditions, conditionTypes.reconciling);
  const isTold = isRolledBack(world, to) || reconciling?.reason === reasons.progressingWithRetry;
  const status = isTold ? world.recorded : rollingBackStatus(world, to, { nowIso, durationMs: 0 });
  return { ...status, inventory: { entries: inventory } };
}

/**
 * The status when the last good revision runs again. Ready is True when the spec still is that of this revision; otherwise the spec asks for
 * something else, and the instance is Stalled.
 */
export function rolledBackStatus(
  world: World,
  to: Rollback,
  applied: Applied,
  moment: ReconcileTime,
): FluxInstanceStatus {
  return {
    ...appliedFields(world, to, applied),
    history: withHistory(world, moment, {
      digest: digestOf(to.rendering.revision),
      status: reasons.rolledBack,
      changed: applied.changed,
      metadata: { flux: `v${to.rendering.version}` },
    }),
    conditions: withConditions(world, moment.nowIso, [
      ...(isAsked(world) ? readyAgain(to) : stalled(to)),
      { type: conditionTypes.reconciling },
      failedUpgradeCondition(to),
      applied.sync ?? { type: conditionTypes.synced },
      unattendedCondition(applied.unattended),
      warnings(world),
    ]),
  };
}

/** The failure when a rollback cannot be done, or what it has restored is not healthy. The message has both causes. */
export function rollbackFailure(world: World, to: Rollback, message: string): Failure {
  const isBack = isRolledBack(world, to);
  const then = isBack
    ? `${goodName(to)} was restored but is not healthy`
    : `it cannot be rolled back to ${goodName(to)}`;
  return {
    reason: reasons.upgradeFailed,
    message: `${failedName(to)} failed: ${to.failed.message}; ${then}: ${message}`,
    stalled: false,
  };
}

/** Whether the last good revision is what was attempted last, so that the rollback has reached its end once. */
export function isRolledBack({ recorded }: World, { rendering }: Rollback): boolean {
  return recorded.lastAttemptedRevision === rendering.revision;
}

/** Whether the spec is the one that the last good revision was made from, so that it is within what the user asks for. */
function isAsked({ instance, lastGood }: World): boolean {
  return lastGood.kind === "known" && deepEqual(instance["spec"], lastGood.good.spec);
}

function readyAgain(to: Rollback): readonly ConditionChange[] {
  const { version, revision } = to.rendering;
  const applied = `Applied version ${version} revision ${shortRevision(revision)}`;
  const message = `${applied}; ${failedName(to)} failed and was rolled back: ${to.failed.message}`;
  return [
    { type: conditionTypes.ready, status: "True", reason: reasons.rolledBack, message },
    { type: conditionTypes.stalled },
  ];
}

function stalled(to: Rollback): readonly ConditionChange[] {
  const message = `${failedName(to)} failed and was rolled back to ${goodName(to)}: ${to.failed.message}; ${remedyOf(to)}`;
  return [
    { type: conditionTypes.ready, status: "False", reason: reasons.upgradeFailed, message },
    { type: conditionTypes.stalled, status: "True", reason: reasons.upgradeFailed, message },
  ];
}

function remedyOf({ failed: { retryAt } }: Rollback): string {
  return `it is retried at ${retryAt}; change the spec, or set the annotations ${instanceAnnotations.forceAt} and ${instanceAnnotations.requestedAt} to the same new value to retry it now`;
}
