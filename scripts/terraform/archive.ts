import { join } from "node:path";
import { operatorVersion } from "../../src/std/version.ts";
import { filesIn } from "../image/image-file.ts";
import { gzipOf, tarOf } from "../image/layer.ts";

const root = join(import.meta.dirname, "../..");
const folders = ["packaging/charts", "packaging/terraform"];

/** The module as one file, with the charts that it installs: `source = "https://.../<name>//packaging/terraform"`. */
export const archiveName = `flux-operator-terraform-v${operatorVersion}.tar.gz`;

/** The same bytes for the same files. What Terraform leaves in folders in which it has run is left out. */
export async function moduleArchive(): Promise<Uint8Array> {
  const found = await Promise.all(folders.map((folder) => filesIn(join(root, folder), `${folder}/`)));
  return gzipOf(await tarOf(found.flat().filter(({ path }) => !/\/(\.terraform|terraform\.tfstate)/.test(path))));
}
