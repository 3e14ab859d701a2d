import assert from "node:assert/strict";
import { test } from "node:test";
import { fieldOfPointer, formatPointer, parsePointer } from "./json-pointer.ts";

for (const { pointer, tokens, field } of [
  { pointer: "", tokens: [], field: "" },
  { pointer: "/", tokens: [""], field: "" },
  { pointer: "/spec/items/0/name", tokens: ["spec", "items", "0", "name"], field: "spec.items[0].name" },
  { pointer: "/a~1b/~01", tokens: ["a/b", "~1"], field: "a/b.~1" },
]) {
  test(`parsePointer() and formatPointer() take "${pointer}" apart and together`, () => {
    assert.deepEqual([parsePointer(pointer), formatPointer(tokens)], [tokens, pointer]);
  });
  test(`fieldOfPointer("${pointer}") is "${field}"`, () => assert.equal(fieldOfPointer(pointer), field));
}
