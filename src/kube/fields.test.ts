import assert from "node:assert/strict";
import { test } from "node:test";
import { fieldsOf, listOf, textOf } from "./fields.ts";

for (const { name, value, fields, list, text } of [
  { name: "an object", value: { a: 1 }, fields: { a: 1 }, list: [], text: "" },
  { name: "a list", value: [{ a: 1 }], fields: {}, list: [{ a: 1 }], text: "" },
  { name: "text", value: "a", fields: {}, list: [], text: "a" },
  { name: "a number", value: 7, fields: {}, list: [], text: "" },
  { name: "null", value: null, fields: {}, list: [], text: "" },
  { name: "nothing", value: undefined, fields: {}, list: [], text: "" },
]) {
  test(`fieldsOf(), listOf() and textOf() read ${name} as what it is, else as empty`, () =>
    assert.deepEqual({ fields: fieldsOf(value), list: listOf(value), text: textOf(value) }, { fields, list, text }));
}
