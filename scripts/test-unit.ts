import { spawn } from "node:child_process";
import { join } from "node:path";
import { shareCompiledCode } from "./compile-cache.ts";

/**
 * The fast tests, in a few processes side by side. Within each, files share a process: most of their time is the loading of modules that
 * all of them need. Those of test/oci have one for themselves, since they mostly wait. `npm run test:unit -- FILE...` runs only those files.
 */
shareCompiledCode();
const root = join(import.meta.dirname, "..");
const given = process.argv.slice(2);
const groups =
  given.length > 0
    ? [given]
    : [["src/**/*.test.ts"], ["test/*.test.ts", "test/golden/*.test.ts"], ["test/oci/*.test.ts"]];

const codes = await Promise.all(groups.map(runGroup));
process.exitCode = Math.max(...codes);

/** Resolves to the exit code; the output is shown as a whole, so that they do not mix. */
async function runGroup(patterns: readonly string[]): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const args = [
    "--test",
    "--test-force-exit",
    "--test-isolation=none",
    "--import=./scripts/blocking-output.ts",
    "--test-timeout=60000",
    ...reporter(),
    ...patterns,
  ];
  const child = spawn(process.execPath, args, { cwd: root, stdio: ["ignore", "pipe", "inherit"] });
  const output: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => output.push(chunk));
  child.once("error", reject);
  child.once("close", (code) => resolve(code ?? 1));
  const code = await promise;
  process.stdout.write(Buffer.concat(output));
  return code;
}

/** Failures and the count are enough to read; a single file is shown test by test. */
function reporter(): readonly string[] {
  return given.length > 0 ? ["--test-reporter=spec"] : ["--test-reporter=./scripts/quiet-reporter.ts"];
}
