import type { KubeObject } from "../kube/object.ts";
import { isJsonArray, isJsonObject, type JsonValue } from "../std/json.ts";
import { fieldTypes, kindTypes } from "./field-types-table.ts";
import { PatchProblem } from "./patch-error.ts";

/** A value whose type the API server refuses: "spec.replicas", what is there, and what it must be. */
type WrongType = { readonly field: string; readonly value: JsonValue; readonly want: Want };
type Want = keyof typeof wants;

/** What the scalar types of the table take, and how they are told. */
const wants = {
  text: { takes: (value: JsonValue) => typeof value === "string", words: "text" },
  integer: { takes: (value: JsonValue) => Number.isInteger(value), words: "a whole number" },
  number: { takes: (value: JsonValue) => typeof value === "number", words: "a number" },
  flag: { takes: (value: JsonValue) => typeof value === "boolean", words: "true or false" },
  quantity: {
    takes: (value: JsonValue) => typeof value === "string" || typeof value === "number",
    words: "a quantity",
  },
  list: { takes: isJsonArray, words: "a list" },
  map: { takes: isJsonObject, words: "a map" },
  intOrText: {
    takes: (value: JsonValue) => typeof value === "string" || Number.isInteger(value),
    words: "a whole number or text",
  },
} satisfies { readonly [type: string]: { readonly takes: (value: JsonValue) => boolean; readonly words: string } };

/**
 * Refuses values that a patch has set and that the API server takes for another type: `true` for a label, 8080 for the value of a variable. Of
 * custom resources only the metadata is known. Throws PatchProblem.
 */
export function refuseWrongTypes(before: KubeObject, after: KubeObject): void {
  const wrong = wrongTypesOf(after);
  if (wrong.length === 0) return;
  const known = new Set(wrongTypesOf(before).map(({ field }) => field));
  const added = wrong.filter(({ field }) => !known.has(field));
  if (added.length > 0) throw new PatchProblem(`it sets ${added.map(describe).join("; ")}`);
}

function wrongTypesOf(object: KubeObject): readonly WrongType[] {
  const type = kindTypes[`${object.apiVersion}/${object.kind}`];
  return type === undefined ? wrongIn(object.metadata, "ObjectMeta", "metadata") : wrongIn(object, type, "");
}

function wrongIn(value: JsonValue | undefined, type: string, field: string): readonly WrongType[] {
  if (value === null || value === undefined) return [];
  const item = type.slice(2);
  if (type.startsWith("[]")) {
    if (!isJsonArray(value)) return [{ field, value, want: "list" }];
    return value.flatMap((entry, index) => wrongIn(entry, item, `${field}[${index}]`));
  }
  if (type.startsWith("{}")) {
    if (!isJsonObject(value)) return [{ field, value, want: "map" }];
    return Object.entries(value).flatMap(([key, entry]) => wrongIn(entry, item, below(field, key)));
  }
  if (isWant(type)) return wants[type].takes(value) ? [] : [{ field, value, want: type }];
  const fields = fieldTypes[type];
  if (fields === undefined) return [];
  if (!isJsonObject(value)) return [{ field, value, want: "map" }];
  return Object.entries(value).flatMap(([key, entry]) => {
    const own = Object.hasOwn(fields, key) ? fields[key] : undefined;
    return own === undefined ? [] : wrongIn(entry, own, below(field, key));
  });
}

function isWant(type: string): type is Want {
  return Object.hasOwn(wants, type);
}

/** Keys of labels and annotations have dots of their own. */
function below(field: string, key: string): string {
  if (!/^\w+$/.test(key)) return `${field}[${JSON.stringify(key)}]`;
  return field === "" ? key : `${field}.${key}`;
}

function describe({ field, value, want }: WrongType): string {
  const { words } = wants[want];
  const shown = JSON.stringify(value);
  const told = `${field} to ${shown.length > 64 ? `${shown.slice(0, 64)}...` : shown}, which must be ${words}`;
  if (want === "text" && typeof value !== "object") return `${told}: put it in quotes`;
  return typeof value === "string" && wants[want].takes(parsed(value)) ? `${told}: take the quotes away` : told;
}

function parsed(text: string): JsonValue {
  try {
    const value: JsonValue = JSON.parse(text);
    return value;
  } catch {
    return text;
  }
}
