import { formatPointer, parsePointer } from "../std/json-pointer.ts";
import { UnreachableError } from "../std/errors.ts";
import { isJsonArray, deepEqual, isJsonObject, type JsonValue } from "../std/json.ts";
import { PatchProblem } from "./patch-error.ts";

/** A JSON pointer (RFC 6901), split and unescaped: "/a~1b/0" is ["a/b", "0"]. */
export type Pointer = readonly string[];

/** One operation of RFC 6902; `label` names it in messages. */
export type JsonPatchOperation =
  | {
      readonly op: "add" | "replace" | "test";
      readonly path: Pointer;
      readonly value: JsonValue;
      readonly label: string;
    }
  | { readonly op: "remove"; readonly path: Pointer; readonly label: string }
  | { readonly op: "move" | "copy"; readonly from: Pointer; readonly path: Pointer; readonly label: string };

/**
 * `document` after all operations. The document is not mutated; what did not change is shared with the result.
 * RFC 6902, with the habits of evanphx/json-patch v4 that kustomize users know: a negative index counts from the end of
 * a list, and `replace` of a key that a map does not have adds it. Throws PatchProblem.
 */
export function applyJsonPatch(document: JsonValue, operations: readonly JsonPatchOperation[]): JsonValue {
  return operations.reduce(applyOperation, document);
}

/** Checks one entry of a patch; `index` is its place in the list. Throws PatchProblem. */
export function readOperation(entry: JsonValue, index: number): JsonPatchOperation {
  const place = `operation ${index + 1}`;
  if (!isJsonObject(entry)) throw new PatchProblem(`${place} is ${show(entry)}; it must be a map with op and path`);
  const op = entry["op"];
  if (typeof op !== "string" || !isOperator(op)) {
    throw new PatchProblem(`${place} has op ${show(op)}; it must be one of ${operators.join(", ")}`);
  }
  const path = readPointer(entry["path"], `${place} (${op}): path`);
  const label = `${place} (${op} ${formatPointer(path)})`;
  switch (op) {
    case "add":
    case "replace":
    case "test":
      return { op, path, label, value: entry["value"] ?? null };
    case "remove":
      return { op, path, label };
    case "move":
    case "copy":
      return { op, path, label, from: readPointer(entry["from"], `${place} (${op}): from`) };
    default:
      throw new UnreachableError(op);
  }
}

type Operator = JsonPatchOperation["op"];

const operators = ["add", "remove", "replace", "move", "copy", "test"] as const satisfies readonly Operator[];

function isOperator(op: string): op is Operator {
  return operators.some((known) => known === op);
}

function readPointer(text: JsonValue | undefined, place: string): Pointer {
  if (typeof text !== "string")
    throw new PatchProblem(`${place} is ${show(text)}; it must be text such as /spec/replicas`);
  if (text === "") return [];
  if (!text.startsWith("/")) throw new PatchProblem(`${place} is ${show(text)}; it must start with "/"`);
  return parsePointer(text);
}

function applyOperation(document: JsonValue, operation: JsonPatchOperation): JsonValue {
  try {
    return changeDocument(document, operation);
  } catch (cause) {
    if (!(cause instanceof PatchProblem)) throw cause;
    throw new PatchProblem(`${operation.label}: ${cause.message}`, { cause });
  }
}

function changeDocument(document: JsonValue, operation: JsonPatchOperation): JsonValue {
  switch (operation.op) {
    case "add":
      return add(document, operation.path, operation.value);
    case "replace":
      return replace(document, operation.path, operation.value);
    case "remove":
      return remove(document, operation.path);
    case "test":
      return expectValue(document, operation.path, operation.value);
    case "move":
      return add(remove(document, operation.from), operation.path, get(document, operation.from));
    case "copy":
      return add(document, operation.path, get(document, operation.from));
    default:
      throw new UnreachableError(operation);
  }
}

function add(document: JsonValue, path: Pointer, value: JsonValue): JsonValue {
  if (path.length === 0) throw new PatchProblem("the whole object cannot be added; use replace");
  return changeParent(document, path, {
    map: (map, key) => withKey(map, key, value),
    list: (list, key) => list.toSpliced(key === "-" ? list.length : indexIn(list, key, path, 1), 0, value),
  });
}

function replace(document: JsonValue, path: Pointer, value: JsonValue): JsonValue {
  if (path.length === 0) return value;
  return changeParent(document, path, {
    map: (map, key) => withKey(map, key, value),
    list: (list, key) => list.with(indexIn(list, key, path, 0), value),
  });
}

