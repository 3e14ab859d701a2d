import { isJsonObject } from "../std/json.ts";
import type { JsonObject, JsonValue } from "./object.ts";

/** The value as a JSON object; an empty one for anything else. For fields of kinds that have no type here. */
export function fieldsOf(value: JsonValue | undefined): JsonObject {
  return isJsonObject(value) ? value : {};
}

/** The value as a list; an empty one for anything else. */
export function listOf(value: JsonValue | undefined): readonly JsonValue[] {
  return Array.isArray(value) ? value : [];
}

/** The value as text; "" for anything else. */
export function textOf(value: JsonValue | undefined): string {
  return typeof value === "string" ? value : "";
}
