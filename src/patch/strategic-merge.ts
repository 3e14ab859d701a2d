import type { KubeObject } from "../kube/object.ts";
import { isJsonArray, isJsonObject, type JsonValue } from "../std/json.ts";
import { readDirective } from "./directive.ts";
import { mergeKeyedList } from "./merge-list.ts";
import { mergeKeysOf, shapeBelow, shapeOfKind, type Shape } from "./merge-keys.ts";
import type { JsonMap } from "./parse-patch.ts";
import { PatchProblem } from "./patch-error.ts";

/**
 * `target` with `patch` merged into it; undefined when the patch deletes it. apiVersion, kind, name and namespace stay. Same outcome as kyaml's
 * merge2, and also the directives that kyaml leaves in the object: `$deleteFromPrimitiveList`, `$setElementOrder`, `$retainKeys`. Neither
 * argument is mutated. Throws PatchProblem.
 */
export function mergeStrategically(target: KubeObject, patch: JsonMap): KubeObject | undefined {
  const { apiVersion, kind } = target;
  const merged = mergeValue(target, { ...patch, apiVersion, kind }, { shape: shapeOfKind(target), path: "" });
  if (!isJsonObject(merged)) return undefined;
  const { name, namespace } = target.metadata;
  const { namespace: _, ...metadata } = isJsonObject(merged["metadata"]) ? merged["metadata"] : {};
  const identity = namespace === undefined ? { name } : { name, namespace };
  return { ...merged, apiVersion, kind, metadata: { ...metadata, ...identity } };
}

/** Where a merge is: what is known of the value, and its path for messages. */
type MergePlace = { readonly shape: Shape | undefined; readonly path: string };

/** The merged value; undefined when nothing is left. `target` is undefined where the object has nothing. */
function mergeValue(target: JsonValue | undefined, patch: JsonValue, place: MergePlace): JsonValue | undefined {
  if (patch === null) return undefined;
  if (isJsonObject(patch)) return mergeMap(target, patch, place);
  if (target !== undefined && target !== null && kindOf(target) !== kindOf(patch))
    throw differentKinds(target, patch, place);
  if (isJsonArray(patch)) refuseDirectivesIn(patch, place);
  return patch;
}

function mergeMap(target: JsonValue | undefined, patch: JsonMap, place: MergePlace): JsonValue | undefined {
  const directive = readDirective(patch["$patch"], place.path);
  if (directive === "delete") return undefined;
  const kept = directive === "replace" || target === undefined || target === null ? {} : target;
  if (!isJsonObject(kept)) throw differentKinds(kept, patch, place);
  const shape = place.shape ?? embeddedShape(kept) ?? embeddedShape(patch);
  const result: { [key: string]: JsonValue } = withoutDroppedKeys(kept, patch, place.path);
  for (const [key, value] of Object.entries(patch)) {
    if (directiveOf(key) !== undefined) continue;
    const merged = mergeField(Object.hasOwn(result, key) ? result[key] : undefined, key, value, {
      patch,
      shape,
      path: `${place.path}.${key}`,
    });
    if (merged === undefined) delete result[key];
    else define(result, key, merged);
  }
  return applyListDirectives(result, patch, shape);
}

type FieldPlace = MergePlace & { readonly patch: JsonMap };

function mergeField(
  target: JsonValue | undefined,
  key: string,
  value: JsonValue,
  place: FieldPlace,
): JsonValue | undefined {
  const keys = mergeKeysOf(place.shape, key);
  const below = { shape: place.shape === undefined ? undefined : shapeBelow(place.shape, key), path: place.path };
  if (keys === undefined || !isJsonArray(value)) return mergeValue(target, value, below);
  const list = target ?? undefined;
  if (list !== undefined && !isJsonArray(list)) throw differentKinds(list, value, below);
  return mergeKeyedList(list, value, {
    path: place.path,
    keys,
    mergeItem: (own, item, path) => mergeValue(own, item, { shape: below.shape, path }),
  });
}

