import { fieldsOf, listOf } from "../../kube/fields.ts";
import type { JsonObject, JsonValue } from "../../kube/object.ts";
import { deepEqual, isJsonObject } from "../../std/json.ts";

/**
 * `fieldsV1` of a managedFields entry: a tree by `f:name` (field), `k:{"name":"x"}` (element of a keyed list), `v:"x"` (element of a set). A
 * field belongs to the set when its node is empty or contains `.`. Source: structured-merge-diff fieldpath/serialize.go.
 */
export type FieldSet = JsonObject;

const self = ".";

/** The fields that are in `left`, in `right` or in both. */
export function unionFields(left: FieldSet, right: FieldSet): FieldSet {
  const keys = new Set([...Object.keys(left), ...Object.keys(right)]);
  const entries = [...keys].map((key): [string, JsonValue] => {
    const [a, b] = [left[key], right[key]];
    if (!isJsonObject(a) || !isJsonObject(b)) return [key, a ?? b ?? {}];
    const both = unionFields(a, b);
    return [key, isLeaf(a) === isLeaf(b) ? both : { [self]: {}, ...both }];
  });
  return Object.fromEntries(entries);
}

/** The fields of `left` that are also in `right`. */
export function commonFields(left: FieldSet, right: FieldSet): FieldSet {
  return mapNodes(left, (key, node) => {
    const other = right[key];
    if (!isJsonObject(other)) return undefined;
    if (isLeaf(node)) return isMember(other) ? {} : undefined;
    return key === self ? node : nodeOf(commonFields(node, other), isMember(node) && isMember(other));
  });
}

/** The fields of `left` that are not in `right`. */
export function otherFields(left: FieldSet, right: FieldSet): FieldSet {
  return mapNodes(left, (key, node) => {
    const other = right[key];
    if (key === self || !isJsonObject(other)) return key === self ? undefined : node;
    const own = isMember(node) && !isMember(other);
    return isLeaf(node) ? (own ? node : undefined) : nodeOf(otherFields(node, other), own);
  });
}

/** The fields at or below the leaves of `at`, and the rest. */
export function splitFields(fields: FieldSet, at: FieldSet): { readonly below: FieldSet; readonly rest: FieldSet } {
  const below = mapNodes(fields, (key, node) => {
    const other = at[key];
    if (!isJsonObject(other)) return undefined;
    return isLeaf(other) ? node : nodeOf(splitFields(node, other).below, false);
  });
  const rest = mapNodes(fields, (key, node) => {
    const other = at[key];
    if (!isJsonObject(other)) return node;
    if (isLeaf(other)) return undefined;
    return isLeaf(node) ? node : nodeOf(splitFields(node, other).rest, isMember(node));
  });
  return { below, rest };
}

/** Whether there is no field in the set. */
export function isEmptySet(fields: FieldSet): boolean {
  return Object.keys(fields).length === 0;
}

/** A value after fields were removed, and the paths of these. */
export type FieldRemoval = { readonly value: JsonValue; readonly removed: readonly string[] };

/**
 * `value` without the fields of `given` that are in none of `kept`, as a server-side apply removes what its manager no longer applies.
 * `removed` are their paths: "spec.template.spec.containers[name=manager].env[name=X]".
 */
export function removeFields(value: JsonValue, given: FieldSet, kept: readonly FieldSet[], path = ""): FieldRemoval {
  let left = value;
  const removed: string[] = [];
  for (const [key, node] of Object.entries(given)) {
    const child = key === self ? undefined : childOf(left, key);
    if (child === undefined) continue;
    const others = kept.map((set) => set[key]).filter(isJsonObject);
    if (others.some(isLeaf)) continue;
    const at = `${path}${nameOf(key, path)}`;
    if (others.length === 0 && isMember(fieldsOf(node))) {
      left = withChild(left, key, undefined);
      removed.push(at);
      continue;
    }
    const inner = removeFields(child, fieldsOf(node), others, at);
    if (inner.removed.length === 0) continue;
    removed.push(...inner.removed);
    left = withChild(left, key, others.length === 0 && isHollow(inner.value) ? undefined : inner.value);
  }
  return { value: left, removed };
}

/** Whether nothing is left of a map or list. */
function isHollow(value: JsonValue): boolean {
  return Array.isArray(value) ? value.length === 0 : isJsonObject(value) && Object.keys(value).length === 0;
}

function childOf(value: JsonValue, key: string): JsonValue | undefined {
  if (key.startsWith("f:")) return isJsonObject(value) ? value[key.slice(2)] : undefined;
  return listOf(value).find((element) => isElement(element, key));
}

function withChild(value: JsonValue, key: string, child: JsonValue | undefined): JsonValue {
  if (key.startsWith("f:")) {
    const { [key.slice(2)]: _, ...others } = fieldsOf(value);
    return child === undefined ? others : { ...fieldsOf(value), [key.slice(2)]: child };
  }
  return listOf(value).flatMap((element) => {
    if (!isElement(element, key)) return [element];
    return child === undefined ? [] : [child];
  });
}

function isElement(element: JsonValue, key: string): boolean {
  const wanted: unknown = JSON.parse(key.slice(2));
  if (key.startsWith("v:")) return deepEqual(element, wanted as JsonValue);
  if (!key.startsWith("k:") || !isJsonObject(wanted)) return false;
  return Object.entries(wanted).every(([name, value]) => deepEqual(fieldsOf(element)[name], value));
}

function nameOf(key: string, path: string): string {
  if (key.startsWith("f:")) return path === "" ? key.slice(2) : `.${key.slice(2)}`;
  const parsed: unknown = JSON.parse(key.slice(2));
  if (!isJsonObject(parsed)) return `[${textIn(parsed)}]`;
  const keys = Object.entries(parsed).map(([name, value]) => `${name}=${textIn(value)}`);
  return `[${keys.join(",")}]`;
}

function textIn(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function isLeaf(node: FieldSet): boolean {
  return Object.keys(node).length === 0;
}

function isMember(node: FieldSet): boolean {
  return isLeaf(node) || node[self] !== undefined;
}

/** A node with these fields below it; undefined when nothing is left of it. */
function nodeOf(below: FieldSet, member: boolean): FieldSet | undefined {
  const { [self]: _, ...fields } = below;
  if (Object.keys(fields).length === 0) return member ? {} : undefined;
  return member ? { [self]: {}, ...fields } : fields;
}

function mapNodes(fields: FieldSet, change: (key: string, node: FieldSet) => FieldSet | undefined): FieldSet {
  return Object.fromEntries(
    Object.entries(fields).flatMap(([key, node]): [string, FieldSet][] => {
      const changed = change(key, fieldsOf(node));
      return changed === undefined ? [] : [[key, changed]];
    }),
  );
}
