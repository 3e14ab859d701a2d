// Tests: test/integration/upgrade-window.test.ts
import type { Outcome } from "../../../runtime/controller.ts";
import type { World } from "../world.ts";

/** After which time the next reconcile is due, whatever happens; never by itself where it is absent. */
export type Due = { readonly dueMs?: number };

/** The earliest of all. */
export function earlier(...all: readonly Due[]): Due {
  const dueMs = Math.min(...all.map((due) => due.dueMs ?? Infinity));
  return dueMs === Infinity ? {} : { dueMs };
}

const definitionRecheckMs = 60_000;

/** Nothing tells of a definition that was replaced, or that is published a moment after it was. */
export function definitionDue({ olderDefinition }: World): Due {
  return olderDefinition === undefined ? {} : { dueMs: definitionRecheckMs };
}

/** All is well until then, or until the user's interval has passed. */
export function settled({ settings: { reconcileEveryMs } }: World, due: Due): Outcome {
  return { kind: "settled", ...due, ...(reconcileEveryMs === undefined ? {} : { recheckMs: reconcileEveryMs }) };
}
