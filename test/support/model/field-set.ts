import type { JsonObject, JsonValue } from "../../../src/kube/object.ts";
import { deepEqual, isJsonArray, isJsonObject } from "../../../src/std/json.ts";
import { keyDefaults, type MergeType } from "./list-types.ts";

/**
 * Fields by their paths: the elements of FieldsV1 ("f:spec", 'k:{"name":"a"}', 'v:"x"'), joined. Only what is owned itself is in it: leaves,
 * whole lists and maps, and items of lists. Source: structured-merge-diff, fieldpath.
 */
export type FieldSet = ReadonlySet<string>;

const separator = "\u0001";

export function elementsOf(path: string): readonly string[] {
  return path.split(separator);
}

/** The path and all above it. */
export function withParents(paths: Iterable<string>): FieldSet {
  const all = new Set<string>();
  for (const path of paths) {
    for (let end = path.length; end > 0; end = path.lastIndexOf(separator, end - 1)) all.add(path.slice(0, end));
  }
  return all;
}

export function parseFields(fieldsV1: JsonObject | undefined): FieldSet {
  const found = new Set<string>();
  const walk = (fields: JsonObject, at: string): void => {
    const entries = Object.entries(fields);
    if (entries.length === 0 && at !== "") found.add(at);
    for (const [element, below] of entries) {
      if (element === ".") found.add(at);
      else if (isJsonObject(below)) walk(below, at === "" ? element : at + separator + element);
    }
  };
  walk(fieldsV1 ?? {}, "");
  return found;
}

type Tree = { [element: string]: Tree };

export function formatFields(set: FieldSet): JsonObject {
  const root: Tree = {};
  for (const path of [...set].toSorted()) {
    let at = root;
    for (const element of elementsOf(path)) at = at[element] ??= {};
    at["."] = {};
  }
  return withoutLoneDots(root);
}

function withoutLoneDots(tree: Tree): Tree {
  const entries = Object.entries(tree);
  if (entries.length === 1 && "." in tree) return {};
  return Object.fromEntries(
    entries.map(([element, below]) => [element, element === "." ? below : withoutLoneDots(below)]),
  );
}

/** The elements of a list that is merged item by item, each with its name in FieldsV1. */
export function itemsOf(list: readonly JsonValue[], type: MergeType): readonly (readonly [string, JsonValue])[] {
  return list.map((item) => [itemName(item, type), item] as const);
}

function itemName(item: JsonValue, { keys = [] }: MergeType): string {
  if (!isJsonObject(item)) return `v:${JSON.stringify(item)}`;
  const named = keys.toSorted().flatMap((key) => {
    const value = item[key] ?? keyDefaults[key];
    return value === undefined ? [] : [[key, value] as const];
  });
  return `k:${JSON.stringify(Object.fromEntries(named))}`;
}

export function isMergedList(value: JsonValue | undefined, type: MergeType): value is readonly JsonValue[] {
  return isJsonArray(value) && (type.keys !== undefined || type.set === true) && type.atomic !== true;
}

export function isMergedMap(value: JsonValue | undefined, type: MergeType): value is JsonObject {
  return isJsonObject(value) && type.atomic !== true;
}

export function typeBelow(type: MergeType, name: string): MergeType {
  return type.fields?.[name] ?? type.each ?? {};
}

/** Calls `visit` with each field of a value that can be owned. */
export function eachField(value: JsonValue, type: MergeType, visit: (path: string, leaf: JsonValue) => void): void {
  const walk = (value: JsonValue, type: MergeType, at: string): void => {
    const below = (name: string): string => (at === "" ? name : at + separator + name);
    if (isMergedMap(value, type) && (at === "" || Object.keys(value).length > 0)) {
      for (const [name, member] of Object.entries(value)) walk(member, typeBelow(type, name), below(`f:${name}`));
    } else if (isMergedList(value, type) && value.length > 0) {
      for (const [name, item] of itemsOf(value, type)) {
        visit(below(name), isJsonObject(item) ? "item" : item);
        if (isJsonObject(item)) walk(item, type.each ?? {}, below(name));
      }
    } else visit(at, value);
  };
  walk(value, type, "");
}

export function fieldsOfValue(value: JsonValue, type: MergeType): FieldSet {
  const found = new Set<string>();
  eachField(value, type, (path) => found.add(path));
  return found;
}

/** The maps and lists of a value that are no leaves, by their paths. What Go has as a struct is always there, and no field of its own. */
function containersOf(value: JsonValue, type: MergeType, isCustom: boolean): FieldSet {
  const leaves = fieldsOfValue(value, type);
  const parents = [...withParents(leaves)].filter((path) => !leaves.has(path));
  return new Set(
    parents.filter((path) => !structs.has(path) && (isCustom || !goStructs.has(elementsOf(path).at(-1) ?? ""))),
  );
}

