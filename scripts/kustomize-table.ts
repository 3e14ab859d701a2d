import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");

/**
 * Writes `source`, made from what is inside of kustomize, to `path` in the project, formatted. With `--check` on the command line it only
 * compares, and the process fails with a message when the file is another one.
 */
export function writeKustomizeTable(path: string, source: string): void {
  const target = join(root, path);
  const oxfmt = join(root, "node_modules/.bin/oxfmt");
  const text = execFileSync(oxfmt, ["--stdin-filepath", target], { input: source, encoding: "utf8" });
  if (!process.argv.includes("--check")) return writeFileSync(target, text);
  if (readFileSync(target, "utf8") === text) return;
  console.error(`${path} is not what kustomize says: run npm run generate and commit the result`);
  process.exitCode = 1;
}
