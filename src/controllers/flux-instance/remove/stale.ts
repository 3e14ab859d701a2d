import { ownerLabels } from "../../../api/names.ts";
import type { Change } from "../../../apply/change-set.ts";
import type { ManagedObject } from "../../../apply/inventory.ts";
import { requestLimit } from "../../../apply/request.ts";
import { pages } from "../../../client/pages.ts";
import { formatObjectId, objectIdOf } from "../../../kube/object-id.ts";
import { mapConcurrent } from "../../../std/concurrent.ts";
import type { World } from "../world.ts";
import { kindOfDefinition, removeFluxFinalizers } from "./custom-resources.ts";
import { keptOf, removeObjects, type RemoveDeps } from "./remove.ts";
import { findRunningControllers } from "./running-controllers.ts";

/** What is no longer wanted: `going` can go, `retained` are definitions that somebody still needs. Both in the order of deletion. */
export type Stale = { readonly going: readonly ManagedObject[]; readonly retained: readonly ManagedObject[] };

/**
 * A definition takes all of its custom resources along, and these are the user's: without their controller they are still what he wrote.
 * So one that has resources, other than those that go themselves, is retained; so is one that another Flux may be using.
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
  const { foreign } = mayBeForeign
    ? await findRunningControllers(ownerLabels(world.key), deps, signal)
    : { foreign: [] };
  const free = new Set(definitions.filter((_, index) => uses[index] === "unused" && foreign.length === 0));
  return {
    going: stale.filter((object) => !isDefinitionId(object) || free.has(object)),
    retained: definitions.filter((definition, index) => uses[index] !== "absent" && !free.has(definition)),
  };
}

function isDefinitionId({ kind }: ManagedObject): boolean {
  return kind === "CustomResourceDefinition";
}

/** `absent` is a definition that is gone, or not ours any more. */
async function useOf(
  definition: ManagedObject,
  going: ReadonlySet<string>,
  { world, deps }: { readonly world: World; readonly deps: RemoveDeps },
  signal: AbortSignal,
): Promise<"absent" | "used" | "unused"> {
  const kind = await kindOfDefinition(definition, world, deps, signal);
  if (kind === undefined) return "absent";
  for await (const { items } of pages(kind.gvk, { metadataOnly: true }, deps.client, signal)) {
    if (items.some((item) => !going.has(formatObjectId(objectIdOf(item))))) return "used";
  }
  return "unused";
}

/** Removes what is no longer wanted, and gives the resources that lose their controller free to be deleted. */
export async function pruneStale(
  stale: readonly ManagedObject[],
  world: World,
  deps: RemoveDeps,
  signal: AbortSignal,
): Promise<Stale & { readonly changes: readonly Change[] }> {
  const sorted = await sortStale(stale, world, deps, signal);
  const changes = await removeObjects(sorted.going, world, deps, signal);
  const controllers = changes.filter(({ id }) => id.kind === "Deployment");
  if (keptOf(controllers).length === 0) {
    await mapConcurrent(sorted.retained, requestLimit, (definition) =>
      removeFluxFinalizers(definition, world, deps, signal),
    );
  }
  return { ...sorted, changes };
}
