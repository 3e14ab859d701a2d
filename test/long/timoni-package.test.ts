import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { goTool } from "../../scripts/go-tool.ts";
import { timoniModules } from "../../scripts/timoni/modules.ts";
import { packageModule } from "../../scripts/timoni/package.ts";
import { startRegistry } from "../support/registry.ts";
import { built } from "../support/timoni.ts";

const never = new AbortController().signal;

for (const module of timoniModules)
  test(`${module}: a registry takes its package, and what it serves makes the same objects`, async () => {
    await using registry = await startRegistry({ kind: "open" }, never);
    const work = await mkdtemp(join(tmpdir(), "timoni-package-"));
    try {
      const about = { version: "1.2.3", revision: "abc", created: "2026-01-01T00:00:00Z" };
      const { content, digest } = await packageModule(module, about);
      await writeFile(join(work, "module.oci.tar"), content);
      const run = promisify(execFile);
      await run("tar", ["-xf", "module.oci.tar"], { cwd: work });
      const crane = await goTool("crane", never);
      const place = `${registry.host}/modules/${module}`;
      await run(crane, ["push", work, `${place}:1.2.3`, "--insecure"]);
      assert.equal((await run(crane, ["digest", `${place}:1.2.3`, "--insecure"])).stdout.trim(), digest);
      const { stdout } = await run(crane, ["manifest", `${place}:1.2.3`, "--insecure"]);
      const { layers }: { readonly layers: readonly { readonly digest: string }[] } = JSON.parse(stdout);
      const folder = join(work, "pulled");
      await mkdir(folder);
      for (const layer of layers) {
        const args = ["blob", `${place}@${layer.digest}`, "--insecure"];
        const blob = await run(crane, args, { encoding: "buffer", maxBuffer: 16 * 1024 * 1024 });
        await writeFile(join(work, "layer.tgz"), blob.stdout);
        await run("tar", ["-xzf", join(work, "layer.tgz")], { cwd: folder });
      }
      assert.deepEqual(await built(module, {}, { folder }), await built(module, {}));
    } finally {
      await rm(work, { recursive: true });
    }
  });
