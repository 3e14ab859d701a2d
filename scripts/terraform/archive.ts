import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { operatorVersion } from "../../src/std/version.ts";
import type { ImageFile } from "../image/image-file.ts";
import { gzipOf, tarOf } from "../image/layer.ts";

const root = join(import.meta.dirname, "../..");
const folders = ["packaging/charts", "packaging/terraform"];

/** The module as one file, with the charts that it installs: `source = "https://.../<name>//packaging/terraform"`. */
export const archiveName = `flux-operator-terraform-v${operatorVersion}.tar.gz`;

/** The same bytes for the same files. What Terraform leaves in folders in which it has run is left out. */
export async function moduleArchive(): Promise<Uint8Array> {
  const found = await Promise.all(folders.map(filesIn));
  const paths = found.flat().toSorted();
  const files = paths.map(async (path): Promise<ImageFile> => {
    const content = await readFile(join(root, path));
    return { kind: "file", path, mode: 0o644, content };
  });
  return gzipOf(await tarOf(await Promise.all(files)));
}

async function filesIn(folder: string): Promise<readonly string[]> {
  const entries = await readdir(join(root, folder), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(root.length + 1))
    .filter((path) => !/\/(\.terraform|terraform\.tfstate)/.test(path));
}
