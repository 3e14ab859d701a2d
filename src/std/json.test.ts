import assert from "node:assert/strict";
import { test } from "node:test";

import { canonicalJson, deepEqual } from "./json.ts";
import type { JsonValue } from "./json.ts";

for (const { name, value, want } of [
  { name: "sorts keys at every depth", value: { b: 1, a: { d: 1, c: [2] } }, want: '{"a":{"c":[2],"d":1},"b":1}' },
  { name: "sorts keys that look like numbers as text", value: { "9": 1, "10": 2 }, want: '{"10":2,"9":1}' },
  { name: "keeps the order of lists", value: [3, 1, { z: null, y: true }], want: '[3,1,{"y":true,"z":null}]' },
  { name: "escapes text as JSON does", value: 'a"\n', want: String.raw`"a\"\n"` },
] satisfies { name: string; value: JsonValue; want: string }[]) {
  test(`canonicalJson() ${name}`, () => assert.equal(canonicalJson(value), want));
}

for (const { name, left, right, want } of [
  { name: "ignores the order of keys", left: { a: 1, b: [{}] }, right: { b: [{}], a: 1 }, want: true },
  { name: "minds the order of lists", left: [1, 2], right: [2, 1], want: false },
  { name: "tells an empty list from an empty object", left: [], right: {}, want: false },
  { name: "tells null from absent", left: { a: null }, right: {}, want: false },
  { name: "tells a key of one from another key of the other", left: { a: 1 }, right: { b: 1 }, want: false },
  { name: "tells a number from its text", left: 1, right: "1", want: false },
] satisfies { name: string; left: JsonValue; right: JsonValue; want: boolean }[]) {
  test(`deepEqual() ${name}`, () => assert.equal(deepEqual(left, right), want));
}
