import { open, type FileHandle } from "node:fs/promises";
import { sha256Digest } from "../../std/digest.ts";
import { errorCode, errorMessage } from "../../std/errors.ts";
import { isJsonObject } from "../../std/json.ts";
import { LayerError } from "../layer-error.ts";
import { isDigest } from "../reference.ts";
import { blobPath } from "./bundle-writer.ts";
import type { Source } from "./place.ts";

/** What a bundle has. It reads from the file, which must stay open. */
export type Bundle = {
  /** The images and artifacts in it, sorted; what is attached to them is not among these. */
  readonly images: readonly { readonly repository: string; readonly tag: string }[];
  readonly source: (repository: string) => Source;
};

const blockBytes = 512;
const maxIndexBytes = 4 * 1024 * 1024;
const maxEntries = 20_000;
/** Tags of what is attached to a digest. */
const attached = /^sha256-[0-9a-f]{64}(?:\.[a-z]+)?$/;

/** An open bundle. */
export type OpenBundle = Bundle & AsyncDisposable;

/** Opens a bundle; undefined for a file of another form. Throws LayerError as `readBundle`. */
export async function openBundle(path: string): Promise<OpenBundle | undefined> {
  const file = await openFile(path);
  try {
    const bundle = await readBundle(file, path);
    if (bundle === undefined) await file.close();
    return bundle && { ...bundle, [Symbol.asyncDispose]: () => file.close() };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/**
 * Reads what is in a bundle, of which little is held in memory; undefined for a file of another form. `path` is its name in messages. Throws
 * LayerError when it is damaged, and where its content is not what its digests name.
 */
export async function readBundle(file: FileHandle, path: string): Promise<Bundle | undefined> {
  const places = await readPlaces(file, path);
  if (places?.has("oci-layout") !== true) return undefined;
  const readAt = (name: string, maxBytes: number): Promise<Uint8Array | undefined> =>
    readEntry(file, { path, name, place: places.get(name), maxBytes });
  const index = await readAt("index.json", maxIndexBytes);
  if (index === undefined) throw new LayerError({ source: path, entry: "index.json", why: "is missing" });
  const tags = readTags(index, path);
  const blob = async (digest: string, maxBytes: number): Promise<Uint8Array | undefined> => {
    const bytes = await readAt(blobPath(digest), maxBytes);
    if (bytes !== undefined && sha256Digest(bytes) !== digest)
      throw new LayerError({
        source: path,
        entry: blobPath(digest),
        why: "is not what its name says: it was changed",
      });
    return bytes;
  };
  const sourceOf = (repository: string): Source => {
    const manifest = async (name: string): Promise<Uint8Array | undefined> => {
      const digest = isDigest(name) ? name : tags.get(`${repository}:${name}`);
      return digest === undefined ? undefined : await blob(digest, maxIndexBytes);
    };
    return {
      manifest,
      referrers: (digest) => manifest(digest.replace(":", "-")),
      blob: async ({ digest, sizeBytes }) => {
        const bytes = await blob(digest, sizeBytes);
        if (bytes === undefined) throw new LayerError({ source: path, entry: blobPath(digest), why: "is missing" });
        return bytes;
      },
    };
  };
  return { images: imagesOf(tags), source: sourceOf };
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    return await open(path);
  } catch (cause) {
    const why = errorCode(cause) === "ENOENT" ? "it does not exist" : errorMessage(cause);
    throw new LayerError({ source: path, why, cause });
  }
}

type Place = { readonly offset: number; readonly sizeBytes: number };

/** Where each file of the tar lies; undefined for what is no plain tar. Only plain headers are read, which every tar has for such names. */
async function readPlaces(file: FileHandle, path: string): Promise<ReadonlyMap<string, Place> | undefined> {
  const places = new Map<string, Place>();
  const header = Buffer.alloc(blockBytes);
  for (let [offset, entries] = [0, 1]; ; entries += 1) {
    const { bytesRead } = await file.read(header, 0, blockBytes, offset);
    if (bytesRead < blockBytes || header[0] === 0) return places;
    if (header.toString("latin1", 257, 262) !== "ustar") return undefined;
    const sizeBytes = Number.parseInt(header.toString("latin1", 124, 136), 8);
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0)
      throw new LayerError({ source: path, why: "it is a damaged tar file" });
    places.set(textAt(header, 0, 100), { offset: offset + blockBytes, sizeBytes });
    if (entries > maxEntries) throw new LayerError({ source: path, why: `it has more than ${maxEntries} entries` });
    offset += blockBytes + Math.ceil(sizeBytes / blockBytes) * blockBytes;
  }
}

function textAt(header: Buffer, from: number, bytes: number): string {
  const text = header.toString("utf8", from, from + bytes);
  const end = text.indexOf("\0");
  return end === -1 ? text : text.slice(0, end);
}

type Entry = {
  readonly path: string;
  readonly name: string;
  readonly place: Place | undefined;
  readonly maxBytes: number;
};

async function readEntry(file: FileHandle, { path, name, place, maxBytes }: Entry): Promise<Uint8Array | undefined> {
  if (place === undefined) return undefined;
  const { offset, sizeBytes } = place;
  if (sizeBytes > maxBytes) throw new LayerError({ source: path, entry: name, why: `has more than ${maxBytes} bytes` });
  const bytes = Buffer.alloc(sizeBytes);
  const { bytesRead } = await file.read(bytes, 0, sizeBytes, offset);
  if (bytesRead < sizeBytes)
    throw new LayerError({ source: path, entry: name, why: "breaks off: the file is not whole" });
  return bytes;
}

/** Digests by "<repository>:<tag>". */
function readTags(index: Uint8Array, path: string): ReadonlyMap<string, string> {
  const damaged = new LayerError({ source: path, entry: "index.json", why: "is no index of an OCI image layout" });
  let document: unknown;
  try {
    document = JSON.parse(Buffer.from(index).toString("utf8"));
  } catch {
    throw damaged;
  }
  if (!isJsonObject(document) || !Array.isArray(document["manifests"])) throw damaged;
  const tags = document["manifests"].flatMap((entry) => {
    if (!isJsonObject(entry) || !isJsonObject(entry["annotations"])) return [];
    const name = entry["annotations"]["org.opencontainers.image.ref.name"];
    const { digest } = entry;
    return typeof name === "string" && typeof digest === "string" && isDigest(digest) ? [[name, digest] as const] : [];
  });
  return new Map(tags);
}

function imagesOf(tags: ReadonlyMap<string, string>): Bundle["images"] {
  return [...tags.keys()].toSorted().flatMap((name) => {
    const colon = name.lastIndexOf(":");
    const [repository, tag] = [name.slice(0, colon), name.slice(colon + 1)];
    return colon < 1 || attached.test(tag) ? [] : [{ repository, tag }];
  });
}
