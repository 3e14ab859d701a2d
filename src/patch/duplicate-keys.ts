import type { KubeObject } from "../kube/object.ts";
import { isJsonArray, isJsonObject, type JsonValue } from "../std/json.ts";
import { mergeKeysOf, shapeBelow, shapeOfKind, type Shape } from "./merge-keys.ts";
import { scalarText } from "./scalar-text.ts";

/**
 * The items of keyed lists that occur twice, as ".spec.template.spec.containers[0].env name: A". Server-side apply refuses such an object
 * ("failed to create typed patch object"). Lists that may repeat items, such as args, are not keyed.
 */
export function duplicateKeys(object: KubeObject): readonly string[] {
  return duplicatesIn(object, shapeOfKind(object), "");
}

function duplicatesIn(value: JsonValue, shape: Shape | undefined, path: string): readonly string[] {
  if (shape === undefined || !isJsonObject(value)) return [];
  return Object.keys(shape).flatMap((field) =>
    Object.hasOwn(value, field)
      ? duplicatesBelow(value[field] ?? null, shape, { field, path: `${path}.${field}` })
      : [],
  );
}

function duplicatesBelow(
  value: JsonValue,
  shape: Shape,
  { field, path }: { field: string; path: string },
): readonly string[] {
  const below = shapeBelow(shape, field);
  if (!isJsonArray(value)) return duplicatesIn(value, below, path);
  const own = repeatedIds(value, mergeKeysOf(shape, field) ?? []).map((id) => `${path} ${id}`);
  return own.concat(value.flatMap((item, index) => duplicatesIn(item, below, `${path}[${index}]`)));
}

function repeatedIds(list: readonly JsonValue[], keys: readonly string[]): readonly string[] {
  if (keys.length === 0) return [];
  const ids = list
    .filter(isJsonObject)
    .map((item) => keys.map((key) => `${key}: ${keyText(item[key], key)}`).join(", "));
  return [...new Set(ids.filter((id, index) => ids.indexOf(id) !== index))];
}

/** The API server uses TCP when a port has no protocol. */
function keyText(value: JsonValue | undefined, key: string): string {
  return scalarText(value) === "" && key === "protocol" ? "TCP" : scalarText(value);
}
