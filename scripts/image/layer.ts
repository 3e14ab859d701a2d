import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { constants, gzipSync, zstdCompress, type ZstdOptions } from "node:zlib";
import { pack } from "tar-stream";
import { cacheFolder } from "../cache-folder.ts";
import type { ImageFile } from "./image-file.ts";

const compress = promisify(zstdCompress);

/** A layer of an OCI image: its compressed bytes with their media type, and the digest of the tar that they unpack to. */
export type Layer = { readonly content: Uint8Array; readonly mediaType: string; readonly diffId: string };

export const layerType = "application/vnd.oci.image.layer.v1.tar+zstd";
const gzipLayerType = "application/vnd.oci.image.layer.v1.tar+gzip";

/** 30 % smaller than gzip for Node, and unpacked in half the time; containerd, CRI-O, Docker and Podman have taken it for years. */
export const levels = { ship: 19, try: 3 } as const;

function optionsOf(level: number): ZstdOptions {
  return {
    params: {
      [constants.ZSTD_c_compressionLevel]: level,
      // A decoder need not take more than 8 MB (RFC 8878, section 3.1.1.1.2).
      [constants.ZSTD_c_windowLog]: 23,
      [constants.ZSTD_c_checksumFlag]: 1,
    },
  };
}

/** The same bytes for the same files. Compressing Node takes a minute, so the result is kept by its digest. */
export async function layerOf(files: readonly ImageFile[], level: number = levels.ship): Promise<Layer> {
  const tar = await tarOf(files);
  const diffId = digestOf(tar);
  const kept = join(
    cacheFolder(),
    "image-layers",
    `${diffId.replace("sha256:", "")}-${level}-${process.versions["zstd"]}.tar.zst`,
  );
  if (existsSync(kept)) return { content: await readFile(kept), mediaType: layerType, diffId };
  const content = await compress(tar, optionsOf(level));
  await mkdir(join(cacheFolder(), "image-layers"), { recursive: true });
  await writeFile(`${kept}.${process.pid}`, content);
  await rename(`${kept}.${process.pid}`, kept);
  return { content, mediaType: layerType, diffId };
}

/** As `layerOf`, compressed by gzip: for images that not only container runtimes read. */
export async function gzipLayerOf(files: readonly ImageFile[]): Promise<Layer> {
  const tar = await tarOf(files);
  return { content: gzipOf(tar), mediaType: gzipLayerType, diffId: digestOf(tar) };
}

/** The same bytes on every system: the tenth, which names it, says "unknown" (RFC 1952, section 2.3.1). */
export function gzipOf(content: Uint8Array): Uint8Array {
  const packed = gzipSync(content, { level: 9 });
  packed[9] = 255;
  return packed;
}

/** "sha256:<hex>" of the bytes. */
export function digestOf(content: Uint8Array): string {
  return `sha256:${createHash("sha256").update(content).digest("hex")}`;
}

/** A tar of the files: sorted, owned by root, and dated 1970 or `mtime`. */
export async function tarOf(files: readonly ImageFile[], mtime = new Date(0)): Promise<Uint8Array> {
  const tar = pack();
  const chunks: Uint8Array[] = [];
  const reading = (async () => {
    for await (const chunk of tar) chunks.push(chunk as Uint8Array);
  })();
  const owned = { uid: 0, gid: 0, mtime };
  for (const file of withFolders(files)) {
    if (file.kind === "file") {
      const { path: name, mode, content } = file;
      tar.entry({ ...owned, name, mode, type: "file" }, Buffer.from(content));
    } else if (file.kind === "link") {
      tar.entry({ ...owned, name: file.path, mode: 0o777, type: "symlink", linkname: file.target });
    } else {
      tar.entry({ ...owned, name: `${file.path}/`, mode: file.mode, type: "directory" });
    }
  }
  tar.finalize();
  await reading;
  return Buffer.concat(chunks);
}

/** The files and the folders that they lie in, each once, folders before what is in them. */
function withFolders(files: readonly ImageFile[]): readonly ImageFile[] {
  const given = new Map(files.map((file) => [file.path, file]));
  for (const { path } of files) {
    const parts = path.split("/").slice(0, -1);
    for (const [index] of parts.entries()) {
      const folder = parts.slice(0, index + 1).join("/");
      if (!given.has(folder)) given.set(folder, { kind: "folder", path: folder, mode: 0o755 });
    }
  }
  return [...given.values()].toSorted((left, right) => (left.path < right.path ? -1 : 1));
}
