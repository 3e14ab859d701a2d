import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

const root = join(import.meta.dirname, "../..");

/** Needs Go and, with an empty cache, minutes: controller-gen runs over the API modules of every release. */
test("every generated file is what its generator writes", async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ["scripts/generate.ts", "--check", "--all"], {
    cwd: root,
  });
  assert.match(stdout, /ok {2}generate merge keys/);
});
