import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { digestsPath, renderedDigests } from "../../scripts/generate-rendered-digests.ts";

/** Those of `lines` that are not in `others`, without their digests. */
function onlyIn(lines: readonly string[], others: readonly string[]): readonly string[] {
  const known = new Set(others);
  return lines.filter((line) => !known.has(line)).map((line) => line.slice(0, line.lastIndexOf(" ")));
}

test("an update of the operator changes nothing of a pinned instance: each release renders to the bytes that are listed", async () => {
  const listed = (await readFile(join(import.meta.dirname, "../..", digestsPath), "utf8")).split("\n");
  const made = renderedDigests().split("\n");
  const changed = [...new Set([...onlyIn(made, listed), ...onlyIn(listed, made)])];
  assert.deepEqual(
    changed,
    [],
    `these renderings and objects are not as ${digestsPath} has them; where that is meant, run node scripts/generate-rendered-digests.ts and list the objects in CHANGELOG.md:\n${changed.join("\n")}`,
  );
});
