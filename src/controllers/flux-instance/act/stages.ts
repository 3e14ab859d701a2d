import type { PlannedObject } from "../../../apply/planned-object.ts";
import type { Stage } from "../../../apply/write/apply-set.ts";
import { fluxStageOf, fluxStages, type FluxStage } from "../../../render/apply-order.ts";

/** Stages whose objects are waited for, whatever the spec says and where it asks for it. */
const waitedFor: ReadonlySet<FluxStage> = new Set(["definitions"]);
const waitedForHealth: ReadonlySet<FluxStage> = new Set(["sources", "controllers"]);

/** Stages with nothing to do are left out. With `waitForControllers` false, only definitions are waited for. */
export function stagesOf(planned: readonly PlannedObject[], waitForControllers: boolean): readonly Stage[] {
  const byStage = Map.groupBy(planned, ({ object }) => fluxStageOf(object));
  return fluxStages.flatMap((name): Stage[] => {
    const objects = byStage.get(name) ?? [];
    if (objects.length === 0) return [];
    const waits = waitedFor.has(name) || (waitForControllers && waitedForHealth.has(name));
    return [{ name, objects, waitFor: waits ? objects.map(({ object }) => object) : [] }];
  });
}
