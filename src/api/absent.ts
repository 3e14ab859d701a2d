import { isJsonObject } from "../std/json.ts";
import type { Schema } from "./schema/build.ts";

/**
 * `value` without the fields and map entries that are null, as the API server stores it: nothing of ours is nullable, so it drops a null before
 * it looks for defaults and required fields. A null in a list stays and is refused, there as here. Unchanged parts are shared.
 */
export function dropNulls(schema: Schema, value: unknown): unknown {
  return dropFields(schema, value, ({ value: written }) => written === null);
}

/** `value` without optional texts that are empty: charts write "" for what they leave out. Unchanged parts are shared. */
export function dropEmptyTexts(schema: Schema, value: unknown): unknown {
  return dropFields(schema, value, ({ value: written, required }) => written === "" && !required);
}

type Field = { readonly value: unknown; readonly required: boolean };
type IsDropped = (field: Field) => boolean;

function dropFields(schema: unknown, value: unknown, isDropped: IsDropped): unknown {
  if (!isJsonObject(schema)) return value;
  if (Array.isArray(value))
    return keepIfSame(
      value,
      value.map((item) => dropFields(schema["items"], item, isDropped)),
    );
  const { properties = {}, additionalProperties, required } = schema;
  if (!isJsonObject(properties) || !isJsonObject(value)) return value;
  const isMap = isJsonObject(additionalProperties);
  const entries = Object.entries(value);
  const kept = entries.flatMap(([name, written]) => {
    if (!isMap && !Object.hasOwn(properties, name)) return [[name, written] as const];
    const isRequired = isMap || (Array.isArray(required) && required.includes(name));
    if (isDropped({ value: written, required: isRequired })) return [];
    return [[name, dropFields(isMap ? additionalProperties : properties[name], written, isDropped)] as const];
  });
  const isSame = kept.length === entries.length && kept.every(([name, next]) => value[name] === next);
  return isSame ? value : Object.fromEntries(kept);
}

function keepIfSame(before: readonly unknown[], after: readonly unknown[]): readonly unknown[] {
  return after.every((item, index) => item === before[index]) ? before : after;
}
