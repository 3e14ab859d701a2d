import assert from "node:assert/strict";
import { test } from "node:test";
import { enumerate, shorten } from "./shorten.ts";

for (const { parts, list, phrase } of [
  { parts: [], list: [], phrase: "" },
  { parts: ["a", "b"], list: ["a", "b"], phrase: "a, b" },
  { parts: ["a", "b", "c", "d"], list: ["a", "b", "and 2 more"], phrase: "a, b and 2 more" },
]) {
  test(`shorten() and enumerate() of ${parts.length} names to two`, () => {
    assert.deepEqual([shorten(parts, 2), enumerate(parts, 2)], [list, phrase]);
  });
}
