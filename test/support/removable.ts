import { fluxInstance, ownerLabels } from "../../src/api/names.ts";
import type { ManagedObject } from "../../src/apply/inventory.ts";
import { worldOf, type World } from "../../src/controllers/flux-instance/world.ts";
import { gvkOf } from "../../src/kube/gvk.ts";
import type { JsonObject, KubeObject } from "../../src/kube/object.ts";
import type { TableClient } from "./table-client.ts";

const key = { namespace: "flux-system", name: "flux" };

/** Labels of what the instance owns. */
export const owned = ownerLabels(key);
/** Flux's own. */
export const fluxFinalizer = "finalizers.fluxcd.io";

/** An instance of which the watches know nothing. */
export const world: World = worldOf(
  { apiVersion: fluxInstance.storageApiVersion, kind: fluxInstance.kind, metadata: key },
  new Map(),
  key.namespace,
);

/** The object as the inventory has it. */
export function managed(live: KubeObject): ManagedObject {
  const { name, namespace = "" } = live.metadata;
  return { ...gvkOf(live), namespace, name };
}

/** That of GitRepository, ours. */
export function definition(metadata: JsonObject = {}): KubeObject {
  const versions = [
    { name: "v1beta1", served: true, storage: false },
    { name: "v1", served: true, storage: true },
  ];
  const spec = { group: "source.toolkit.fluxcd.io", names: { kind: "GitRepository" }, versions };
  const named = { name: "gitrepositories.source.toolkit.fluxcd.io", labels: owned, ...metadata };
  return { apiVersion: "apiextensions.k8s.io/v1", kind: "CustomResourceDefinition", metadata: named, spec };
}

export function repository(name: string, finalizers: readonly string[], resourceVersion = "1"): KubeObject {
  return {
    apiVersion: "source.toolkit.fluxcd.io/v1",
    kind: "GitRepository",
    metadata: { name, namespace: "apps", finalizers, resourceVersion },
  };
}

/** Of each GitRepository that is left, by name. */
export function finalizersOf(client: TableClient): JsonObject {
  const held = client.objects().filter(({ kind }) => kind === "GitRepository");
  return Object.fromEntries(held.map(({ metadata }) => [metadata.name, metadata.finalizers ?? []]));
}
