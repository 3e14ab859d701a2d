/** Any JSON value. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/** A JSON object. Integers beyond 2^53 do not occur in the kinds that we write. */
export type JsonObject = { readonly [key: string]: JsonValue };

/** JSON text without spaces and with the members of every object sorted: equal values give equal text. */
export function canonicalJson(value: JsonValue): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (isJsonArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  const members = presentMembers(value).map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`);
  return `{${members.toSorted().join(",")}}`;
}

/** Whether JSON values are equal; the order of keys does not count, that of lists does. A key that is undefined counts as absent. */
export function deepEqual(left: JsonValue | undefined, right: JsonValue | undefined): boolean {
  if (left === right) return true;
  if (typeof left !== "object" || typeof right !== "object" || left === null || right === null) return false;
  if (isJsonArray(left) || isJsonArray(right)) {
    if (!isJsonArray(left) || !isJsonArray(right) || left.length !== right.length) return false;
    return left.every((item, index) => deepEqual(item, right[index]));
  }
  const members = presentMembers(left);
  if (members.length !== presentMembers(right).length) return false;
  return members.every(([key, member]) => Object.hasOwn(right, key) && deepEqual(member, right[key]));
}

/** Whether a value from outside is a JSON object: neither null nor a list. */
export function isJsonObject(value: unknown): value is { readonly [key: string]: JsonValue } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function presentMembers(value: { readonly [key: string]: JsonValue }): readonly [string, JsonValue][] {
  return Object.entries(value).filter(([, member]) => member !== undefined);
}

/** Whether a value is a JSON list. Array.isArray does not narrow readonly lists. */
export function isJsonArray(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value);
}
