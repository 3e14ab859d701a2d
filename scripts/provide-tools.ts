/**
 * Builds or finds all that the integration tests run, with `--long` or `--extra` what those suites run beside it, so that no test waits
 * minutes for a compiler. Nothing to do when all is cached; with `--cached` nothing is built, and what is not there is named and an error.
 */
import { provideBinaries } from "./control-plane/binaries.ts";
import { nodeAbsent } from "./control-plane/node/absent.ts";
import { terminalProgress } from "./control-plane/progress.ts";
import { fipsModule, fipsModuleAbsent } from "./fips/module.ts";
import { goTool, goToolsOf, hasGoTool } from "./go-tool.ts";
import { chromium, chromiumAbsent } from "./site/chromium.ts";
import { vitepressModules } from "./site/vitepress.ts";
import { prometheusAbsent, providePrometheus } from "./prometheus.ts";

const has = (option: string): boolean => process.argv.includes(option);
const long = has("--long");
const names = goToolsOf(has("--extra") ? "extra" : long ? "long" : "integration");
if (has("--cached")) {
  const missing = await Array.fromAsync(names, async (name) => ((await hasGoTool(name)) ? [] : [name]));
  if (missing.flat().length > 0) console.log(`Not built yet: ${missing.flat().join(", ")}`);
  process.exit(missing.flat().length > 0 ? 1 : 0);
}

const progress = terminalProgress(process.stderr);
await provideBinaries({ variant: "full", progress, assetsFolder: process.env["KUBEBUILDER_ASSETS"] });
const absent = nodeAbsent();
if (long && absent === undefined) await provideBinaries({ variant: "node", progress, assetsFolder: undefined });
else if (long) console.log(`The suites of the real node are skipped: ${absent}`);
const noModule = fipsModuleAbsent();
if (long && noModule === undefined)
  await progress.step("provide OpenSSL's FIPS module", () => fipsModule(new AbortController().signal));
else if (long) console.log(`The suite of FIPS mode is skipped: ${noModule}`);
if (long) {
  await progress.step("provide vitepress", () => vitepressModules(new AbortController().signal));
  const noBrowser = chromiumAbsent();
  if (noBrowser === undefined) await progress.step("provide Chromium", () => chromium());
  else console.log(`The site is looked at in no browser: ${noBrowser}`);
}
const noPrometheus = prometheusAbsent();
if (long && noPrometheus === undefined) await progress.step("provide Prometheus", providePrometheus);
else if (long) console.log(`The suite of the monitoring is skipped: ${noPrometheus}`);
for (const name of names) {
  const signal = new AbortController().signal;
  await progress.step(`provide ${name}`, () => goTool(name, signal));
}