const structs = new Set(["f:metadata"]);
const goStructs = new Set(
  ["spec", "status", "metadata", "template", "strategy", "containers", "resources"].map((name) => `f:${name}`),
);

export type Comparison = { readonly changed: FieldSet; readonly removed: FieldSet };

/** What of `after` is new or other than in `before`, and what is missing. */
export function compareFields(before: JsonValue, after: JsonValue, type: MergeType): Comparison {
  const old = new Map<string, JsonValue>();
  eachField(before, type, (path, leaf) => old.set(path, leaf));
  const changed = new Set<string>();
  const seen = new Set<string>();
  eachField(after, type, (path, leaf) => {
    seen.add(path);
    const was = old.get(path);
    if (was === undefined || !deepEqual(was, leaf)) changed.add(path);
  });
  return { changed, removed: new Set([...old.keys()].filter((path) => !seen.has(path))) };
}

/** As `compareFields`, with the maps and lists that came or went. An update owns those that it has made. */
export function compareAll(before: JsonValue, after: JsonValue, type: MergeType, isCustom: boolean): Comparison {
  const { changed, removed } = compareFields(before, after, type);
  const [were, are] = [containersOf(before, type, isCustom), containersOf(after, type, isCustom)];
  return {
    changed: new Set([...changed, ...[...are].filter((path) => !were.has(path))]),
    removed: new Set([...removed, ...[...were].filter((path) => !are.has(path))]),
  };
}

/** `value` without the fields of `gone`; undefined when nothing is left of it. */
export function removeFields(value: JsonObject, type: MergeType, gone: FieldSet): JsonObject {
  if (gone.size === 0) return value;
  const touched = withParents(gone);
  const walk = (value: JsonValue, type: MergeType, at: string): JsonValue | undefined => {
    if (gone.has(at)) return undefined;
    if (!touched.has(at)) return value;
    const below = (name: string): string => at + separator + name;
    if (isMergedMap(value, type)) {
      const left = membersLeft(value, (name, member) => walk(member, typeBelow(type, name), below(`f:${name}`)));
      return Object.keys(left).length === 0 ? undefined : left;
    }
    if (isMergedList(value, type)) {
      const left = itemsOf(value, type).flatMap(([name, item]) => walk(item, type.each ?? {}, below(name)) ?? []);
      return left.length === 0 ? undefined : left;
    }
    return value;
  };
  return membersLeft(value, (name, member) => walk(member, typeBelow(type, name), `f:${name}`));
}

function membersLeft(
  value: JsonObject,
  keep: (name: string, member: JsonValue) => JsonValue | undefined,
): { readonly [name: string]: JsonValue } {
  const kept = Object.entries(value).flatMap(([name, member]) => {
    const left = keep(name, member);
    return left === undefined ? [] : [[name, left] as const];
  });
  return Object.fromEntries(kept);
}

/** `live` with all that `applied` has. Items of lists come in the order of `applied`, those that only `live` has as early as they can. */
export function mergeApplied(live: JsonValue | undefined, applied: JsonValue, type: MergeType): JsonValue {
  if (isMergedMap(live, type) && isMergedMap(applied, type)) {
    const merged: { [name: string]: JsonValue } = { ...live };
    for (const [name, value] of Object.entries(applied))
      merged[name] = mergeApplied(live[name], value, typeBelow(type, name));
    return merged;
  }
  if (isMergedList(live, type) && isMergedList(applied, type)) return mergeLists(live, applied, type);
  return applied;
}

function mergeLists(live: readonly JsonValue[], applied: readonly JsonValue[], type: MergeType): readonly JsonValue[] {
  const old = itemsOf(live, type);
  const wanted = itemsOf(applied, type);
  const wantedNames = new Set(wanted.map(([name]) => name));
  const oldByName = new Map(old);
  const merged: JsonValue[] = [];
  let next = 0;
  const takeOwn = (): void => {
    for (; next < old.length; next += 1) {
      const [name, item] = old[next] as readonly [string, JsonValue];
      if (wantedNames.has(name)) return;
      merged.push(item);
    }
  };
  for (const [name, item] of wanted) {
    takeOwn();
    const was = oldByName.get(name);
    merged.push(was === undefined ? item : mergeApplied(was, item, type.each ?? {}));
    if (old[next]?.[0] === name) next += 1;
  }
  for (; next < old.length; next += 1) {
    const [name, item] = old[next] as readonly [string, JsonValue];
    if (!wantedNames.has(name)) merged.push(item);
  }
  return merged;
}
