import { eventReasons } from "../../../api/reasons.ts";
import type { Change } from "../../../apply/change-set.ts";
import { adoptionIn, type PlannedObject } from "../../../apply/planned-object.ts";
import { describeObject, nameObject } from "../../../kube/object-id.ts";
import type { EventNote } from "../../../runtime/events.ts";
import { shorten } from "../../../std/shorten.ts";

/** Event notes about objects that other field managers have managed, for before the first write. */
export function takeoverNotes(planned: readonly PlannedObject[]): readonly EventNote[] {
  const taken = planned.flatMap((one) => {
    const adoption = adoptionIn(one);
    return adoption === undefined || adoption.managers.length === 0 ? [] : [{ object: one.object, adoption }];
  });
  const managers = new Set(taken.flatMap(({ adoption }) => adoption.managers));
  const removed = taken.flatMap(({ object, adoption }) => fieldsText(nameObject(object), adoption.removed));
  const kept = taken.flatMap(({ object, adoption }) =>
    adoption.refusal === undefined ? [] : [`${nameObject(object)} (${adoption.refusal})`],
  );
  const recreated = planned.filter(({ action }) => action === "recreate").map(({ object }) => nameObject(object));
  return [
    ...noteOf("Normal", taken.length === 0 ? [] : [takenText(taken.length, [...managers])]),
    ...noteOf("Warning", removed, "Removing fields that only previous owners had set"),
    ...noteOf("Warning", kept, "Fields of previous owners stay, since the API server refuses to remove them"),
    ...noteOf("Warning", recreated, "Recreating objects whose immutable fields differ"),
  ];
}

/** Event notes about fields of previous owners that the apply should have removed and has not. */
export function remainderNotes(changes: readonly Change[]): readonly EventNote[] {
  const remaining = changes.flatMap(({ id, takeover }) => fieldsText(describeObject(id), takeover?.remaining ?? []));
  return noteOf("Warning", remaining, "Fields of previous owners are still there after the apply; remove them by hand");
}

function takenText(count: number, managers: readonly string[]): string {
  return `Taking over ${count === 1 ? "1 object" : `${count} objects`} from ${managers.toSorted().join(", ")}`;
}

function fieldsText(name: string, fields: readonly string[]): readonly string[] {
  return fields.length === 0 ? [] : [`${name} (${shorten(fields, 5).join(", ")})`];
}

function noteOf(type: EventNote["type"], parts: readonly string[], what?: string): readonly EventNote[] {
  if (parts.length === 0) return [];
  const list = shorten(parts.toSorted(), 8).join(", ");
  return [{ type, reason: eventReasons.takenOver, message: what === undefined ? list : `${what}: ${list}` }];
}
