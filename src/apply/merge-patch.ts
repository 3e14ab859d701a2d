import { fieldsOf } from "../kube/fields.ts";
import type { JsonObject, JsonValue } from "../kube/object.ts";
import { deepEqual, isJsonObject } from "../std/json.ts";

/** The JSON merge patch (RFC 7396) that makes `after` of `before`; lists are replaced as a whole. */
export function mergePatchOf(before: JsonObject, after: JsonObject): JsonObject {
  const gone = Object.keys(before).filter((key) => !(key in after));
  const changed = Object.entries(after).filter(([key, value]) => !deepEqual(before[key], value));
  return Object.fromEntries([
    ...gone.map((key): [string, JsonValue] => [key, null]),
    ...changed.map(([key, value]): [string, JsonValue] => {
      const both = isJsonObject(value) && isJsonObject(before[key]);
      return [key, both ? mergePatchOf(fieldsOf(before[key]), value) : value];
    }),
  ]);
}
