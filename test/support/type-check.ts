import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { JsonObject } from "../../src/kube/object.ts";

/** A compiler and what is not default of a program's settings. */
export type TypeScriptSettings = { readonly tsc?: string; readonly compilerOptions?: JsonObject };

/** The compiler of the project. */
const projectTsc = join(import.meta.dirname, "../../node_modules/.bin/tsc");

/** What the compiler says of `files` in `folder`: "file:line", once a line. Strict, and declarations of packages are checked, too. */
export async function typeErrors(
  folder: string,
  files: readonly string[],
  { tsc = projectTsc, compilerOptions = {} }: TypeScriptSettings = {},
): Promise<readonly string[]> {
  const standard = { strict: true, noEmit: true, target: "es2022", lib: ["es2022"], module: "nodenext", types: [] };
  const config = { compilerOptions: { ...standard, ...compilerOptions }, files };
  await writeFile(join(folder, "tsconfig.json"), JSON.stringify(config));
  const { promise, resolve } = Promise.withResolvers<string>();
  const options = { cwd: folder, maxBuffer: 64 * 1024 * 1024 };
  execFile(process.execPath, [tsc, "-p", folder, "--pretty", "false"], options, (error, stdout, stderr) =>
    resolve(error === null || stdout !== "" ? stdout : `${error.message}${stderr}`),
  );
  const said = (await promise).split("\n").filter((line) => line !== "" && !line.startsWith(" "));
  return [...new Set(said.map((line) => line.replace(/^(.*?)\((\d+),\d+\): error .*$/, "$1:$2")))];
}
