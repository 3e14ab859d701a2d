import assert from "node:assert/strict";
import { test } from "node:test";
import { effectiveChanges, formatChanges, type Change } from "./change-set.ts";

function change(name: string, action: Change["action"]): Change {
  return { id: { group: "", kind: "Service", namespace: "a", name }, action };
}

const changes = [
  change("b", "created"),
  change("c", "unchanged"),
  change("d", "configured"),
  change("e", "kept"),
  change("f", "deleted"),
];

test("effectiveChanges() are those that wrote something", () =>
  assert.deepEqual(effectiveChanges(changes), [
    change("b", "created"),
    change("d", "configured"),
    change("f", "deleted"),
  ]));

for (const { name, limit, want } of [
  { name: "a line for each", limit: 3, want: "Service/a/b created\nService/a/d configured\nService/a/f deleted" },
  { name: "the first lines and how many more there are", limit: 1, want: "Service/a/b created\nand 2 more" },
]) {
  test(`formatChanges() writes ${name} with limit ${limit}`, () => assert.equal(formatChanges(changes, limit), want));
}

test("formatChanges() writes nothing where nothing changed", () =>
  assert.equal(formatChanges([change("a", "unchanged"), change("b", "kept")]), ""));

test("formatChanges() writes 40 lines at most", () => {
  const many = Array.from({ length: 42 }, (_, index) => change(`x${index}`, "deleted"));
  const lines = formatChanges(many).split("\n");
  assert.deepEqual([lines.length, lines.at(-2), lines.at(-1)], [41, "Service/a/x39 deleted", "and 2 more"]);
});
