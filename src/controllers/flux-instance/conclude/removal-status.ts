import { conditionTypes, reasons } from "../../../api/reasons.ts";
import { findCondition } from "../../../kube/conditions.ts";
import { removalPhases, type RemovalPhase } from "../remove/removal-phase.ts";
import type { FluxInstanceStatus } from "../status.ts";
import type { World } from "../world.ts";
import { withConditions, type ConditionChange } from "./status-parts.ts";

/** How far a removal is: at work, waiting for deletions to end, or failed. */
export type Removal =
  | { readonly kind: "working"; readonly phase: RemovalPhase }
  | { readonly kind: "waiting" | "failed"; readonly phase: RemovalPhase; readonly message: string };

/** The status of an instance that is being deleted. The inventory stays until the end, so that the removal can continue after a crash. */
export function removalStatus(world: World, removal: Removal, nowIso: string): FluxInstanceStatus {
  const message = removalMessage(removal);
  const ready: ConditionChange =
    removal.kind === "failed"
      ? { type: conditionTypes.ready, status: "False", reason: reasons.uninstallFailed, message }
      : { type: conditionTypes.ready, status: "Unknown", reason: reasons.uninstalling, message };
  return {
    ...world.recorded,
    conditions: withConditions(world, nowIso, [
      ready,
      { type: conditionTypes.reconciling, status: "True", reason: reasons.uninstalling, message },
      { type: conditionTypes.stalled },
    ]),
  };
}

/** The message about a removal; it begins with the text of its phase. */
export function removalMessage(removal: Removal): string {
  const doing = removalPhases[removal.phase];
  return removal.kind === "working" ? `${doing}; workloads stay` : `${doing}: ${removal.message}`;
}

/**
 * What status says about a removal so far; undefined before its start. A retry repeats the phases that are done already, and these are not
 * reported again.
 */
export function reportedSoFar({
  recorded,
}: World): { readonly message: string; readonly phaseIndex: number } | undefined {
  const reconciling = findCondition(recorded.conditions, conditionTypes.reconciling);
  if (reconciling?.reason !== reasons.uninstalling) return undefined;
  const { message } = reconciling;
  return { message, phaseIndex: Object.values(removalPhases).findIndex((doing) => message.startsWith(doing)) };
}

/** The position of `phase` in the order of phases; the first is 0. */
export function indexOfPhase(phase: RemovalPhase): number {
  return Object.keys(removalPhases).indexOf(phase);
}
