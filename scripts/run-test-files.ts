import { availableParallelism } from "node:os";
import { join } from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { pipeline } from "node:stream/promises";
import { shareCompiledCode } from "./compile-cache.ts";
import { collectFiles, slowestFiles } from "./slowest-files.ts";

const root = join(import.meta.dirname, "..");

export type TestFiles = {
  /** Paths from the root of the project, in the order in which they start. */
  readonly files: readonly string[];
  /** After so long a test, and a file as a whole, has failed. */
  readonly timeoutMs: number;
};

/**
 * Runs test files as processes side by side, each with a cluster of its own if it needs one. They mostly wait, for clusters and for
 * each other's processes, so there is one more of them than processors. Sets the exit code.
 */
export async function runTestFiles({ files, timeoutMs }: TestFiles): Promise<void> {
  shareCompiledCode();
  const stream = run({
    cwd: root,
    files: files.map((file) => join(root, file)),
    concurrency: availableParallelism() + 1,
    timeout: timeoutMs,
    forceExit: true,
    execArgv: ["--import", join(import.meta.dirname, "blocking-output.ts")],
  });
  stream.on("test:fail", () => {
    process.exitCode = 1;
  });
  const reports = collectFiles(stream, root);
  await pipeline(stream.compose(new spec()), process.stdout, { end: false });
  process.stdout.write(`\n${slowestFiles(reports())}`);
  for (const { file } of reports().filter(({ tests }) => tests === undefined)) {
    process.stdout.write(`${file} did not report to the end\n`);
    process.exitCode = 1;
  }
}
