import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { before, test } from "node:test";
import { goTool } from "../../scripts/go-tool.ts";

const folder = join(import.meta.dirname, "../../.github/workflows");

let program: string;
before(async () => {
  program = await goTool("actionlint", new AbortController().signal);
});

/** What actionlint has to say of the text of a workflow. */
async function complaints(text: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  // It ends with 1 where it finds something. shellcheck and pyflakes would be used where a machine happens to have them.
  const args = ["-no-color", "-shellcheck=", "-pyflakes=", "-"];
  const child = execFile(program, args, (_error, stdout, stderr) => resolve(stdout + stderr));
  child.stdin?.end(text);
  return await promise;
}

test("actionlint finds nothing in any workflow", async () => {
  const names = await readdir(folder);
  assert.ok(names.length > 0);
  for (const name of names) assert.equal(await complaints(await readFile(join(folder, name), "utf8")), "", name);
});

for (const { name, from, to, want } of [
  {
    name: "an input that there is not",
    from: "inputs.version",
    to: "inputs.edition",
    want: /property "edition" is not defined/,
  },
  {
    name: "a job that needs one that there is not",
    from: "needs: build",
    to: "needs: built",
    want: /needs job "built" which does not exist/,
  },
  {
    name: "a permission that there is not",
    from: "packages: write",
    to: "charts: write",
    want: /unknown permission scope "charts"/,
  },
])
  test(`actionlint finds ${name}`, async () => {
    const text = await readFile(join(folder, "release.yaml"), "utf8");
    assert.ok(text.includes(from));
    assert.match(await complaints(text.replace(from, to)), want);
  });
