import { labels } from "../../../api/names.ts";
import type { PlannedObject } from "../../../apply/planned-object.ts";
import type { Stage } from "../../../apply/write/apply-set.ts";
import { isBuiltInGroup } from "../../../kube/object-id.ts";
import type { KubeObject } from "../../../kube/object.ts";

/**
 * The order of an apply, which is law: definitions first, because everything else may need them; then what controllers run on;
 * then source-controller, so that artifacts are served before anybody asks for them; then the other controllers; and the sync
 * objects last, when there is somebody to reconcile them.
 */
const stageNames = ["definitions", "foundation", "sources", "controllers", "sync"] as const;
type StageName = (typeof stageNames)[number];

/** Stages with nothing to do are left out. With `waitForControllers` false, only definitions are waited for. */
export function stagesOf(planned: readonly PlannedObject[], waitForControllers: boolean): readonly Stage[] {
  const byStage = Map.groupBy(planned, ({ object }) => stageOf(object));
  return stageNames.flatMap((name): Stage[] => {
    const objects = byStage.get(name) ?? [];
    if (objects.length === 0) return [];
    const waits = name === "definitions" || (waitForControllers && (name === "sources" || name === "controllers"));
    return [{ name, objects, waitFor: waits ? objects.map(({ object }) => object) : [] }];
  });
}

function stageOf(object: KubeObject): StageName {
  if (object.kind === "CustomResourceDefinition") return "definitions";
  if (!isBuiltInGroup(object.apiVersion)) return "sync";
  if (object.kind !== "Deployment") return "foundation";
  return object.metadata.labels?.[labels.component] === "source-controller" ? "sources" : "controllers";
}
