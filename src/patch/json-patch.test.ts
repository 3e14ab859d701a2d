import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonValue } from "../std/json.ts";
import { applyJsonPatch, readOperation } from "./json-patch.ts";
import { PatchProblem } from "./patch-error.ts";

const document = { map: { a: 1, "x/y": 2, "~z": 3, null: null }, list: ["p", "q", "r"], deep: [{ k: [0] }] };

function apply(...operations: readonly JsonValue[]): JsonValue {
  return applyJsonPatch(document, operations.map(readOperation));
}

const cases: readonly { name: string; operation: JsonValue; want: { [key: string]: JsonValue } }[] = [
  {
    name: "add sets a key",
    operation: { op: "add", path: "/map/b", value: 5 },
    want: { map: { ...document.map, b: 5 } },
  },
  {
    name: "add replaces a key that is there",
    operation: { op: "add", path: "/map/a", value: 5 },
    want: { map: { ...document.map, a: 5 } },
  },
  { name: "add without value adds null", operation: { op: "add", path: "/b" }, want: { b: null } },
  {
    name: "add appends at -",
    operation: { op: "add", path: "/list/-", value: "s" },
    want: { list: ["p", "q", "r", "s"] },
  },
  {
    name: "add inserts before an index",
    operation: { op: "add", path: "/list/1", value: "s" },
    want: { list: ["p", "s", "q", "r"] },
  },
  {
    name: "add inserts at the end by its index",
    operation: { op: "add", path: "/list/3", value: "s" },
    want: { list: ["p", "q", "r", "s"] },
  },
  {
    name: "add counts a negative index from behind the end",
    operation: { op: "add", path: "/list/-1", value: "s" },
    want: { list: ["p", "q", "r", "s"] },
  },
  {
    name: "add goes through lists",
    operation: { op: "add", path: "/deep/0/k/0", value: 9 },
    want: { deep: [{ k: [9, 0] }] },
  },
  {
    name: "add unescapes ~1 before ~0",
    operation: { op: "add", path: "/map/~01", value: 5 },
    want: { map: { ...document.map, "~1": 5 } },
  },
  {
    name: "replace sets an item",
    operation: { op: "replace", path: "/list/0", value: "s" },
    want: { list: ["s", "q", "r"] },
  },
  {
    name: "replace counts a negative index from the end",
    operation: { op: "replace", path: "/list/-1", value: "s" },
    want: { list: ["p", "q", "s"] },
  },
  { name: "replace adds a key that is not there", operation: { op: "replace", path: "/b", value: 1 }, want: { b: 1 } },
  {
    name: "replace finds an escaped key",
    operation: { op: "replace", path: "/map/x~1y", value: 5 },
    want: { map: { ...document.map, "x/y": 5 } },
  },
  { name: "remove takes an item", operation: { op: "remove", path: "/list/1" }, want: { list: ["p", "r"] } },
  {
    name: "remove takes an escaped key",
    operation: { op: "remove", path: "/map/~0z" },
    want: { map: { a: 1, "x/y": 2, null: null } },
  },
  {
    name: "move takes and adds",
    operation: { op: "move", from: "/list/0", path: "/list/2" },
    want: { list: ["q", "r", "p"] },
  },
  {
    name: "copy adds what is elsewhere",
    operation: { op: "copy", from: "/list/2", path: "/map/a" },
    want: { map: { ...document.map, a: "r" } },
  },
  { name: "test passes on equal values", operation: { op: "test", path: "/deep/0", value: { k: [0] } }, want: {} },
  { name: "test takes an absent key for null", operation: { op: "test", path: "/map/none", value: null }, want: {} },
  { name: "test passes on the whole document", operation: { op: "test", path: "", value: document }, want: {} },
];

for (const { name, operation, want } of cases) {
  test(`applyJsonPatch() ${name}`, () => assert.deepEqual(apply(operation), { ...document, ...want }));
}

test("applyJsonPatch() replaces the whole document", () =>
  assert.deepEqual(apply({ op: "replace", path: "", value: { a: 1 } }), { a: 1 }));

