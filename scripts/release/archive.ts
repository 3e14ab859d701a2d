import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ImageFile } from "../image/image-file.ts";
import { gzipOf, tarOf } from "../image/layer.ts";
import type { Release } from "./release.ts";

/** Writes a tar of `files`, the same bytes for the same commit; compressed where its name ends in gz. */
export async function writeArchive(release: Release, name: string, files: readonly ImageFile[]): Promise<void> {
  const tar = await tarOf(files, release.created);
  await writeFile(join(release.output, name), name.endsWith("gz") ? gzipOf(tar) : tar);
}
