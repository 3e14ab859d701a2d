import { fieldsOf } from "../kube/fields.ts";
import type { JsonObject, JsonValue } from "../kube/object.ts";

/**
 * A copy of `value` with the field at `path` (map keys only) replaced by what `change` makes of it; undefined removes it.
 * Maps that are missing on the way are added. Everything beside the path is shared with `value`.
 */
export function edit<T extends JsonObject>(
  value: T,
  path: readonly string[],
  change: (field: JsonValue | undefined) => JsonValue | undefined,
): T {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  const field = value[key];
  const next = rest.length === 0 ? change(field) : edit(fieldsOf(field), rest, change);
  if (next === field) return value;
  if (next !== undefined) return { ...value, [key]: next };
  const { [key]: _removed, ...others } = value;
  // Only fields that the type leaves optional are ever removed.
  return others as unknown as T;
}

/** `edit` that sets a field. */
export function setField<T extends JsonObject>(value: T, path: readonly string[], field: JsonValue): T {
  return edit(value, path, () => field);
}

/** `edit` that removes a field; a missing one is fine and adds nothing. */
export function removeField<T extends JsonObject>(value: T, path: readonly string[]): T {
  return readField(value, path) === undefined ? value : edit(value, path, () => undefined);
}

/** `edit` that merges entries into a map of text, such as labels; later wins. */
export function mergeField<T extends JsonObject>(
  value: T,
  path: readonly string[],
  entries: { readonly [key: string]: JsonValue },
): T {
  if (Object.keys(entries).length === 0) return value;
  return edit(value, path, (field) => ({ ...fieldsOf(field), ...entries }));
}

/** The field at `path` (map keys only); undefined when it is missing. */
export function readField(value: JsonObject, path: readonly string[]): JsonValue | undefined {
  let field: JsonValue | undefined = value;
  for (const key of path) field = fieldsOf(field)[key];
  return field;
}
