import { readFile, symlink } from "node:fs/promises";
import { join } from "node:path";
import { git } from "./git.ts";
import type { Checkout } from "./refusals.ts";
import { setVersion } from "./set-version.ts";

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
 * Makes a clone of what is committed in `folder`, with `version` in place of its own and the node_modules of the checkout. So nothing gets into a release
 * that is not in the commit.
 */
export async function cloneWithVersion(root: string, folder: string, version: string): Promise<void> {
  await git(root, "clone", "--quiet", "--shared", root, folder);
  await symlink(join(root, "node_modules"), join(folder, "node_modules"));
  await setVersion(folder, version);
}

function linesOf(text: string): readonly string[] {
  return text.split("\n").filter((line) => line !== "");
}
