import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { diffLines, formatHunks } from "./line-diff.ts";

const lines = (text: string) => (text === "" ? [] : text.split(" "));

for (const { name, before, after, want } of [
  { name: "is empty for equal texts", before: "a b c", after: "a b c", want: [] },
  { name: "shows a changed line", before: "a b c", after: "a x c", want: ["@@ -1,3 +1,3 @@", " a", "-b", "+x", " c"] },
  { name: "shows a new text", before: "", after: "a b", want: ["@@ -0,0 +1,2 @@", "+a", "+b"] },
  { name: "shows a lost text", before: "a b", after: "", want: ["@@ -1,2 +0,0 @@", "-a", "-b"] },
  {
    name: "keeps three lines around a change",
    before: "1 2 3 4 5 6 7 8 9",
    after: "1 2 3 4 x 6 7 8 9",
    want: ["@@ -2,7 +2,7 @@", " 2", " 3", " 4", "-5", "+x", " 6", " 7", " 8"],
  },
  {
    name: "joins changes that are near and parts those that are not",
    before: "a 1 2 3 4 5 6 b 1 2 3 4 5 6 7 c",
    after: "A 1 2 3 4 5 6 B 1 2 3 4 5 6 7 C",
    want: `@@ -1,11 +1,11 @@|-a|+A| 1| 2| 3| 4| 5| 6|-b|+B| 1| 2| 3|@@ -13,4 +13,4 @@| 5| 6| 7|-c|+C`.split("|"),
  },
  {
    name: "finds the line that moved in between",
    before: "a b c",
    after: "a x b c",
    want: ["@@ -1,3 +1,4 @@", " a", "+x", " b", " c"],
  },
]) {
  test(`formatHunks() ${name}`, () => assert.deepEqual(formatHunks(diffLines(lines(before), lines(after))), want));
}

const text = fc.array(fc.constantFrom("a", "b", "c", "d"), { maxLength: 20 });

test("diffLines() of any two texts has both of them in it, and is as short as can be", () => {
  fc.assert(
    fc.property(text, text, (before, after) => {
      const diff = diffLines(before, after);
      const side = (other: string) => diff.filter(({ kind }) => kind !== other).map((line) => line.text);
      assert.deepEqual(side("added"), before);
      assert.deepEqual(side("removed"), after);
      assert.equal(diff.filter(({ kind }) => kind === "same").length, longestCommon(before, after));
    }),
    { numRuns: 500, seed: 1 },
  );
});

test("diffLines() of texts with nothing in common replaces one by the other in no time", () => {
  const before = Array.from({ length: 5_000 }, (_, index) => `old ${index}`);
  const after = Array.from({ length: 5_000 }, (_, index) => `new ${index}`);
  const kinds = Map.groupBy(diffLines(before, after), ({ kind }) => kind);
  assert.deepEqual(
    [...kinds].map(([kind, { length }]) => [kind, length]),
    [
      ["removed", 5_000],
      ["added", 5_000],
    ],
  );
});

/** Length of the longest common subsequence, by the textbook's table. */
function longestCommon(left: readonly string[], right: readonly string[]): number {
  let row = Array.from({ length: right.length + 1 }, () => 0);
  for (const a of left) {
    const next = [0];
    for (const [index, b] of right.entries()) {
      next.push(a === b ? (row[index] ?? 0) + 1 : Math.max(row[index + 1] ?? 0, next[index] ?? 0));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
