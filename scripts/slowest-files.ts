import { relative } from "node:path";
import type { TestsStream } from "node:test";

/** What a file took as a process of its own, and how many tests it has: undefined when its report did not arrive whole. */
export type FileReport = { readonly file: string; readonly seconds: number; readonly tests: number | undefined };

/** Collects, while the tests run, what each file takes. The function gives what is known by then. */
export function collectFiles(stream: TestsStream, root: string): () => readonly FileReport[] {
  const seconds = new Map<string, number>();
  const tests = new Map<string, number>();
  stream.on("test:complete", ({ name, file, details }) => {
    // Beside its tests, the runner tells of a file itself as of a test that has the file's path as its name.
    if (file !== undefined && name === file) seconds.set(file, details.duration_ms / 1000);
  });
  stream.on("test:summary", ({ file, counts }) => {
    if (file !== undefined) tests.set(file, counts.tests);
  });
  return () =>
    [...seconds].map(([file, took]) => ({ file: relative(root, file), seconds: took, tests: tests.get(file) }));
}

const shown = 10;

/** A table of those that took longest. */
export function slowestFiles(reports: readonly FileReport[]): string {
  const slowest = reports.toSorted((left, right) => right.seconds - left.seconds).slice(0, shown);
  const rows = slowest.map(({ file, seconds, tests }) => [seconds.toFixed(1), String(tests ?? "?"), file]);
  const lines = [["seconds", "tests", `the slowest of ${reports.length} files`], ...rows].map(
    ([took = "", count = "", file = ""]) => `${took.padStart(8)}${count.padStart(7)}  ${file}`,
  );
  return `${lines.join("\n")}\n`;
}
