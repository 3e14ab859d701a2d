import { relative } from "node:path";
import type { TestsStream } from "node:test";

/** How long a file took as a process of its own, and how many tests it has. */
type FileTime = { readonly file: string; readonly seconds: number; readonly tests: number };

/** Collects, while the tests run, how long each file takes; the function gives the table of the slowest. */
export function slowestFiles(stream: TestsStream, root: string): () => string {
  const seconds = new Map<string, number>();
  const tests = new Map<string, number>();
  stream.on("test:complete", ({ name, file, details }) => {
    // Beside its tests, the runner tells of a file itself as of a test that has the file's path as its name.
    if (file !== undefined && name === file) seconds.set(file, details.duration_ms / 1000);
  });
  stream.on("test:summary", ({ file, counts }) => {
    if (file !== undefined) tests.set(file, counts.tests);
  });
  return () => {
    const times = [...seconds].map(([file, took]) => ({
      file: relative(root, file),
      seconds: took,
      tests: tests.get(file) ?? 0,
    }));
    return tableOf(times);
  };
}

const shown = 10;

function tableOf(times: readonly FileTime[]): string {
  const slowest = times.toSorted((left, right) => right.seconds - left.seconds).slice(0, shown);
  const rows = slowest.map(({ file, seconds, tests }) => [seconds.toFixed(1), String(tests), file]);
  const lines = [["seconds", "tests", `the slowest of ${times.length} files`], ...rows].map(
    ([took = "", count = "", file = ""]) => `${took.padStart(8)}${count.padStart(7)}  ${file}`,
  );
  return `${lines.join("\n")}\n`;
}
