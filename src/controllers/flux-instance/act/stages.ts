import type { PlannedObject } from "../../../apply/planned-object.ts";
import type { Stage } from "../../../apply/write/apply-set.ts";
import { fluxStageOf, fluxStages, type FluxStage } from "../../../render/apply-order.ts";

/** Stages whose objects are always waited for. */
const waitedFor: ReadonlySet<FluxStage> = new Set(["definitions"]);
/** Stages whose objects are waited for unless `spec.wait` is false. */
const waitedForHealth: ReadonlySet<FluxStage> = new Set(["sources", "controllers"]);

/** The stages of `planned` in the order of `fluxStages`, without empty ones. With `waitForControllers` false, only CRDs are waited for. */
export function stagesOf(planned: readonly PlannedObject[], waitForControllers: boolean): readonly Stage[] {
  const byStage = Map.groupBy(planned, ({ object }) => fluxStageOf(object));
  return fluxStages.flatMap((name): Stage[] => {
    const objects = byStage.get(name) ?? [];
    if (objects.length === 0) return [];
    const waits = waitedFor.has(name) || (waitForControllers && waitedForHealth.has(name));
    return [{ name, objects, waitFor: waits ? objects.map(({ object }) => object) : [] }];
  });
}
