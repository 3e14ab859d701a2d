// Tests: src/controllers/flux-instance/preflight/judge.test.ts
import { definedKind, isDefinition } from "../../../kube/definition.ts";
import type { GroupVersionKind } from "../../../kube/gvk.ts";
import { nameObject } from "../../../kube/object-id.ts";
import type { ObjectMeta, KubeObject } from "../../../kube/object.ts";
import { componentOf } from "../flux-controllers.ts";
import {
  deploymentsOf,
  enumerateSorted,
  isBeingDeleted,
  liveMetadataOf,
  refuse,
  type Finding,
  type Subject,
} from "./subject.ts";

/** Refuses objects of the plan that are being deleted: what is written to them would be deleted with them. */
export function judgeDeletions({ planned, world }: Subject): readonly Finding[] {
  const going = planned.flatMap((one) => {
    const live = liveMetadataOf(one, world);
    return live?.deletionTimestamp === undefined ? [] : [`${nameObject(one.object)}${heldBy(live)}`];
  });
  if (going.length === 0) return [];
  return [
    refuse(`being deleted: ${enumerateSorted(going)}; wait until the deletion has ended, or find out who holds it up`),
  ];
}

function heldBy({ finalizers = [] }: ObjectMeta): string {
  return finalizers.length === 0 ? "" : ` (held by ${finalizers.toSorted().join(", ")})`;
}

/**
 * Kinds whose controller the plan starts, and whose CRD exists: their objects may be waiting for that controller, which would delete what they
 * manage. A controller that runs already does that anyway.
 */
export function kindsWaitingForController({ planned, world }: Subject): readonly GroupVersionKind[] {
  const controllers = deploymentsOf(planned);
  const running = new Set(
    controllers.filter((one) => liveMetadataOf(one, world) !== undefined).map(({ object }) => componentOf(object)),
  );
  const starting = new Set(controllers.map(({ object }) => componentOf(object)).filter((name) => !running.has(name)));
  return planned
    .filter((one) => isDefinition(one.object) && starting.has(componentOf(one.object)))
    .filter((one) => liveMetadataOf(one, world) !== undefined)
    .map(({ object, live }) => {
      const { group, kind, storage } = definedKind(live ?? object);
      return { group, kind, version: storage };
    });
}

/** Refuses custom resources that are being deleted and whose deletion a controller of the plan would finish. */
export function judgeWaitingDeletions(objects: readonly KubeObject[]): readonly Finding[] {
  const going = objects.filter(isBeingDeleted).map(nameObject);
  if (going.length === 0) return [];
  return [
    refuse(
      `being deleted: ${enumerateSorted(going)}; once started, their controller would finish these deletions and remove what they manage; ` +
        `remove the finalizers first to keep it`,
    ),
  ];
}
