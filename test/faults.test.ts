import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { faults } from "./support/faults/faults.ts";
import { pagePath } from "./support/faults/page.ts";
import { cellsOf } from "./support/faults/play.ts";

const text = readFileSync(join(import.meta.dirname, "..", pagePath), "utf8");
/** By the name of a fault, what its table says: "<change> | <stage>" and the end. */
const tables = new Map(
  text.split(/^### /m).map((part) => {
    const rows = part.split("\n").filter((line) => /^\| (install|upgrade|uninstall) \|/.test(line));
    const cells = rows.map((row) => row.split(/(?<!\\)\|/).map((cell) => cell.trim()));
    return [part.split("\n")[0] ?? "", cells.map((row) => `${row[1]}: ${row[2]}`)];
  }),
);

for (const fault of faults)
  test(`${pagePath} has a row for ${fault.name} at each of its stages, or says that it was not run`, () => {
    const stages = cellsOf([fault]).map(({ during, stages: all }) => all.map(({ name }) => `${during}: ${name}`));
    const rows = tables.get(fault.name) ?? [];
    for (const ofChange of stages.filter(([first = ""]) => rows.includes(first)))
      assert.deepEqual(
        ofChange.filter((stage) => !rows.includes(stage)),
        [],
      );
    if (rows.length === 0) assert.match(text, new RegExp(` ${RegExp.escape(fault.name)} \\(`));
  });

test(`${pagePath} has no row that says that something is not as it should be`, () => {
  assert.doesNotMatch(text, /not as it should be/);
});
