import { isJsonObject } from "../std/json.ts";
import type { JsonObject, JsonValue } from "./object.ts";

/** The value as a JSON object; an empty one when it is anything else. For reading status of kinds that we do not model. */
export function fieldsOf(value: JsonValue | undefined): JsonObject {
  return isJsonObject(value) ? value : {};
}

/** The value as a list; an empty one when it is anything else. */
export function listOf(value: JsonValue | undefined): readonly JsonValue[] {
  return Array.isArray(value) ? value : [];
}

/** The value as text; "" when it is anything else. */
export function textOf(value: JsonValue | undefined): string {
  return typeof value === "string" ? value : "";
}
