import assert from "node:assert/strict";
import { test } from "node:test";
import { mergePatchOf } from "./merge-patch.ts";

for (const { name, before, after, want } of [
  { name: "says nothing about what is equal", before: { a: { b: [1] } }, after: { a: { b: [1] } }, want: {} },
  { name: "removes with null", before: { a: 1, b: { c: 1 } }, after: { b: {} }, want: { a: null, b: { c: null } } },
  { name: "adds a map as a whole", before: {}, after: { a: { b: 1 } }, want: { a: { b: 1 } } },
  { name: "replaces lists as a whole", before: { a: [1, 2] }, after: { a: [1] }, want: { a: [1] } },
  { name: "replaces what has another type", before: { a: [1] }, after: { a: { b: 1 } }, want: { a: { b: 1 } } },
]) {
  test(`mergePatchOf() ${name}`, () => assert.deepEqual(mergePatchOf(before, after), want));
}
