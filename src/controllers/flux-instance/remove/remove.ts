import { objectAnnotations, ownerOf } from "../../../api/names.ts";
import type { Change, OnChange } from "../../../apply/change-set.ts";
import type { ManagedObject } from "../../../apply/inventory.ts";
import { prune, type PruneOptions } from "../../../apply/remove/prune.ts";
import { stillThereError, waitUntilGone, type GoneOptions, type Hold } from "../../../apply/remove/wait-until-gone.ts";
import { requestLimit } from "../../../apply/request.ts";
import type { ApiClient } from "../../../client/api-client.ts";
import { deletionFailure, servedKind } from "../../../kube/definition.ts";
import { formatApiVersion, groupKindKey } from "../../../kube/gvk.ts";
import { describeObject, formatObjectId, isBuiltInGroup, nameObject, objectIdOf } from "../../../kube/object-id.ts";
import type { KubeObject } from "../../../kube/object.ts";
import type { Clock } from "../../../std/clock.ts";
import { mapConcurrent } from "../../../std/concurrent.ts";
import { ReasonedError } from "../../../std/errors.ts";
import { enumerate } from "../../../std/shorten.ts";
import type { World } from "../world.ts";
import { kindOfDefinition, ourDefinition, releaseOwn, removeFluxFinalizers, resourcesOf } from "./custom-resources.ts";
import { retryDeletion } from "./failed-deletion.ts";
import type { RemovalProgress } from "./removal-phase.ts";
import { findControllerPods, findRunningControllers } from "./running-controllers.ts";
import { isKustomization, suspend } from "./suspension.ts";

/** A client that deletes and patches but never applies. `onChange` is called for each object that is deleted. */
export type RemoveDeps = {
  readonly client: Pick<ApiClient, "getOrUndefined" | "list" | "listPage" | "patch" | "delete" | "discovery">;
  readonly clock: Clock;
  readonly onChange?: OnChange | undefined;
  /** Absent while pruning, where deletions are waited for as long as for health. */
  readonly progress?: RemovalProgress;
};

/**
 * Deletes `objects`, given in the order of deletion, without deleting any workload. Kustomizations are suspended first, since a running
 * kustomize-controller would prune what a deleted one has applied. Then controllers and their pods are deleted, so that no controller acts on
 * what follows; then Flux's finalizers are removed from custom resources, and these are deleted with their CRDs; then the rest. Every step can
 * be repeated. Throws when a step fails; the next try continues.
 */
export async function removeObjects(
  objects: readonly ManagedObject[],
  world: World,
  deps: RemoveDeps,
  signal: AbortSignal,
): Promise<readonly Change[]> {
  const { controllers = [], definitions = [], resources = [], rest = [] } = Object.groupBy(objects, partOf);
  const begin: RemovalProgress["begin"] = async (phase) => await deps.progress?.begin(phase);
  const context = { world, deps, begin };
  const stopped = await stopControllers({ controllers, resources }, context, signal);
  const undefinedNow = await removeDefinitions({ definitions, resources, stopped }, context, signal);
  if (rest.length > 0) await context.begin("rest");
  return [...stopped, ...undefinedNow, ...(await removeRest(rest, context, signal))];
}

type RemoveContext = { readonly world: World; readonly deps: RemoveDeps; readonly begin: RemovalProgress["begin"] };
type Objects = readonly ManagedObject[];

/** With the controllers gone, what is left does not need each other; the namespace, which holds the others, is deleted last. */
async function removeRest(
  rest: Objects,
  { world, deps }: RemoveContext,
  signal: AbortSignal,
): Promise<readonly Change[]> {
  const { namespaces = [], others = [] } = Object.groupBy(rest, ({ kind }) =>
    kind === "Namespace" ? "namespaces" : "others",
  );
  const deleted = await prune(others, { ...pruneOptions(world), together: true }, deps, signal);
  return [...deleted, ...(await prune(namespaces, pruneOptions(world), deps, signal))];
}

async function stopControllers(
  { controllers, resources }: { readonly controllers: Objects; readonly resources: Objects },
  { world, deps, begin }: RemoveContext,
  signal: AbortSignal,
): Promise<readonly Change[]> {
  const kustomizations = resources.filter(isKustomization);
  if (kustomizations.length > 0) await begin("suspend");
  await mapConcurrent(kustomizations, requestLimit, (id) => suspend(id, world, deps, signal));
  if (controllers.length > 0) await begin("stop");
  const stopped = await prune(controllers, { ...pruneOptions(world), propagationPolicy: "Foreground" }, deps, signal);
  await waitUntilGone(terminatingOf(controllers, stopped), goneOptions(world, deps, signal), deps, signal);
  return stopped;
}

/** Deletes CRDs with all of their custom resources. A CRD whose resources are kept is kept too. */
async function removeDefinitions(
  going: { readonly definitions: Objects; readonly resources: Objects; readonly stopped: readonly Change[] },
  { world, deps, begin }: RemoveContext,
  signal: AbortSignal,
): Promise<readonly Change[]> {
  const { definitions, resources, stopped } = going;
  if (definitions.length === 0) return await prune(resources, pruneOptions(world), deps, signal);
  await begin("release");
  await refuseWhileWatched(stopped, world, deps, signal);
  await mapConcurrent(definitions, requestLimit, (definition) =>
    removeFluxFinalizers({ definition, isReleased: () => true }, world, deps, signal),
  );
  // A CRD that is not ours any more keeps its resources, but those of the instance are deleted, and no controller is left to let them go.
  await mapConcurrent(resources, requestLimit, (resource) => releaseOwn(resource, world, deps, signal));
  await begin("definitions");
  const withdrawn = await prune(resources, pruneOptions(world), deps, signal);
  const needed = await definitionsOf(keptOf(withdrawn), definitions, { world, deps }, signal);
  const others = definitions.filter((definition) => !needed.has(definition));
  const undefinedNow = await prune(others, pruneOptions(world), deps, signal);
  const begun = others.filter((id) => world.live.get(formatObjectId(id))?.deletionTimestamp !== undefined);
  await mapConcurrent(begun, requestLimit, (definition) => retryDeletion(definition, world, deps, signal));
  return [...withdrawn, ...undefinedNow, ...[...needed].map((id): Change => ({ id, action: "kept" }))];
}

