import { readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ImageFile } from "../image/image-file.ts";
import { gzipOf, tarOf } from "../image/layer.ts";
import type { Release } from "./release.ts";

/** Writes a tar of `files`, the same bytes for the same commit; compressed where its name ends in gz. */
export async function writeArchive(release: Release, name: string, files: readonly ImageFile[]): Promise<void> {
  const tar = await tarOf(files, release.created);
  await writeFile(join(release.output, name), name.endsWith("gz") ? gzipOf(tar) : tar);
}

/** The files below `folder`, each with `prefix` before its path from there. */
export async function filesIn(folder: string, prefix = ""): Promise<readonly ImageFile[]> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = found.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return await Promise.all(
    paths.toSorted().map(async (path): Promise<ImageFile> => {
      const inside = `${prefix}${path.slice(folder.length + 1)}`;
      return { kind: "file", path: inside, content: await readFile(path), mode: 0o644 };
    }),
  );
}
