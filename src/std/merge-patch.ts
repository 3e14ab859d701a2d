import { deepEqual, isJsonObject, type JsonObject, type JsonValue } from "./json.ts";

/** The JSON merge patch (RFC 7396) that changes `before` into `after`; lists are replaced as a whole. */
export function mergePatchOf(before: JsonObject, after: JsonObject): JsonObject {
  const gone = Object.keys(before).filter((key) => !(key in after));
  const changed = Object.entries(after).filter(([key, value]) => !deepEqual(before[key], value));
  return Object.fromEntries([
    ...gone.map((key): [string, JsonValue] => [key, null]),
    ...changed.map(([key, value]): [string, JsonValue] => {
      const inner = before[key];
      return [key, isJsonObject(value) && isJsonObject(inner) ? mergePatchOf(inner, value) : value];
    }),
  ]);
}
