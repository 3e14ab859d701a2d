/**
 * `npm run release:version -- 1.2.3`: writes the version into the manifests of the checkout, and in place of the one before into documents that are
 * written by hand. What is generated follows by `npm run generate`.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join, matchesGlob } from "node:path";
import { git } from "./git.ts";
import { versionProblem } from "./refusals.ts";

/** Documents that name the version of the operator in commands and links. */
const documents = ["README.md", "docs/*.md", "packaging/**/*.md", "packaging/**/*.cue", "scripts/**/*.md"];

/** Sets the version of the checkout in `root`. */
export async function setVersion(root: string, version: string): Promise<void> {
  const manifest = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as Manifest;
  const before = new RegExp(`(?<![\\d.])${RegExp.escape(manifest.version)}(?!\\.?\\d)`, "g");
  for (const name of ["package.json", "package-lock.json"])
    await edit(join(root, name), (text) => withVersion(text, version));
  const paths = (await git(root, "ls-files")).split("\n");
  for (const path of paths.filter((path) => documents.some((glob) => matchesGlob(path, glob))))
    await edit(join(root, path), (text) => text.replaceAll(before, version));
}

type Manifest = { readonly version: string; readonly packages?: { readonly [path: string]: object } };

function withVersion(text: string, version: string): string {
  const manifest = JSON.parse(text) as Manifest;
  const own = manifest.packages?.[""];
  const packages = own === undefined ? {} : { packages: { ...manifest.packages, "": { ...own, version } } };
  return `${JSON.stringify({ ...manifest, version, ...packages }, null, 2)}\n`;
}

async function edit(path: string, change: (text: string) => string): Promise<void> {
  const text = await readFile(path, "utf8");
  const changed = change(text);
  if (changed !== text) await writeFile(path, changed);
}

if (import.meta.main) {
  const [version = ""] = process.argv.slice(2);
  const problem = versionProblem(version);
  if (problem === undefined) await setVersion(join(import.meta.dirname, "../.."), version);
  else {
    console.error(problem);
    process.exitCode = 1;
  }
}
