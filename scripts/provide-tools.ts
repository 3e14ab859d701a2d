/**
 * Builds or finds all that the integration tests run, with `--long` also what the long suites run, so that no test waits minutes for a
 * compiler. Nothing to do when all is cached.
 */
import { provideBinaries } from "./control-plane/binaries.ts";
import { nodeAbsent } from "./control-plane/node/absent.ts";
import { terminalProgress } from "./control-plane/progress.ts";
import { fipsModule, fipsModuleAbsent } from "./fips/module.ts";
import { goTool, goTools, type GoToolName } from "./go-tool.ts";

const progress = terminalProgress(process.stderr);
await provideBinaries({ variant: "full", progress, assetsFolder: process.env["KUBEBUILDER_ASSETS"] });
const long = process.argv.includes("--long");
const absent = nodeAbsent();
if (long && absent === undefined) await provideBinaries({ variant: "node", progress, assetsFolder: undefined });
else if (long) console.log(`The suites of the real node are skipped: ${absent}`);
const noModule = fipsModuleAbsent();
if (long && noModule === undefined)
  await progress.step("provide OpenSSL's FIPS module", () => fipsModule(new AbortController().signal));
else if (long) console.log(`The suite of FIPS mode is skipped: ${noModule}`);
const names = Object.keys(goTools) as GoToolName[];
for (const name of names.filter((tool) => long || !("long" in goTools[tool]))) {
  const signal = new AbortController().signal;
  await progress.step(`provide ${name}`, () => goTool(name, signal));
}
