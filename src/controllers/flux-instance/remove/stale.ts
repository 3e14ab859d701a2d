import { ownerOf } from "../../../api/names.ts";
import type { Change } from "../../../apply/change-set.ts";
import type { ManagedObject } from "../../../apply/inventory.ts";
import { mayGo } from "../../../apply/remove/prune.ts";
import { atServedVersions } from "../../../apply/remove/served.ts";
import { requestLimit } from "../../../apply/request.ts";
import { pages } from "../../../client/pages.ts";
import { formatObjectId, objectIdOf } from "../../../kube/object-id.ts";
import type { KubeObject } from "../../../kube/object.ts";
import { mapConcurrent } from "../../../std/concurrent.ts";
import type { World } from "../world.ts";
import { kindOfDefinition, releaseResources } from "./custom-resources.ts";
import { keptOf, pruneOptions, removeObjects, type RemoveDeps } from "./remove.ts";
import { findRunningControllers } from "./running-controllers.ts";

/** What is no longer desired, in the order of deletion: `going` is pruned, `retained` are CRDs that are still in use. */
export type Stale = { readonly going: readonly ManagedObject[]; readonly retained: readonly ManagedObject[] };

/**
 * Sorts out the CRDs that stay. A deleted CRD deletes all of its custom resources, and these are the user's. So a CRD is retained when it has
 * resources other than those that are pruned themselves, or when another Flux may be using it. Throws as ApiClient.
 */
export async function sortStale(
  stale: readonly ManagedObject[],
  world: World,
  deps: RemoveDeps,
  signal: AbortSignal,
): Promise<Stale> {
  const definitions = stale.filter(isDefinitionId);
  if (definitions.length === 0) return { going: stale, retained: [] };
  const going = new Set(stale.map(formatObjectId));
  const uses = await mapConcurrent(definitions, requestLimit, (definition) =>
    useOf(definition, going, { world, deps }, signal),
  );
  const mayBeForeign = uses.includes("unused");
  const { foreign } = mayBeForeign ? await findRunningControllers(ownerOf(world.key), deps, signal) : { foreign: [] };
  const free = new Set(definitions.filter((_, index) => uses[index] === "unused" && foreign.length === 0));
  return {
    going: stale.filter((object) => !isDefinitionId(object) || free.has(object)),
    retained: definitions.filter((definition, index) => uses[index] !== "absent" && !free.has(definition)),
  };
}

function isDefinitionId({ kind }: ManagedObject): boolean {
  return kind === "CustomResourceDefinition";
}

/** `absent`: the CRD does not exist, has lost our labels, or serves no version. */
async function useOf(
  definition: ManagedObject,
  going: ReadonlySet<string>,
  { world, deps }: { readonly world: World; readonly deps: RemoveDeps },
  signal: AbortSignal,
): Promise<"absent" | "used" | "unused"> {
  const kind = await kindOfDefinition(definition, world, deps, signal);
  if (kind === undefined) return "absent";
  const options = pruneOptions(world);
  const goes = (item: KubeObject): boolean => going.has(formatObjectId(objectIdOf(item))) && mayGo(item, options);
  for await (const { items } of pages(kind.gvk, { metadataOnly: true }, deps.client, signal)) {
    if (!items.every(goes)) return "used";
  }
  return "unused";
}

/**
 * Prunes what is no longer desired, and removes Flux's finalizers from resources of retained CRDs, which become unattended, so that the user
 * can delete them; those that another Flux may look after keep them. Throws as `removeObjects`.
 */
export async function pruneStale(
  stale: readonly ManagedObject[],
  world: World,
  deps: RemoveDeps,
  signal: AbortSignal,
): Promise<Stale & { readonly changes: readonly Change[] }> {
  const sorted = await sortStale(await atServedVersions(stale, deps, signal), world, deps, signal);
  const changes = await removeObjects(sorted.going, world, deps, signal);
  const controllers = changes.filter(({ id }) => id.kind === "Deployment");
  if (keptOf(controllers).length === 0) await releaseResources(sorted.retained, world, deps, signal);
  return { ...sorted, changes };
}
