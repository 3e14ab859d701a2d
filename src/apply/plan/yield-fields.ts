import { fieldsOf, listOf } from "../../kube/fields.ts";
import type { JsonObject, JsonValue, KubeObject, ManagedFieldsEntry, ObjectMeta } from "../../kube/object.ts";
import { parsePointer } from "../../std/json-pointer.ts";
import { deepEqual, isJsonObject } from "../../std/json.ts";

/**
 * `desired` without the fields that are left to others on the live object: replicas that were last written through the `scale` subresource, and
 * whatever is at or below `paths` (JSON pointers into `desired`) and is owned by another field manager or was removed. What no other field
 * manager owns stays, since leaving it out of the apply would delete it. The same object when nothing is left out.
 */
export function yieldFields(
  desired: KubeObject,
  live: KubeObject,
  { paths, fieldManager }: { readonly paths: readonly string[]; readonly fieldManager: string },
): KubeObject {
  const managers = (live.metadata.managedFields ?? []).map((entry) => managerOf(entry, fieldManager));
  const everything = { live, managers };
  const lent = paths.reduce<JsonObject>((object, path) => withoutPath(object, everything, parsePointer(path)), desired);
  const scalers = { live, managers: managers.filter(({ scales }) => scales) };
  const yielded = isScaled(live.metadata) ? withoutPath(lent, scalers, replicas) : lent;
  return isKubeObject(yielded) ? yielded : desired;
}

/** Whether replicas were last written through the `scale` subresource. */
export function isScaled({ managedFields = [] }: ObjectMeta): boolean {
  return managedFields.some(
    ({ subresource, fieldsV1 }) =>
      subresource === "scale" && fieldsOf(fieldsOf(fieldsV1)["f:spec"])["f:replicas"] !== undefined,
  );
}

const replicas = ["spec", "replicas"];

/** What a field manager owns at a place, in the notation of managedFields. */
type FieldManager = { readonly isUs: boolean; readonly scales: boolean; readonly fields: JsonObject };

function managerOf({ manager, subresource, fieldsV1 }: ManagedFieldsEntry, fieldManager: string): FieldManager {
  return {
    isUs: manager === fieldManager && subresource === undefined,
    scales: subresource === "scale",
    fields: fieldsOf(fieldsV1),
  };
}

/** A place in the live object; `live` is undefined where there is nothing. */
type Place = { readonly live: JsonValue | undefined; readonly managers: readonly FieldManager[] };

function withoutPath(desired: JsonObject, place: Place, path: readonly string[]): JsonObject {
  return fieldsOf(withoutAt(desired, place, path));
}

/** The value without what is yielded at `path` below it; undefined when nothing of it is left. */
function withoutAt(desired: JsonValue, place: Place, [token, ...rest]: readonly string[]): JsonValue | undefined {
  if (token === undefined) return withoutYielded(desired, place);
  if (Array.isArray(desired)) {
    const index = Number(token);
    return mapList(desired, (element, at) =>
      at === index ? withoutAt(element, elementOf(place, element), rest) : element,
    );
  }
  const field = fieldsOf(desired)[token];
  return field === undefined
    ? desired
    : withField(fieldsOf(desired), token, withoutAt(field, fieldOf(place, token), rest));
}

function withoutYielded(desired: JsonValue, place: Place): JsonValue | undefined {
  if (place.live === undefined || place.managers.some(({ isUs, fields }) => !isUs && isLeaf(fields))) return undefined;
  if (Array.isArray(desired)) return mapList(desired, (element) => withoutYielded(element, elementOf(place, element)));
  if (!isJsonObject(desired)) return desired;
  const left = Object.keys(desired).reduce<JsonObject>(
    (object, key) => withField(object, key, withoutYielded(desired[key] ?? null, fieldOf(place, key))),
    desired,
  );
  return Object.keys(left).length === 0 && left !== desired ? undefined : left;
}

/** Owned as a whole: a scalar, an atomic list or map. */
function isLeaf(fields: JsonObject): boolean {
  return Object.keys(fields).length === 0;
}

function fieldOf({ live, managers }: Place, key: string): Place {
  return { live: fieldsOf(live)[key], managers: below(managers, `f:${key}`) };
}

/** An element of a keyed list is found by the keys by which managedFields names it; one that no field manager owns counts as live. */
function elementOf({ live, managers }: Place, element: JsonValue): Place {
  const names = managers.flatMap(({ fields }) => Object.keys(fields).filter((name) => name.startsWith("k:")));
  const name = names.find((candidate) => fits(element, candidate));
  if (name === undefined) return { live: element, managers: [] };
  return { live: listOf(live).find((other) => fits(other, name)), managers: below(managers, name) };
}

function below(managers: readonly FieldManager[], name: string): readonly FieldManager[] {
  return managers.flatMap((manager) => {
    const fields = manager.fields[name];
    return isJsonObject(fields) ? [{ ...manager, fields }] : [];
  });
}

/** Whether an element has the keys of a name such as `k:{"name":"manager"}`. */
function fits(element: JsonValue, name: string): boolean {
  const keys: unknown = JSON.parse(name.slice("k:".length));
  if (!isJsonObject(keys) || !isJsonObject(element)) return false;
  return Object.entries(keys).every(([key, value]) => deepEqual(element[key], value));
}

function mapList(
  list: readonly JsonValue[],
  change: (element: JsonValue, index: number) => JsonValue | undefined,
): readonly JsonValue[] | undefined {
  const changed = list.map(change);
  if (changed.every((element, index) => element === list[index])) return list;
  const left = changed.filter((element) => element !== undefined);
  return left.length === 0 ? undefined : left;
}

function withField(object: JsonObject, key: string, value: JsonValue | undefined): JsonObject {
  if (value === object[key]) return object;
  const { [key]: _, ...others } = object;
  return value === undefined ? others : { ...object, [key]: value };
}

/** Paths that would remove the name or the kind are refused when they are read (`render/transforms/ignore-drift.ts`). */
function isKubeObject(fields: JsonObject): fields is KubeObject {
  const { apiVersion, kind, metadata } = fields;
  return typeof apiVersion === "string" && typeof kind === "string" && fieldsOf(metadata)["name"] !== undefined;
}
