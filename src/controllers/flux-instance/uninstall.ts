import { objectAnnotations, operatorName } from "../../api/names.ts";
import type { DeletionPolicy } from "../../api/spec.ts";
import { managedObjects, type ManagedObject } from "../../apply/inventory.ts";
import type { Ledger } from "../../apply/ledger.ts";
import { requestLimit } from "../../apply/plan-apply.ts";
import { prune, waitUntilGone } from "../../apply/prune.ts";
import type { ApiClient } from "../../client/api-client.ts";
import { isConflict, isNotFound } from "../../client/api-error.ts";
import { fieldsOf, listOf, textOf } from "../../kube/fields.ts";
import type { GroupVersionKind } from "../../kube/gvk.ts";
import { isBuiltInGroup } from "../../kube/object-id.ts";
import { formatApiVersion } from "../../kube/gvk.ts";
import type { KubeObject } from "../../kube/object.ts";
import type { Clock } from "../../std/clock.ts";
import { mapConcurrent } from "../../std/concurrent.ts";
import { ownerLabels, type World } from "./world.ts";

export type UninstallDeps = {
  readonly client: Pick<ApiClient, "getOrUndefined" | "list" | "patch" | "delete">;
  readonly ledger: Ledger;
  readonly clock: Clock;
};

/** The finalizer of all Flux controllers; the only one that is ever removed from a custom resource. */
const fluxFinalizer = "finalizers.fluxcd.io";

/**
 * Removes what the inventory lists, and never a workload: the controllers go first and their pods with them, so that nobody is left to
 * act on what follows; then Flux's finalizers, so that custom resources can go without taking along what they applied; then all else.
 * Every step may be repeated. Throws, and leaves the rest to the next try, when a step fails.
 */
export async function uninstall(
  policy: DeletionPolicy,
  world: World,
  deps: UninstallDeps,
  signal: AbortSignal,
): Promise<void> {
  if (policy === "Orphan") return;
  const objects = managedObjects(world.recorded.inventory?.entries ?? []);
  const options = { owner: ownerLabels(world.key), keepAnnotation: objectAnnotations.prune };
  const timeoutMs = world.settings.reconcileTimeoutMs;
  const controllers = objects.filter(({ kind }) => kind === "Deployment");
  await prune(controllers, { ...options, propagationPolicy: "Foreground" }, deps, signal);
  await waitUntilGone(controllers, timeoutMs, deps, signal);
  const definitions = objects.filter(({ kind }) => kind === "CustomResourceDefinition");
  for (const definition of definitions) await releaseResources(definition, deps, signal);
  const others = objects.filter(({ kind }) => kind !== "Deployment");
  const going = others.filter((object) => policy !== "KeepResources" || !isResource(object));
  const changes = await prune(going, options, deps, signal);
  const gone = new Set(changes.filter(({ action }) => action === "deleted").map(({ id }) => id));
  await waitUntilGone(
    going.filter((object) => gone.has(object)),
    timeoutMs,
    deps,
    signal,
  );
  deps.ledger.clear();
}

/** What KeepResources keeps: definitions, custom resources and claims. */
function isResource(object: ManagedObject): boolean {
  if (object.kind === "CustomResourceDefinition" || object.kind === "PersistentVolumeClaim") return true;
  return !isBuiltInGroup(formatApiVersion(object));
}

/** Takes Flux's finalizer off every resource of a definition; finalizers of others stay. */
async function releaseResources(definition: ManagedObject, deps: UninstallDeps, signal: AbortSignal): Promise<void> {
  const crd = await deps.client.getOrUndefined(definition, definition, signal);
  const gvk = crd === undefined ? undefined : servedKind(crd);
  if (gvk === undefined) return;
  const { items } = await deps.client.list(gvk, { metadataOnly: true }, signal);
  const held = items.filter((item) => item.metadata.finalizers?.includes(fluxFinalizer) === true);
  await mapConcurrent(held, requestLimit, (item) => release(gvk, item, deps, signal));
}

/** The resourceVersion makes sure that no finalizer is lost that somebody adds at the same moment. */
async function release(
  gvk: GroupVersionKind,
  seen: KubeObject,
  deps: UninstallDeps,
  signal: AbortSignal,
): Promise<void> {
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
