import { objectAnnotations, operatorName, ownerLabels } from "../../api/names.ts";
import type { Change } from "../../apply/change-set.ts";
import type { ManagedObject } from "../../apply/inventory.ts";
import { requestLimit } from "../../apply/plan-apply.ts";
import { isKept, isOwned, prune, waitUntilGone } from "../../apply/prune.ts";
import type { ApiClient } from "../../client/api-client.ts";
import { isConflict, isNotFound } from "../../client/api-error.ts";
import { fieldsOf, listOf, textOf } from "../../kube/fields.ts";
import type { GroupVersionKind } from "../../kube/gvk.ts";
import type { KubeObject } from "../../kube/object.ts";
import { describeObject } from "../../kube/object-id.ts";
import type { Clock } from "../../std/clock.ts";
import { mapConcurrent } from "../../std/concurrent.ts";
import { ReasonedError } from "../../std/errors.ts";
import type { World } from "./world.ts";

export type RemoveDeps = {
  readonly client: Pick<ApiClient, "getOrUndefined" | "list" | "patch" | "delete">;
  readonly clock: Clock;
};

/** The finalizer of all Flux controllers; the only one that is ever removed from a custom resource. */
const fluxFinalizer = "finalizers.fluxcd.io";

/**
 * Deletes managed objects so that no workload goes with them, given in the order of deletion. First Kustomizations are suspended, for a
 * running kustomize-controller would prune what a deleted one has applied; then controllers go, and their pods with them, so that
 * nobody is left to act on what follows; then Flux's finalizers come off the resources of each definition, which go with it; then the
 * rest goes. Every step may be repeated. Throws, and leaves the rest to the next try, when a step fails.
 */
export async function removeObjects(
  objects: readonly ManagedObject[],
  world: World,
  deps: RemoveDeps,
  signal: AbortSignal,
): Promise<readonly Change[]> {
  const options = { owner: ownerLabels(world.key), keepAnnotation: objectAnnotations.prune };
  const controllers = objects.filter(({ kind }) => kind === "Deployment");
  const others = objects.filter(({ kind }) => kind !== "Deployment");
  await mapConcurrent(objects.filter(isKustomization), requestLimit, (id) => suspend(id, world, deps, signal));
  const stopped = await prune(controllers, { ...options, propagationPolicy: "Foreground" }, deps, signal);
  const gone = { owner: options.owner, timeoutMs: world.settings.reconcileTimeoutMs };
  await waitUntilGone(deletedOf(controllers, stopped), gone, deps, signal);
  refuseWhileKept(stopped, others);
  const definitions = others.filter(({ kind }) => kind === "CustomResourceDefinition");
  await mapConcurrent(definitions, requestLimit, (definition) => releaseResources(definition, world, deps, signal));
  return [...stopped, ...(await prune(others, options, deps, signal))];
}

/** Something stays that must go before the rest may. */
export class RemovalError extends ReasonedError {}

/** A controller that runs on would delete what its resources have applied, once their definitions go. */
function refuseWhileKept(controllers: readonly Change[], others: readonly ManagedObject[]): void {
  const kept = controllers.filter(({ action }) => action === "kept").map(({ id }) => describeObject(id));
  if (kept.length === 0 || !others.some(({ kind }) => kind === "CustomResourceDefinition")) return;
  throw new RemovalError({
    reason: "ReconciliationFailed",
    retry: "backoff",
    message: `Cannot remove Flux's definitions while ${kept.toSorted().join(", ")} may still run: it carries the annotation ${objectAnnotations.prune} or lacks our owner labels; delete it, or take the annotation off`,
  });
}

/** Those of `objects` that were deleted, and not kept. */
export function deletedOf(objects: readonly ManagedObject[], changes: readonly Change[]): readonly ManagedObject[] {
  const deleted = new Set(changes.filter(({ action }) => action === "deleted").map(({ id }) => id));
  return objects.filter((object) => deleted.has(object));
}

function isKustomization({ group, kind }: ManagedObject): boolean {
  return group === "kustomize.toolkit.fluxcd.io" && kind === "Kustomization";
}

async function suspend(id: ManagedObject, world: World, { client }: RemoveDeps, signal: AbortSignal): Promise<void> {
  const live = await client.getOrUndefined(id, id, signal);
  if (live === undefined || !isOwned(live, ownerLabels(world.key)) || isKept(live, objectAnnotations.prune)) return;
  const value = { spec: { suspend: true, prune: false } };
  try {
    await client.patch({ gvk: id, key: id }, { kind: "merge", value }, { fieldManager: operatorName }, signal);
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

/** Takes Flux's finalizer off every resource of a definition of ours; finalizers of others stay. */
export async function releaseResources(
  definition: ManagedObject,
  world: World,
  deps: RemoveDeps,
  signal: AbortSignal,
): Promise<void> {
  const crd = await deps.client.getOrUndefined(definition, definition, signal);
  if (crd === undefined || !isOwned(crd, ownerLabels(world.key))) return;
  const gvk = servedKind(crd);
  if (gvk === undefined) return;
  const { items } = await deps.client.list(gvk, { metadataOnly: true }, signal);
  const held = items.filter((item) => item.metadata.finalizers?.includes(fluxFinalizer) === true);
  await mapConcurrent(held, requestLimit, (item) => release(gvk, item, deps, signal));
}

/** The resourceVersion makes sure that no finalizer is lost that somebody adds at the same moment. */
async function release(gvk: GroupVersionKind, seen: KubeObject, deps: RemoveDeps, signal: AbortSignal): Promise<void> {
  const key = { namespace: seen.metadata.namespace ?? "", name: seen.metadata.name };
  let item: KubeObject | undefined = seen;
  while (item?.metadata.finalizers?.includes(fluxFinalizer) === true) {
    const finalizers = item.metadata.finalizers.filter((name) => name !== fluxFinalizer);
    const value = { metadata: { resourceVersion: item.metadata.resourceVersion ?? "", finalizers } };
    try {
      await deps.client.patch({ gvk, key }, { kind: "merge", value }, { fieldManager: operatorName }, signal);
      return;
    } catch (error) {
      if (isNotFound(error)) return;
      if (!isConflict(error)) throw error;
      item = await deps.client.getOrUndefined(gvk, key, signal);
    }
  }
}

/** The kind that a definition serves, at its stored version where that is served. */
function servedKind(crd: KubeObject): GroupVersionKind | undefined {
  const spec = fieldsOf(crd["spec"]);
  const served = listOf(spec["versions"])
    .map(fieldsOf)
    .filter((version) => version["served"] === true);
  const chosen = served.find((version) => version["storage"] === true) ?? served[0];
  if (chosen === undefined) return undefined;
  return {
    group: textOf(spec["group"]),
    version: textOf(chosen["name"]),
    kind: textOf(fieldsOf(spec["names"])["kind"]),
  };
}
