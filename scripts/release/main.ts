/** Fills the folder of a release from the checkout in which this file is. Called by scripts/release.ts, which makes that checkout. */
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { sha256Hex } from "../../src/std/digest.ts";
import { operatorVersion } from "../../src/std/version.ts";
import { git } from "./git.ts";
import { makers } from "./makers.ts";
import { releaseNotes } from "./notes.ts";
import { localBuilder, provenanceOf, type Builder } from "./provenance.ts";
import type { Release, ReleasedImage } from "./release.ts";

const root = join(import.meta.dirname, "../..");

/** The files that pin everything that comes from outside. */
const lockFiles = ["package-lock.json", "packaging/npm/package-lock.json", "packaging/image/debian.json"];

/** Makes all of a release in `output`, which is emptied first. */
async function makeRelease(output: string, work: string, builder: Builder): Promise<void> {
  await rm(output, { recursive: true, force: true });
  await Promise.all([output, work].map((folder) => mkdir(folder, { recursive: true })));
  const commit = await git(root, "rev-parse", "HEAD");
  const created = new Date(Number(await git(root, "log", "-1", "--format=%ct")) * 1000);
  const release: Release = { version: operatorVersion, commit, created, output, work };
  let images: readonly ReleasedImage[] = [];
  for (const { name, make } of makers) {
    const startMs = performance.now();
    images = images.concat(await make(release, images));
    console.log(`made  ${name}  ${((performance.now() - startMs) / 1000).toFixed(1)} s`);
  }
  await write("images.json", JSON.stringify(images, null, 2));
  const changelog = await readFile(join(root, "CHANGELOG.md"), "utf8");
  const names = [...(await filesOf(output)).keys()];
  await write("RELEASE_NOTES.md", releaseNotes(release, changelog, { files: names, images }).trimEnd());
  const materials = new Map(
    await Promise.all(lockFiles.map(async (path) => [path, await readFile(join(root, path))] as const)),
  );
  const account = { release, files: await filesOf(output), images, materials, builder };
  await write("provenance.json", JSON.stringify(provenanceOf(account), null, 2));
  const sums = [...(await filesOf(output))].map(([name, content]) => `${sha256Hex(content)}  ${name}`);
  await write("checksums.txt", sums.join("\n"));

  async function write(name: string, text: string): Promise<void> {
    await writeFile(join(output, name), `${text}\n`);
  }
}

/** Name and content of each file of the release so far. */
async function filesOf(folder: string): Promise<ReadonlyMap<string, Uint8Array>> {
  const names = (await readdir(folder)).toSorted();
  return new Map(await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name))] as const)));
}

const { values } = parseArgs({
  options: {
    output: { type: "string", default: join(root, "dist/release") },
    work: { type: "string", default: join(root, "dist/work") },
    "builder-id": { type: "string", default: localBuilder.id },
    source: { type: "string", default: localBuilder.source },
  },
});
await makeRelease(values.output, values.work, { id: values["builder-id"], source: values.source });