/** Whose objects a removal deletes, and which it keeps. */
export function pruneOptions(world: World): PruneOptions {
  return { owner: ownerOf(world.key), keepAnnotation: objectAnnotations.prune, live: world.live };
}

/** Something still runs or is kept that has to be removed before the CRDs are deleted. */
export class RemovalError extends ReasonedError {}

type Part = "controllers" | "definitions" | "resources" | "rest";

function partOf(object: ManagedObject): Part {
  if (object.kind === "Deployment") return "controllers";
  if (object.kind === "CustomResourceDefinition") return "definitions";
  return isBuiltInGroup(formatApiVersion(object)) ? "rest" : "resources";
}

/** A controller that still runs would delete what its resources have applied when their CRDs are deleted. */
async function refuseWhileWatched(
  stopped: readonly Change[],
  world: World,
  deps: RemoveDeps,
  signal: AbortSignal,
): Promise<void> {
  const kept = keptOf(stopped).map(describeObject).toSorted();
  if (kept.length > 0) {
    throw refusal(
      `${kept.join(", ")} may still run: it carries the annotation ${objectAnnotations.prune} or lacks our owner labels; delete it, or remove the annotation`,
    );
  }
  await waitForPods(stopped, deps, signal);
  const { foreign } = await findRunningControllers(ownerOf(world.key), deps, signal);
  if (foreign.length === 0) return;
  throw refusal(
    `${foreign.map(nameObject).join(", ")} ${verb(foreign, "belongs", "belong")} to another Flux installation and ${verb(foreign, "is", "are")} still running; without the CRDs it would delete the workloads that it manages, or crash; remove it first, or keep the CRDs with spec.deletionPolicy KeepResources`,
  );
}

/** Throws StillThereError while pods of the deleted Deployments in `stopped` have not ended, since these still act on resources. */
export async function waitForPods(stopped: readonly Change[], deps: RemoveDeps, signal: AbortSignal): Promise<void> {
  const controllers = stopped.map(({ id }) => id);
  const pods = await findControllerPods(controllers, deps, signal);
  if (pods.length > 0) throw stillThereError(enumerate(pods, 10));
}

function verb({ length }: readonly unknown[], one: string, several: string): string {
  return length === 1 ? one : several;
}

function refusal(why: string): RemovalError {
  const message = `Cannot delete Flux's CRDs while ${why}`;
  return new RemovalError({ reason: "ReconciliationFailed", retry: "backoff", message });
}

/** Those of `objects` whose deletion was accepted and has not ended. */
export function terminatingOf(objects: readonly ManagedObject[], changes: readonly Change[]): readonly ManagedObject[] {
  const terminating = new Set(changes.filter(({ isTerminating }) => isTerminating === true).map(({ id }) => id));
  return objects.filter((object) => terminating.has(object));
}

/** The ids of the objects that were kept. */
export function keptOf(changes: readonly Change[]): readonly Change["id"][] {
  return changes.filter(({ action }) => action === "kept").map(({ id }) => id);
}

/** The CRDs of objects that are kept, since the objects would be deleted with them. */
async function definitionsOf(
  kept: readonly Change["id"][],
  definitions: readonly ManagedObject[],
  { world, deps }: Pick<RemoveContext, "world" | "deps">,
  signal: AbortSignal,
): Promise<ReadonlySet<ManagedObject>> {
  const kinds = new Set(kept.map(groupKindKey));
  const needed = new Set<ManagedObject>();
  if (kinds.size === 0) return needed;
  for (const definition of definitions) {
    const kind = await kindOfDefinition(definition, world, deps, signal);
    if (kind !== undefined && kinds.has(groupKindKey(kind.gvk))) needed.add(definition);
  }
  return needed;
}

/** Options for waiting for the deletions of a removal. */
export function goneOptions(world: World, deps: RemoveDeps, signal: AbortSignal): GoneOptions {
  const { progress } = deps;
  return {
    owner: ownerOf(world.key),
    timeoutMs: progress?.waitMs ?? world.settings.reconcileTimeoutMs,
    ...(progress === undefined ? {} : { onWaiting: (message) => progress.waiting(message) }),
    heldBy: (live) => holdOf(live, world, deps, signal),
  };
}

/** A CRD exists until the API server has deleted the last of its resources. */
async function holdOf(live: KubeObject, world: World, deps: RemoveDeps, signal: AbortSignal): Promise<Hold> {
  if (live.kind !== "CustomResourceDefinition") return { objects: [] };
  const definition = { ...objectIdOf(live), version: "v1" };
  const crd = await ourDefinition(definition, world, deps, signal);
  if (crd === undefined) return { objects: [] };
  const kind = servedKind(crd);
  const objects = kind === undefined ? [] : await resourcesOf(kind, undefined, deps, signal);
  const failure = deletionFailure(crd);
  // That some were left, `objects` says, and names them.
  return { objects, failure: failure?.isWait === false ? failure.message : undefined };
}
