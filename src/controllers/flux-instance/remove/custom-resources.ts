import { ownerOf } from "../../../api/names.ts";
import type { ManagedObject } from "../../../apply/inventory.ts";
import { isOwned } from "../../../apply/ownership.ts";
import { maxConflicts, pauseAfterConflict, requestLimit } from "../../../apply/request.ts";
import type { ApiClient } from "../../../client/api-client.ts";
import { isConflict, isNotFound } from "../../../client/api-error.ts";
import { listAll, pages } from "../../../client/pages.ts";
import { type ServedKind, servedKind } from "../../../kube/definition.ts";
import type { GroupKind, GroupVersionKind } from "../../../kube/gvk.ts";
import { keyOf, nameObject } from "../../../kube/object-id.ts";
import type { KubeObject } from "../../../kube/object.ts";
import type { Clock } from "../../../std/clock.ts";
import { mapConcurrent } from "../../../std/concurrent.ts";
import { reconciles } from "../flux-controllers.ts";
import type { World } from "../world.ts";
import { patchFinalizers } from "./finalizer.ts";
import { findRunningControllers, type RunningDeps } from "./running-controllers.ts";

/** The requests that custom resources are read and written with. */
export type CustomResourceDeps = { readonly client: Pick<ApiClient, "getOrUndefined" | "listPage" | "patch"> };

type FinalizerDeps = CustomResourceDeps & { readonly clock: Pick<Clock, "sleep"> };

/** The finalizer of all Flux controllers, the only one that is ever removed from a custom resource. */
const fluxFinalizer = "finalizers.fluxcd.io";

/** The CRD `definition`; undefined when it does not exist or has lost our labels. Throws as ApiClient. */
export async function ourDefinition(
  definition: ManagedObject,
  world: World,
  { client }: CustomResourceDeps,
  signal: AbortSignal,
): Promise<KubeObject | undefined> {
  const crd = await client.getOrUndefined(definition, definition, signal);
  return crd !== undefined && isOwned(crd, ownerOf(world.key)) ? crd : undefined;
}

/** The kind that the CRD `definition` serves; undefined as `ourDefinition`, and when it serves no version. Throws as ApiClient. */
export async function kindOfDefinition(
  definition: ManagedObject,
  world: World,
  deps: CustomResourceDeps,
  signal: AbortSignal,
): Promise<ServedKind | undefined> {
  const crd = await ourDefinition(definition, world, deps, signal);
  return crd === undefined ? undefined : servedKind(crd);
}

/** Metadata of all objects of a kind in all namespaces, or of those that `labelSelector` selects. Throws as ApiClient. */
export async function resourcesOf(
  { gvk }: ServedKind,
  labelSelector: string | undefined,
  { client }: CustomResourceDeps,
  signal: AbortSignal,
): Promise<readonly KubeObject[]> {
  const selection = { metadataOnly: true, ...(labelSelector === undefined ? {} : { labelSelector }) };
  return await listAll(gvk, selection, client, signal);
}

/**
 * Removes Flux's finalizer from the resources of `definitions`, which stay, except from those that a running controller of whatever Flux
 * reconciles: that one needs it, and removes it itself. Resolves to the names of these controllers, sorted. Throws as ApiClient.
 */
export async function releaseResources(
  definitions: readonly ManagedObject[],
  world: World,
  deps: FinalizerDeps & RunningDeps,
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (definitions.length === 0) return [];
  const { own, foreign } = await findRunningControllers(ownerOf(world.key), deps, signal);
  const running = [...own, ...foreign];
  const watching = new Set<string>();
  const isReleased = (kind: GroupKind, item: KubeObject): boolean => {
    const watchers = running.filter((controller) => reconciles(controller, kind, item));
    watchers.forEach((controller) => watching.add(nameObject(controller)));
    return watchers.length === 0;
  };
  await mapConcurrent(definitions, requestLimit, (definition) =>
    removeFluxFinalizers({ definition, isReleased }, world, deps, signal),
  );
  return [...watching].toSorted();
}

/** A CRD, and which of its resources lose Flux's finalizer. */
export type Release = {
  readonly definition: ManagedObject;
  readonly isReleased: (kind: GroupKind, item: KubeObject) => boolean;
};

/** Removes Flux's finalizer from resources of a CRD of ours; other finalizers stay. Throws as ApiClient, also after 10 conflicts. */
export async function removeFluxFinalizers(
  { definition, isReleased }: Release,
  world: World,
  deps: FinalizerDeps,
  signal: AbortSignal,
): Promise<void> {
  const kind = await kindOfDefinition(definition, world, deps, signal);
  if (kind === undefined) return;
  for await (const { items } of pages(kind.gvk, { metadataOnly: true }, deps.client, signal)) {
    const finalized = items.filter((item) => hasFluxFinalizer(item) && isReleased(kind.gvk, item));
    await mapConcurrent(finalized, requestLimit, (item) => removeFluxFinalizer(kind.gvk, item, deps, signal));
  }
}

/** Removes Flux's finalizer from one of the instance's own custom resources, whoever its CRD belongs to by now. Throws as ApiClient. */
export async function releaseOwn(
  resource: ManagedObject,
  world: World,
  deps: FinalizerDeps,
  signal: AbortSignal,
): Promise<void> {
  const live = await deps.client.getOrUndefined(resource, resource, signal);
  if (live === undefined || !isOwned(live, ownerOf(world.key)) || !hasFluxFinalizer(live)) return;
  await removeFluxFinalizer(resource, live, deps, signal);
}

function hasFluxFinalizer({ metadata }: KubeObject): boolean {
  return metadata.finalizers?.includes(fluxFinalizer) === true;
}

async function removeFluxFinalizer(
  gvk: GroupVersionKind,
  seen: KubeObject,
  { client, clock }: FinalizerDeps,
  signal: AbortSignal,
): Promise<void> {
  const key = keyOf(seen);
  let item: KubeObject | undefined = seen;
  for (let attempt = 1; item !== undefined && hasFluxFinalizer(item); attempt += 1) {
    const finalizers = (item.metadata.finalizers ?? []).filter((name) => name !== fluxFinalizer);
    try {
      await patchFinalizers({ gvk, object: item }, finalizers, client, signal);
      return;
    } catch (error) {
      if (isNotFound(error)) return;
      if (!isConflict(error) || attempt === maxConflicts) throw error;
      await pauseAfterConflict(attempt, clock, signal);
      item = await client.getOrUndefined(gvk, key, signal);
    }
  }
}
