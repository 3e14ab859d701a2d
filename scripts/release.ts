/**
 * `npm run release -- --version=1.2.3`: all that is published of a version in one folder, dist/release or what `--output` says, the same to the
 * byte for the same commit (docs/releasing.md). `--dry-run` takes any version and state of the checkout. `--builder-id` and `--source` are URIs for
 * the provenance.
 */
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { cloneWithVersion, readCheckout } from "./release/checkout.ts";
import { localBuilder } from "./release/provenance.ts";
import { refusals } from "./release/refusals.ts";

const root = join(import.meta.dirname, "..");
const { values } = parseArgs({
  options: {
    version: { type: "string", default: "" },
    output: { type: "string", default: join(root, "dist/release") },
    "dry-run": { type: "boolean", default: false },
    "builder-id": { type: "string", default: localBuilder.id },
    source: { type: "string", default: localBuilder.source },
  },
});

const checkout = await readCheckout(root);
const refused = refusals({ version: values.version, dryRun: values["dry-run"] }, checkout);
for (const reason of refused) console.error(`Cannot release: ${reason}`);
process.exitCode = refused.length > 0 ? 1 : await release();

/** Resolves to the exit code. What is not committed is left out, which a dry run says. */
async function release(): Promise<number> {
  if (checkout.changes.length > 0) console.log(`Left out, since it is not committed:\n${checkout.changes.join("\n")}`);
  const folder = await mkdtemp(join(tmpdir(), "flux-operator-release-"));
  try {
    const clone = join(folder, "source");
    await cloneWithVersion(root, clone, values.version);
    const generated = await runIn(clone, ["scripts/generate.ts", "--quick"]);
    if (generated !== 0) return generated;
    const output = resolve(values.output);
    const { "builder-id": builderId, source } = values;
    const flags = [
      `--output=${output}`,
      `--work=${join(folder, "work")}`,
      `--builder-id=${builderId}`,
      `--source=${source}`,
    ];
    const made = await runIn(clone, ["scripts/release/main.ts", ...flags]);
    if (made === 0) console.log(`released  ${values.version} to ${output}`);
    return made;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Runs a script of the clone, which has its own version. */
async function runIn(cwd: string, args: readonly string[]): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const child = spawn(process.execPath, args, { cwd, stdio: "inherit" });
  child.once("error", reject);
  child.once("exit", (code) => resolve(code ?? 1));
  return await promise;
}
