import { ownerLabels } from "../../api/names.ts";
import type { DeletionPolicy } from "../../api/spec.ts";
import { managedObjects, type ManagedObject } from "../../apply/inventory.ts";
import type { Ledger } from "../../apply/ledger.ts";
import { requestLimit } from "../../apply/plan-apply.ts";
import { waitUntilGone } from "../../apply/prune.ts";
import { formatApiVersion } from "../../kube/gvk.ts";
import { isBuiltInGroup } from "../../kube/object-id.ts";
import { mapConcurrent } from "../../std/concurrent.ts";
import { deletedOf, releaseResources, removeObjects, type RemoveDeps } from "./remove.ts";
import type { World } from "./world.ts";

export type UninstallDeps = RemoveDeps & { readonly ledger: Ledger };

/** Removes what the inventory lists, as far as the policy goes, and never a workload. May be repeated; throws as `removeObjects`. */
export async function uninstall(
  policy: DeletionPolicy,
  world: World,
  deps: UninstallDeps,
  signal: AbortSignal,
): Promise<void> {
  if (policy === "Orphan") return;
  const objects = managedObjects(world.recorded.inventory?.entries ?? []);
  const going = objects.filter((object) => policy === "Uninstall" || !isResource(object));
  const changes = await removeObjects(going, world, deps, signal);
  const gone = { owner: ownerLabels(world.key), timeoutMs: world.settings.reconcileTimeoutMs };
  await waitUntilGone(deletedOf(going, changes), gone, deps, signal);
  if (policy === "KeepResources") await releaseKept(objects, world, deps, signal);
  deps.ledger.clear();
}

/** What stays loses Flux's finalizers, since nobody is left who would take them off when it is deleted. */
async function releaseKept(
  objects: readonly ManagedObject[],
  world: World,
  deps: UninstallDeps,
  signal: AbortSignal,
): Promise<void> {
  const definitions = objects.filter(({ kind }) => kind === "CustomResourceDefinition");
  await mapConcurrent(definitions, requestLimit, (definition) => releaseResources(definition, world, deps, signal));
}

/** What KeepResources keeps: definitions, custom resources and claims. */
function isResource(object: ManagedObject): boolean {
  if (object.kind === "CustomResourceDefinition" || object.kind === "PersistentVolumeClaim") return true;
  return !isBuiltInGroup(formatApiVersion(object));
}
