import type { ManagedObject } from "../../../apply/inventory.ts";
import type { PlannedObject } from "../../../apply/planned-object.ts";
import { gvkOf } from "../../../kube/gvk.ts";
import { objectIdOf } from "../../../kube/object-id.ts";

/** Desired objects that are still being deleted: what is applied to them would be deleted with them. */
export function endingOf(planned: readonly PlannedObject[]): readonly ManagedObject[] {
  return planned.flatMap((one) =>
    isEnding(one) ? [{ ...objectIdOf(one.object), version: gvkOf(one.object).version }] : [],
  );
}

/** The plan for after these deletions, in which the objects are created. */
export function afterEnding(planned: readonly PlannedObject[]): readonly PlannedObject[] {
  return planned.map((one) => (isEnding(one) ? { object: one.object, action: "create" } : one));
}

function isEnding({ live }: PlannedObject): boolean {
  return live?.metadata.deletionTimestamp !== undefined;
}