/** A custom object may contain a built-in one; kyaml finds its lists by the apiVersion and kind in it. */
function embeddedShape(value: JsonMap): Shape | undefined {
  const { apiVersion, kind } = value;
  return typeof apiVersion === "string" && typeof kind === "string" ? shapeOfKind({ apiVersion, kind }) : undefined;
}

const directives = ["$patch", "$retainKeys", "$setElementOrder", "$deleteFromPrimitiveList"] as const;

function directiveOf(key: string): (typeof directives)[number] | undefined {
  if (!key.startsWith("$")) return undefined;
  const [head, field] = key.split("/", 2);
  return directives.find(
    (name) => name === head && (field === undefined) === (name === "$patch" || name === "$retainKeys"),
  );
}

function withoutDroppedKeys(target: JsonMap, patch: JsonMap, path: string): { [key: string]: JsonValue } {
  const retained = patch["$retainKeys"];
  if (retained === undefined) return { ...target };
  if (!isJsonArray(retained)) throw new PatchProblem(`${path}.$retainKeys must be a list of the keys to keep`);
  const dropped = Object.keys(patch).find((key) => !key.startsWith("$") && !retained.includes(key));
  if (dropped !== undefined)
    throw new PatchProblem(`${path}.$retainKeys does not name ${dropped}, which the patch sets; add it`);
  return Object.fromEntries(Object.entries(target).filter(([key]) => retained.includes(key)));
}

function applyListDirectives(merged: { [key: string]: JsonValue }, patch: JsonMap, shape: Shape | undefined): JsonMap {
  for (const [key, argument] of Object.entries(patch)) {
    const directive = directiveOf(key);
    const field = key.slice(key.indexOf("/") + 1);
    const list = merged[field];
    if (!isJsonArray(list) || !isJsonArray(argument)) continue;
    if (directive === "$deleteFromPrimitiveList") merged[field] = list.filter((item) => !argument.includes(item));
    if (directive === "$setElementOrder") merged[field] = inOrder(list, argument, mergeKeysOf(shape, field) ?? []);
  }
  return merged;
}

/** Items that the order names come first, in its order; the others keep theirs. */
function inOrder(
  list: readonly JsonValue[],
  order: readonly JsonValue[],
  keys: readonly string[],
): readonly JsonValue[] {
  const idOf = (item: JsonValue): string =>
    JSON.stringify(isJsonObject(item) ? keys.slice(0, 1).map((key) => item[key] ?? null) : item);
  const rank = new Map(order.map((item, index) => [idOf(item), index]));
  return list.toSorted((left, right) => (rank.get(idOf(left)) ?? rank.size) - (rank.get(idOf(right)) ?? rank.size));
}

/** In a list that is replaced as a whole, a directive would stay in the object. */
function refuseDirectivesIn(list: readonly JsonValue[], { path }: MergePlace): void {
  const found = list.findIndex((item) => isJsonObject(item) && Object.hasOwn(item, "$patch"));
  if (found === -1) return;
  throw new PatchProblem(
    `${path}[${found}].$patch has no effect: this list is replaced as a whole; leave the directive out`,
  );
}

function differentKinds(target: JsonValue, patch: JsonValue, { path }: MergePlace): PatchProblem {
  return new PatchProblem(`${path} is a ${kindOf(target)} in the object and a ${kindOf(patch)} in the patch`);
}

function kindOf(value: JsonValue): "map" | "list" | "scalar" {
  if (isJsonArray(value)) return "list";
  return isJsonObject(value) ? "map" : "scalar";
}

/** Sets a key of a fresh map; "__proto__" stays data. */
function define(map: { [key: string]: JsonValue }, key: string, value: JsonValue): void {
  if (key !== "__proto__") map[key] = value;
  else Object.defineProperty(map, key, { value, enumerable: true, configurable: true, writable: true });
}
