import { isJsonObject, type JsonValue } from "../std/json.ts";
import type { JsonMap } from "./parse-patch.ts";
import { PatchProblem } from "./patch-error.ts";
import { readDirective } from "./directive.ts";
import { scalarText } from "./scalar-text.ts";

/** A list that is merged by `keys`; none for a list of scalars. */
export type KeyedListPlace = {
  readonly path: string;
  readonly keys: readonly string[];
  /** Merges an item into its match, if it has one; undefined when nothing is left of it. */
  readonly mergeItem: (own: JsonValue | undefined, item: JsonValue, path: string) => JsonValue | undefined;
};

/**
 * Merges two lists by key, in the order of kustomize's "prepend": first the items of the patch, then the other items of the target. With
 * several keys, items of the target keep their place and only new items come first. Undefined when the patch deletes the list. Throws
 * PatchProblem.
 */
export function mergeKeyedList(
  target: readonly JsonValue[] | undefined,
  patch: readonly JsonValue[],
  place: KeyedListPlace,
): readonly JsonValue[] | undefined {
  const directive = listDirective(patch, place.path);
  if (directive === "delete") return undefined;
  const items = patch.filter((item) => !isListDirective(item));
  const kept = directive === "replace" || target === undefined ? [] : target;
  if (place.keys.length === 0) return [...new Set([...items, ...kept])];
  return mergeItems(kept, items, place);
}

function mergeItems(
  target: readonly JsonValue[],
  patch: readonly JsonValue[],
  place: KeyedListPlace,
): readonly JsonValue[] {
  const rest: (JsonValue | undefined)[] = [...target];
  const first: JsonValue[] = [];
  const seen = new Set<string>();
  for (const [index, item] of patch.entries()) {
    const at = { ...place, path: `${place.path}[${index}]` };
    const id = idOf(item, at);
    if (seen.has(id)) throw new PatchProblem(`${at.path} repeats ${id}; name each item once`);
    seen.add(id);
    const match = matchingIndex(target, item, at);
    const value = place.mergeItem(match === undefined ? undefined : target[match], item, at.path);
    if (match !== undefined) rest[match] = place.keys.length > 1 ? value : undefined;
    if (value !== undefined && (match === undefined || place.keys.length === 1)) first.push(value);
  }
  return [...first, ...rest.filter((item) => item !== undefined)];
}

/** "name: manager": the keys of an item as people see them. */
function idOf(item: JsonValue, place: KeyedListPlace): string {
  const given = isJsonObject(item) ? place.keys.filter((key) => scalarText(item[key]) !== "") : [];
  if (!isJsonObject(item) || given.length === 0) {
    throw new PatchProblem(`${place.path} has no ${place.keys.join(" or ")}, by which this list is merged; add it`);
  }
  return given.map((key) => `${key}: ${scalarText(item[key])}`).join(", ");
}

/** The index of the only item with equal keys. A key that either side omits matches any value, if another key is equal. */
function matchingIndex(list: readonly JsonValue[], item: JsonValue, place: KeyedListPlace): number | undefined {
  if (!isJsonObject(item)) return undefined;
  const fitting = list.flatMap((other, index) => (isJsonObject(other) && fits(other, item, place.keys) ? [index] : []));
  const exact = fitting.filter((index) => place.keys.every((key) => sameKey(list[index], item, key)));
  const [first, second] = exact.length > 0 ? exact : fitting;
  if (second === undefined || exact.length > 0) return first;
  throw new PatchProblem(
    `${place.path} (${idOf(item, place)}) fits several items; name all of ${place.keys.join(", ")}`,
  );
}

function fits(left: JsonMap, right: JsonMap, keys: readonly string[]): boolean {
  const shared = keys.filter((key) => scalarText(left[key]) !== "" && scalarText(right[key]) !== "");
  return shared.length > 0 && shared.every((key) => scalarText(left[key]) === scalarText(right[key]));
}

function sameKey(left: JsonValue | undefined, right: JsonMap, key: string): boolean {
  return isJsonObject(left) && scalarText(left[key]) === scalarText(right[key]);
}

function listDirective(patch: readonly JsonValue[], path: string): "delete" | "replace" | "merge" {
  const found = patch.find(isListDirective);
  return isJsonObject(found) ? readDirective(found["$patch"], path) : "merge";
}

/** `- $patch: replace` alone in an item is about the list; beside other keys it is about its item. */
function isListDirective(item: JsonValue): boolean {
  return isJsonObject(item) && Object.hasOwn(item, "$patch") && Object.keys(item).length === 1;
}
