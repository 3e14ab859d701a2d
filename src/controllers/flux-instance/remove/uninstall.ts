import { ownerOf } from "../../../api/names.ts";
import type { DeletionPolicy } from "../../../api/spec.ts";
import type { Change } from "../../../apply/change-set.ts";
import { managedObjects, type ManagedObject } from "../../../apply/inventory.ts";
import type { Ledger } from "../../../apply/ledger.ts";
import { isOwned } from "../../../apply/ownership.ts";
import { atServedVersions } from "../../../apply/remove/served.ts";
import { waitUntilGone } from "../../../apply/remove/wait-until-gone.ts";
import { requestLimit } from "../../../apply/request.ts";
import { formatApiVersion } from "../../../kube/gvk.ts";
import { isBuiltInGroup } from "../../../kube/object-id.ts";
import { mapConcurrent } from "../../../std/concurrent.ts";
import type { World } from "../world.ts";
import { releaseResources } from "./custom-resources.ts";
import { terminatingOf, goneOptions, keptOf, removeObjects, waitForPods, type RemoveDeps } from "./remove.ts";
import { isKustomization, resume } from "./suspension.ts";
import { refuseUnlisted } from "./unlisted.ts";

/** An uninstall also empties the ledger, since nothing is managed afterwards. */
export type UninstallDeps = RemoveDeps & { readonly ledger: Ledger };

/** What was kept of what was installed, and the controllers of another Flux for which custom resources keep Flux's finalizer. */
export type Uninstalled = { readonly stayed: readonly Change["id"][]; readonly watchedBy: readonly string[] };

/**
 * Deletes what the inventory lists, as far as `policy` says, and never a workload. It can be repeated, also with another policy. Throws as
 * `removeObjects`, StillThereError while deletions have not ended, and UnlistedError while there are objects of the instance that are not in its inventory.
 */
export async function uninstall(
  policy: DeletionPolicy,
  world: World,
  deps: UninstallDeps,
  signal: AbortSignal,
): Promise<Uninstalled> {
  const recorded = managedObjects(world.recorded.inventory?.entries ?? []);
  const objects = await atServedVersions(recorded, deps, signal);
  const going = objects.filter((object) => goes(object, policy));
  const staying = objects.filter((object) => !goes(object, policy));
  if (policy !== "Orphan") await refuseUnlisted({ objects, goes: (kind) => goes(kind, policy) }, world, deps, signal);
  const changes = await removeObjects(going, world, deps, signal);
  const watchedBy = policy === "KeepResources" ? await releaseKept({ staying, changes }, world, deps, signal) : [];
  await mapConcurrent(staying.filter(isKustomization), requestLimit, (id) => resumeKept(id, world, deps, signal));
  await deps.progress?.begin("gone");
  await waitUntilGone(terminatingOf(going, changes), goneOptions(world, deps, signal), deps, signal);
  if (policy !== "Orphan") deps.ledger.clear();
  return { stayed: [...keptOf(changes), ...staying], watchedBy };
}

/** KeepResources keeps CRDs, custom resources and claims. */
function goes(object: Pick<ManagedObject, "group" | "version" | "kind">, policy: DeletionPolicy): boolean {
  if (policy === "Orphan") return false;
  if (policy === "Uninstall") return true;
  if (object.kind === "CustomResourceDefinition" || object.kind === "PersistentVolumeClaim") return false;
  return isBuiltInGroup(formatApiVersion(object));
}

type Kept = { readonly staying: readonly ManagedObject[]; readonly changes: readonly Change[] };

/**
 * Removes Flux's finalizers from what is kept, since no controller is left to remove them when the user deletes it. Resolves to the controllers
 * of another Flux that are.
 */
async function releaseKept(
  { staying, changes }: Kept,
  world: World,
  deps: UninstallDeps,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const definitions = staying.filter(({ kind }) => kind === "CustomResourceDefinition");
  const controllers = changes.filter(({ id }) => id.kind === "Deployment");
  // A controller that is kept removes the finalizers of what it reconciles.
  if (definitions.length === 0 || keptOf(controllers).length > 0) return [];
  await deps.progress?.begin("release");
  await waitForPods(controllers, deps, signal);
  return await releaseResources(definitions, world, deps, signal);
}

/** An earlier try, with a policy that deletes the Kustomization, may have suspended it. */
async function resumeKept(id: ManagedObject, world: World, deps: UninstallDeps, signal: AbortSignal): Promise<void> {
  const live = await deps.client.getOrUndefined(id, id, signal);
  if (live !== undefined && isOwned(live, ownerOf(world.key))) await resume(live, deps, signal);
}
