// Tests: src/controllers/flux-instance/preflight/judge.test.ts
import type { PlannedObject } from "../../../apply/planned-object.ts";
import { formatObjectId, objectIdOf } from "../../../kube/object-id.ts";
import type { KubeObject, ObjectMeta } from "../../../kube/object.ts";
import type { Target } from "../../../render/target.ts";
import { enumerate } from "../../../std/shorten.ts";
import type { World } from "../world.ts";

/** What the checks look at, before the first write. */
export type Subject = {
  readonly target: Target;
  readonly world: World;
  /** What the dry-run says; empty where it was refused. */
  readonly planned: readonly PlannedObject[];
  /** Whether the dry-run was refused for lack of a right. */
  readonly isForbidden: boolean;
};

/**
 * What a check reports: a fact, and what the user can do about it. `refuse` stops the reconcile before its first write. The text is the same on
 * every retry while the fact stays.
 */
export type Finding = { readonly kind: "refuse" | "warn"; readonly text: string };

/** A finding that stops the reconcile. */
export function refuse(text: string): Finding {
  return { kind: "refuse", text };
}

/** A finding that the Warning condition shows. */
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

/** Whether the object has a deletionTimestamp. */
export function isBeingDeleted({ metadata }: Pick<KubeObject, "metadata">): boolean {
  return metadata.deletionTimestamp !== undefined;
}
