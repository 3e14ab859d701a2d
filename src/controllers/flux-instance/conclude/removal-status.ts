import { conditionTypes, reasons } from "../../../api/reasons.ts";
import { findCondition } from "../../../kube/conditions.ts";
import { removalPhases, type RemovalPhase } from "../remove/removal-phase.ts";
import type { FluxInstanceStatus } from "../status.ts";
import type { World } from "../world.ts";
import { withConditions, type ConditionChange } from "./status-parts.ts";

/** How far a removal is: at work, waiting for others to end, or refused something. */
export type Removal =
  | { readonly kind: "working"; readonly phase: RemovalPhase }
  | { readonly kind: "waiting" | "failed"; readonly phase: RemovalPhase; readonly message: string };

/** The instance is being deleted. The inventory stays until the end, for whoever has to go on after a crash. */
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

export function removalMessage(removal: Removal): string {
  const doing = removalPhases[removal.phase];
  return removal.kind === "working" ? `${doing}; workloads stay` : `${doing}: ${removal.message}`;
}

/**
 * What the status says of a removal so far; undefined before its start. A removal that is tried again goes through what it has done already,
 * which is no news.
 */
export function reportedSoFar({
  recorded,
}: World): { readonly message: string; readonly phaseIndex: number } | undefined {
  const reconciling = findCondition(recorded.conditions, conditionTypes.reconciling);
  if (reconciling?.reason !== reasons.uninstalling) return undefined;
  const { message } = reconciling;
  return { message, phaseIndex: Object.values(removalPhases).findIndex((doing) => message.startsWith(doing)) };
}

export function indexOfPhase(phase: RemovalPhase): number {
  return Object.keys(removalPhases).indexOf(phase);
}
