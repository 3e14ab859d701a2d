import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { errorCode } from "../src/std/errors.ts";

const root = join(import.meta.dirname, "..");

/**
 * Writes `files`, by path from the root of the project, or with `--check` on the command line only compares: exit code 1 and the command to run
 * when one differs. `source` completes "is not what ...".
 */
export async function writeOrCheck(files: ReadonlyMap<string, string>, source: string): Promise<void> {
  const check = process.argv.includes("--check");
  for (const [path, text] of files) {
    const file = join(root, path);
    if (!check) {
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, text);
    } else if ((await readIfPresent(path)) !== text) {
      console.error(`${path} is not what ${source}: run npm run generate and commit the result`);
      process.exitCode = 1;
    }
  }
}

/** The text of a file by its path from the root of the project; undefined where there is none. */
export async function readIfPresent(path: string): Promise<string | undefined> {
  return await readFile(join(root, path), "utf8").catch((error: unknown) => {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  });
}
