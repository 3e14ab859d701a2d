import { fieldsOf, listOf, textOf } from "../kube/fields.ts";
import { gvkOf } from "../kube/gvk.ts";
import { formatObjectId, objectIdOf, parseObjectId, type ObjectId } from "../kube/object-id.ts";
import type { JsonValue, KubeObject } from "../kube/object.ts";
import { applyPlaceOf } from "../kube/order.ts";

/** One entry of `status.inventory.entries`, in the Go operator's terms: `v` is the API version without group. */
export type InventoryEntry = { readonly id: string; readonly v: string };

/** An object that we manage, and the version at which it was last written. */
export type ManagedObject = ObjectId & { readonly version: string };

/** `status.inventory` as the API server has it. Entries without an id are left out. */
export function readInventory(status: JsonValue | undefined): readonly InventoryEntry[] {
  return listOf(fieldsOf(fieldsOf(status)["inventory"])["entries"])
    .map(fieldsOf)
    .map((entry) => ({ id: textOf(entry["id"]), v: textOf(entry["v"]) }))
    .filter((entry) => entry.id !== "");
}

/** The inventory of `objects`, sorted by id. */
export function inventoryOf(objects: readonly KubeObject[]): readonly InventoryEntry[] {
  const entries = objects.map((object) => ({ id: formatObjectId(objectIdOf(object)), v: gvkOf(object).version }));
  return sortEntries(entries);
}

/**
 * Everything in either inventory; when an object is in both, its version is that of `wanted`. It is saved before an apply starts, so that
 * whatever a crash leaves behind is still known.
 */
export function unionInventory(
  recorded: readonly InventoryEntry[],
  wanted: readonly InventoryEntry[],
): readonly InventoryEntry[] {
  const byId = new Map([...recorded, ...wanted].map((entry) => [entry.id, entry]));
  return sortEntries([...byId.values()]);
}

/** What is in `recorded` and not in `wanted`, in the order in which it is to be deleted. */
export function staleObjects(
  recorded: readonly InventoryEntry[],
  wanted: readonly InventoryEntry[],
): readonly ManagedObject[] {
  const keep = new Set(wanted.map((entry) => entry.id));
  return managedObjects(recorded.filter((entry) => !keep.has(entry.id)));
}

/** The objects of an inventory in the order of deletion, the reverse of that of apply. Entries of another form are left out. */
export function managedObjects(entries: readonly InventoryEntry[]): readonly ManagedObject[] {
  return entries
    .flatMap((entry) => {
      const id = parseObjectId(entry.id);
      return id === undefined ? [] : [{ ...id, version: entry.v }];
    })
    .toSorted((left, right) => applyPlaceOf(right).rank - applyPlaceOf(left).rank);
}

/** The reverse of `managedObjects`, sorted by id. */
export function entriesOf(objects: readonly ManagedObject[]): readonly InventoryEntry[] {
  return sortEntries(objects.map((object) => ({ id: formatObjectId(object), v: object.version })));
}

function sortEntries(entries: readonly InventoryEntry[]): readonly InventoryEntry[] {
  return entries.toSorted((left, right) => (left.id < right.id ? -1 : Number(left.id > right.id)));
}
