import { operatorName } from "../../../api/names.ts";
import type { ManagedObject } from "../../../apply/inventory.ts";
import { isOwned, type Owner } from "../../../apply/ownership.ts";
import type { PlannedObject } from "../../../apply/planned-object.ts";
import { stillThereError } from "../../../apply/remove/wait-until-gone.ts";
import { requestLimit } from "../../../apply/request.ts";
import type { ApiClient } from "../../../client/api-client.ts";
import { fieldsOf } from "../../../kube/fields.ts";
import { gvkOf } from "../../../kube/gvk.ts";
import { objectIdOf } from "../../../kube/object-id.ts";
import type { KubeObject } from "../../../kube/object.ts";
import { backoffMs } from "../../../std/backoff.ts";
import type { Clock } from "../../../std/clock.ts";
import { mapConcurrent } from "../../../std/concurrent.ts";
import { enumerate } from "../../../std/shorten.ts";
import { overlaps } from "../flux-controllers.ts";
import { findControllerPods } from "../remove/running-controllers.ts";

/** A client that may patch Deployments and list their pods. */
export type OverlapDeps = {
  readonly client: Pick<ApiClient, "getOrUndefined" | "list" | "listPage" | "patch">;
  readonly clock: Clock;
};

/** The plan, its owner, and how long to wait. */
export type OverlapOptions = {
  readonly planned: readonly PlannedObject[];
  readonly owner: Owner;
  /** How long pods may take to end. */
  readonly timeoutMs: number;
};

/**
 * Scales controllers to 0 whose objects a desired controller would reconcile before they are deleted or changed, and waits until their pods
 * have ended: two controllers never reconcile one object. Others run until they are pruned or rolled over. Resolves to the plan in which those
 * that stay get their replicas back. Throws StillThereError when pods have not ended in time.
 */
export async function parkOverlapping(
  stale: readonly ManagedObject[],
  { planned, owner, timeoutMs }: OverlapOptions,
  deps: OverlapDeps,
  signal: AbortSignal,
): Promise<readonly PlannedObject[]> {
  const controllers = stale.filter(({ kind }) => kind === "Deployment");
  const going = await mapConcurrent(controllers, requestLimit, async (id) => {
    const live = await deps.client.getOrUndefined(id, id, signal);
    const isOver = live !== undefined && isOwned(live, owner) && planned.some(({ object }) => overlaps(live, object));
    return isOver ? [live] : [];
  });
  const changing = planned.filter((one) => changesInto(one, planned));
  const parked = [...going.flat(), ...changing.flatMap(({ live }) => (live === undefined ? [] : [live]))];
  await mapConcurrent(parked, requestLimit, (live) => park(live, deps, signal));
  await untilStopped(parked, timeoutMs, deps, signal);
  return planned.map((one) => (changing.includes(one) ? withReplicas(one) : one));
}

async function park(live: KubeObject, { client }: OverlapDeps, signal: AbortSignal): Promise<void> {
  const none = { kind: "merge", value: { spec: { replicas: 0 } } } as const;
  await client.patch({ gvk: gvkOf(live), key: objectIdOf(live) }, none, { fieldManager: operatorName }, signal);
}

/** Whether the live Deployment would overlap with another one as it is desired, and the user's own patches do not let them overlap already. */
function changesInto({ object, live, action }: PlannedObject, planned: readonly PlannedObject[]): boolean {
  if (live === undefined || action === "unchanged" || object.kind !== "Deployment") return false;
  return planned.some(
    (other) =>
      other.object.metadata.name !== object.metadata.name &&
      overlaps(live, other.object) &&
      (other.live === undefined ? other.action !== "unchanged" : !overlaps(live, other.live)),
  );
}

/** Scaling to 0 has overwritten the replicas of another field manager, so the apply has to restore them. */
function withReplicas(planned: PlannedObject): PlannedObject {
  if (planned.action !== "configure") return planned;
  const { yielded, live } = planned;
  const { replicas } = fieldsOf(live["spec"]);
  if (yielded === undefined || replicas === undefined) return planned;
  return { ...planned, yielded: { ...yielded, spec: { ...fieldsOf(yielded["spec"]), replicas } } };
}

/** How often the pods are looked at: the longer they take, the seldomer. */
const poll = { baseMs: 150, maxMs: 2_000 };

async function untilStopped(
  parked: readonly KubeObject[],
  timeoutMs: number,
  deps: OverlapDeps,
  signal: AbortSignal,
): Promise<void> {
  const deadline = deps.clock.monotonicMs() + timeoutMs;
  const keys = parked.map(objectIdOf);
  for (let look = 1; ; look += 1) {
    const pods = await findControllerPods(keys, deps, signal);
    if (pods.length === 0) return;
    if (deps.clock.monotonicMs() >= deadline) throw stillThereError(enumerate(pods, 10));
    await deps.clock.sleep(backoffMs(look, poll), signal);
  }
}
