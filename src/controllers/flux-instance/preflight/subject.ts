import type { PlannedObject } from "../../../apply/planned-object.ts";
import { formatObjectId, objectIdOf } from "../../../kube/object-id.ts";
import type { KubeObject, ObjectMeta } from "../../../kube/object.ts";
import type { Target } from "../../../render/target.ts";
import { enumerate } from "../../../std/shorten.ts";
import type { World } from "../world.ts";

/** What is looked at before the first write. */
export type Subject = {
  readonly target: Target;
  readonly world: World;
  /** What the dry-run says; empty where it was refused. */
  readonly planned: readonly PlannedObject[];
};

/**
 * What a check has to say: a fact, and what to do about it. `refuse` stops before anything is written. The same text on every retry,
 * as long as the fact stays.
 */
export type Finding = { readonly kind: "refuse" | "warn"; readonly text: string };

export function refuse(text: string): Finding {
  return { kind: "refuse", text };
}

export function warn(text: string): Finding {
  return { kind: "warn", text };
}

/** Metadata of the live object that an object of the plan will change; undefined where there is none. */
export function liveMetadataOf({ object, live }: PlannedObject, world: World): ObjectMeta | undefined {
  return live?.metadata ?? world.live.get(formatObjectId(objectIdOf(object)));
}

/** The Deployments among `planned`. */
export function deploymentsOf(planned: readonly PlannedObject[]): readonly PlannedObject[] {
  return planned.filter(({ object }) => object.kind === "Deployment");
}

const shownNames = 5;

/** "a, b and 3 more", sorted. */
export function enumerateSorted(names: readonly string[]): string {
  return enumerate([...new Set(names)].toSorted(), shownNames);
}

export function isBeingDeleted({ metadata }: Pick<KubeObject, "metadata">): boolean {
  return metadata.deletionTimestamp !== undefined;
}
