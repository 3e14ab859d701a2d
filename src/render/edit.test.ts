import assert from "node:assert/strict";
import { test } from "node:test";
import { edit, mergeField, removeField, setField } from "./edit.ts";

const object = Object.freeze({ a: Object.freeze({ b: 1, c: 2 }), d: Object.freeze([1]) });

for (const { name, got, want } of [
  { name: "setField() sets a field", got: setField(object, ["a", "b"], 3), want: { a: { b: 3, c: 2 }, d: [1] } },
  {
    name: "setField() adds the maps on the way",
    got: setField(object, ["x", "y"], 1),
    want: { ...object, x: { y: 1 } },
  },
  { name: "removeField() removes a field", got: removeField(object, ["a", "b"]), want: { a: { c: 2 }, d: [1] } },
  { name: "removeField() adds nothing for a missing field", got: removeField(object, ["x", "y"]), want: object },
  {
    name: "mergeField() lets later win",
    got: mergeField(object, ["a"], { b: 9 }),
    want: { a: { b: 9, c: 2 }, d: [1] },
  },
  { name: "mergeField() adds no empty map", got: mergeField(object, ["x"], {}), want: object },
]) {
  test(name, () => assert.deepEqual(got, want));
}

test("edit() shares what it does not change", () => {
  const changed = edit(object, ["a", "b"], () => 5);
  assert.equal(changed.d, object.d);
  assert.notEqual(changed.a, object.a);
});