function remove(document: JsonValue, path: Pointer): JsonValue {
  if (path.length === 0)
    throw new PatchProblem("the whole object cannot be removed; use a strategic merge patch with $patch: delete");
  return changeParent(document, path, {
    map: (map, key) => {
      if (!Object.hasOwn(map, key)) throw missing(path, map);
      return withoutKey(map, key);
    },
    list: (list, key) => list.toSpliced(indexIn(list, key, path, 0), 1),
  });
}

function expectValue(document: JsonValue, path: Pointer, value: JsonValue): JsonValue {
  const actual = getOrUndefined(document, path) ?? null;
  if (deepEqual(actual, value)) return document;
  throw new PatchProblem(`the value is ${show(actual)} and not ${show(value)}`);
}

function get(document: JsonValue, path: Pointer): JsonValue {
  const value = getOrUndefined(document, path);
  if (value === undefined) throw missing(path, getOrUndefined(document, path.slice(0, -1)) ?? null);
  return value;
}

/** Undefined when the last key is not in its map; a missing parent or list item is a PatchProblem. */
function getOrUndefined(document: JsonValue, path: Pointer): JsonValue | undefined {
  let value: JsonValue | undefined = document;
  for (const [depth, key] of path.entries()) {
    if (isJsonArray(value)) value = value[indexIn(value, key, path.slice(0, depth + 1), 0)];
    else if (isJsonObject(value)) value = Object.hasOwn(value, key) ? value[key] : undefined;
    else throw missingParent(path.slice(0, depth), value);
  }
  return value;
}

type Container = { readonly [key: string]: JsonValue } | readonly JsonValue[];

type ParentChange = {
  readonly map: (map: { readonly [key: string]: JsonValue }, key: string) => JsonValue;
  readonly list: (list: readonly JsonValue[], key: string) => JsonValue;
};

/** Copies the containers on the way to the parent of `path`, and lets `change` make the new parent. */
function changeParent(document: JsonValue, path: Pointer, change: ParentChange, depth = 0): JsonValue {
  const key = path[depth] ?? "";
  const container = asContainer(document, path.slice(0, depth));
  if (depth === path.length - 1)
    return isJsonArray(container) ? change.list(container, key) : change.map(container, key);
  if (isJsonArray(container)) {
    const index = indexIn(container, key, path.slice(0, depth + 1), 0);
    return container.with(index, changeParent(container[index] ?? null, path, change, depth + 1));
  }
  if (!Object.hasOwn(container, key)) throw missing(path.slice(0, depth + 1), container);
  return withKey(container, key, changeParent(container[key] ?? null, path, change, depth + 1));
}

function asContainer(value: JsonValue, path: Pointer): Container {
  if (isJsonArray(value) || isJsonObject(value)) return value;
  throw missingParent(path, value);
}

/** A fresh map; a key such as "__proto__" stays data. */
function withKey(map: { readonly [key: string]: JsonValue }, key: string, value: JsonValue): JsonValue {
  return key === "__proto__" ? Object.fromEntries([...Object.entries(map), [key, value]]) : { ...map, [key]: value };
}

function withoutKey(map: { readonly [key: string]: JsonValue }, key: string): JsonValue {
  const { [key]: _, ...rest } = map;
  return rest;
}

/** The index that `key` names in a list with `spare` places more than it has items. A negative one counts from the end. */
function indexIn(list: readonly JsonValue[], key: string, path: Pointer, spare: 0 | 1): number {
  if (!/^[-+]?\d{1,15}$/.test(key))
    throw new PatchProblem(`${formatPointer(path)}: ${show(key)} is no index of a list`);
  const size = list.length + spare;
  const index = Number(key) < 0 ? Number(key) + size : Math.abs(Number(key));
  if (index >= 0 && index < size) return index;
  throw new PatchProblem(
    `${formatPointer(path)}: the list has only ${list.length} items; use an index below that, or "-" to append`,
  );
}

function missing(path: Pointer, parent: JsonValue): PatchProblem {
  const keys = isJsonObject(parent) ? Object.keys(parent).slice(0, 20).join(", ") : "";
  const siblings = keys === "" ? "" : ` (its parent has: ${keys})`;
  return new PatchProblem(
    `${formatPointer(path)} does not exist${siblings}; correct the path, or add the parent first`,
  );
}

function missingParent(path: Pointer, value: JsonValue | undefined): PatchProblem {
  const found = value === undefined ? "does not exist" : `is ${show(value)}, neither a map nor a list`;
  return new PatchProblem(`${formatPointer(path)} ${found}; correct the path, or add the parent first`);
}

function show(value: JsonValue | undefined): string {
  if (value === undefined) return "absent";
  const text = JSON.stringify(value);
  return text.length <= 120 ? text : `${text.slice(0, 117)}...`;
}
