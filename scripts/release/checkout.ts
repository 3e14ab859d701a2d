import { execFile } from "node:child_process";
import { readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Checkout } from "./refusals.ts";

const run = promisify(execFile);

/** Reads what decides whether a checkout can be released. */
export async function readCheckout(root: string): Promise<Checkout> {
  const [manifest, changelog, changes, tags] = await Promise.all([
    readFile(join(root, "package.json"), "utf8"),
    readFile(join(root, "CHANGELOG.md"), "utf8"),
    git(root, "status", "--short"),
    git(root, "tag", "--list"),
  ]);
  const { version } = JSON.parse(manifest) as { readonly version: string };
  return { version, changelog, changes: linesOf(changes), tags: linesOf(tags) };
}

/**
 * Makes a clone of what is committed in `folder`, with `version` in its manifests and the node_modules of the checkout. So nothing gets into a release
 * that is not in the commit.
 */
export async function cloneWithVersion(root: string, folder: string, version: string): Promise<void> {
  await run("git", ["clone", "--quiet", "--shared", root, folder]);
  await symlink(join(root, "node_modules"), join(folder, "node_modules"));
  for (const name of ["package.json", "package-lock.json"]) await writeVersion(join(folder, name), version);
}

/** What one command of git has written. */
export async function git(root: string, ...args: readonly string[]): Promise<string> {
  return (await run("git", args, { cwd: root })).stdout.trimEnd();
}

async function writeVersion(path: string, version: string): Promise<void> {
  const manifest = JSON.parse(await readFile(path, "utf8")) as Manifest;
  const own = manifest.packages?.[""];
  const packages = own === undefined ? {} : { packages: { ...manifest.packages, "": { ...own, version } } };
  await writeFile(path, `${JSON.stringify({ ...manifest, version, ...packages }, null, 2)}\n`);
}

type Manifest = { readonly version: string; readonly packages?: { readonly [path: string]: object } };

function linesOf(text: string): readonly string[] {
  return text.split("\n").filter((line) => line !== "");
}