test("applyJsonPatch() shares what did not change and leaves its input alone", () => {
  const before = structuredClone(document);
  const after = apply({ op: "add", path: "/map/b", value: 5 }, { op: "remove", path: "/deep/0/k/0" });
  assert.deepEqual(document, before);
  assert.equal(Object(after).list, document.list);
});

test("applyJsonPatch() keeps a __proto__ key as data", () =>
  assert.deepEqual(
    Object.keys(Object(apply({ op: "add", path: "/map/__proto__", value: { a: 1 } })).map).at(-1),
    "__proto__",
  ));

const refused: readonly { name: string; operation: JsonValue; message: RegExp }[] = [
  {
    name: "a missing parent",
    operation: { op: "add", path: "/none/a", value: 1 },
    message:
      /^operation 1 \(add \/none\/a\): \/none does not exist \(its parent has: map, list, deep\); correct the path, or add the parent first$/,
  },
  {
    name: "a parent that is no container",
    operation: { op: "add", path: "/map/a/b", value: 1 },
    message: /\/map\/a is 1, neither a map nor a list/,
  },
  {
    name: "a null parent",
    operation: { op: "add", path: "/map/null/b", value: 1 },
    message: /\/map\/null is null, neither/,
  },
  {
    name: "an index behind the end",
    operation: { op: "replace", path: "/list/3", value: 1 },
    message: /\/list\/3: the list has only 3 items/,
  },
  {
    name: "an index far before the start",
    operation: { op: "add", path: "/list/-5", value: 1 },
    message: /the list has only 3 items/,
  },
  {
    name: "a word for an index",
    operation: { op: "add", path: "/list/first", value: 1 },
    message: /"first" is no index of a list/,
  },
  {
    name: "- where nothing is added",
    operation: { op: "remove", path: "/list/-" },
    message: /"-" is no index of a list/,
  },
  {
    name: "removing what is not there",
    operation: { op: "remove", path: "/map/none" },
    message: /\/map\/none does not exist \(its parent has: a, x\/y/,
  },
  {
    name: "removing everything",
    operation: { op: "remove", path: "" },
    message: /use a strategic merge patch with \$patch: delete/,
  },
  { name: "adding everything", operation: { op: "add", path: "", value: {} }, message: /use replace/ },
  {
    name: "moving what is not there",
    operation: { op: "move", from: "/map/none", path: "/b" },
    message: /\/map\/none does not exist/,
  },
  {
    name: "moving into itself",
    operation: { op: "move", from: "/map", path: "/map/b" },
    message: /\/map does not exist/,
  },
  {
    name: "copying what is not there",
    operation: { op: "copy", from: "/map/none", path: "/b" },
    message: /\/map\/none does not exist/,
  },
  {
    name: "a test that fails",
    operation: { op: "test", path: "/list/0", value: "q" },
    message: /^operation 1 \(test \/list\/0\): the value is "p" and not "q"$/,
  },
  {
    name: "an unknown op",
    operation: { op: "merge", path: "/a" },
    message: /operation 1 has op "merge"; it must be one of add, remove, replace, move, copy, test/,
  },
  { name: "no op", operation: { path: "/a" }, message: /has op absent/ },
  { name: "no path", operation: { op: "add" }, message: /path is absent; it must be text such as/ },
  {
    name: "a path without slash",
    operation: { op: "add", path: "spec/a" },
    message: /path is "spec\/a"; it must start with "\/"/,
  },
  { name: "no from", operation: { op: "copy", path: "/a" }, message: /operation 1 \(copy\): from is absent/ },
  { name: "an operation that is no map", operation: "add", message: /operation 1 is "add"; it must be a map/ },
];

for (const { name, operation, message } of refused) {
  test(`applyJsonPatch() refuses ${name}`, () =>
    assert.throws(
      () => apply(operation),
      (thrown) => thrown instanceof PatchProblem && message.test(thrown.message),
    ));
}
