import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";

/** What an image has at a path, which is relative to its root. All of it belongs to root. */
export type ImageFile =
  | { readonly kind: "file"; readonly path: string; readonly content: Uint8Array; readonly mode: number }
  | { readonly kind: "link"; readonly path: string; readonly target: string }
  | { readonly kind: "folder"; readonly path: string; readonly mode: number };

/** A text file that everybody may read. */
export function textFile(path: string, text: string): ImageFile {
  return { kind: "file", path, content: Buffer.from(text), mode: 0o644 };
}

/** The files below `folder` that everybody may read, sorted, each with `prefix` before its path from there. */
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
