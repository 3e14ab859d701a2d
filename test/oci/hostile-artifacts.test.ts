import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

import { untar } from "../../src/oci/layer.ts";
import { hostileTarballs } from "../support/hostile-tarballs.ts";
import { paxRecord, rawTar } from "../support/tarball.ts";

const program = join(import.meta.dirname, "../support/untar-hostile.ts");
const maxGrowthBytes = 64 * 1024 * 1024;
const cases = await hostileTarballs();

/** A process of its own that Node lets write nothing at all; an error that nobody handles ends it. */
async function readAll(): Promise<{ readonly said: readonly string[]; readonly grownBytes: number }> {
  const folder = await mkdtemp(join(tmpdir(), "hostile-"));
  try {
    const paths = cases.map((_, index) => join(folder, String(index)));
    for (const [index, path] of paths.entries()) await writeFile(path, cases[index]?.tarball ?? "");
    const args = ["--permission", "--allow-fs-read=*", program, ...paths];
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: folder });
    const said: (string | number)[] = JSON.parse(stdout);
    return { grownBytes: Number(said.at(-1)), said: said.slice(0, -1).map(String) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const reading = readAll();

for (const [index, { name, why }] of cases.entries()) {
  test(`untar() refuses ${name}`, async () => {
    const said = (await reading).said[index] ?? "nothing";
    const want = `Cannot read the artifact: ${why}`;
    if (want.endsWith("...")) assert.ok(said.startsWith(want.slice(0, -3)), said);
    else assert.equal(said, want);
  });
}

test("untar() of all of them takes next to no memory", async () => {
  const { grownBytes } = await reading;
  assert.ok(grownBytes < maxGrowthBytes, `grew by ${grownBytes} bytes`);
});

test("untar() does not touch the prototype by names", async () => {
  const signal = new AbortController().signal;
  const tarball = rawTar([
    { name: "pax", type: "x", content: paxRecord("__proto__", "x") },
    { name: "__proto__", content: "1" },
    { name: "constructor/prototype", content: "2" },
  ]);
  const files = await untar(tarball, { source: "x" }, signal);
  assert.deepEqual([...files.keys()], ["__proto__", "constructor/prototype"]);
});
