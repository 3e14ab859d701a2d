import { createGunzip } from "node:zlib";
import { extract } from "tar-stream";
import type { Extract, Header } from "tar-stream";

import { errorCode, errorMessage } from "../std/errors.ts";
import { readEntryPath } from "./entry-path.ts";
import { LayerError } from "./layer-error.ts";

/** Content by path inside the artifact ("flux/v2.9.4/rbac.yaml"), in the order of the artifact. */
export type Files = ReadonlyMap<string, Uint8Array>;

/** The most that is read of an artifact. The official one has 1,000 files of 16 MB in all, the largest of 0.6 MB. */
export type LayerLimits = {
  /** The tarball as it was received, compressed or not. */
  readonly tarballBytes: number;
  /** Everything that it unpacks to, kept or not. */
  readonly unpackedBytes: number;
  /** The files that are kept in memory. */
  readonly keptBytes: number;
  readonly fileBytes: number;
  readonly entries: number;
};

const mebibyte = 1024 * 1024;

/** The limits when a caller gives none. */
export const defaultLayerLimits: LayerLimits = {
  tarballBytes: 32 * mebibyte,
  unpackedBytes: 128 * mebibyte,
  keptBytes: 64 * mebibyte,
  fileBytes: 16 * mebibyte,
  entries: 20_000,
};

/** What to read, and how much. */
export type ReadOptions = {
  /** What is read, for messages: "artifact oci://ghcr.io/org/app:v1", "/tmp/manifests.tgz". */
  readonly source: string;
  /** Whether a file is kept; all are by default. Others are checked all the same. */
  readonly keep?: (path: string) => boolean;
  readonly limits?: Partial<LayerLimits>;
};

/**
 * The files of a tarball, gzipped or plain, in memory only. It refuses links, devices and other special files, paths that leave the artifact,
 * duplicates, whatever exceeds the limits, and damage. Throws LayerError, which names the entry, or the signal's reason.
 */
export async function untar(tarball: Uint8Array, options: ReadOptions, signal: AbortSignal): Promise<Files> {
  signal.throwIfAborted();
  const reading: Reading = {
    source: options.source,
    keep: options.keep ?? (() => true),
    limits: { ...defaultLayerLimits, ...options.limits },
    files: new Map(),
    seen: new Set(),
    entries: 0,
    keptBytes: 0,
    fedBytes: 0,
    explainedBytes: 0,
  };
  if (tarball.length > reading.limits.tarballBytes)
    throw refuse(reading, `it is larger than ${reading.limits.tarballBytes} bytes`);
  const parser = extract();
  let damage: unknown;
  parser.on("error", (error) => (damage = error));
  const feeding = feed(parser, unpack(tarball, reading), { reading, signal });
  try {
    for await (const entry of parser) await readEntry(entry, reading);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (error instanceof LayerError || damage === undefined) throw error;
    throw damage instanceof LayerError ? damage : damaged(reading, damage);
  } finally {
    parser.destroy(null);
    await feeding;
  }
  if (reading.entries === 0) throw refuse(reading, "it is an empty tarball");
  return reading.files;
}

type Reading = {
  readonly source: string;
  readonly keep: (path: string) => boolean;
  readonly limits: LayerLimits;
  readonly files: Map<string, Uint8Array>;
  readonly seen: Set<string>;
  entries: number;
  keptBytes: number;
  fedBytes: number;
  /** How many bytes the entries so far account for. */
  explainedBytes: number;
};

/**
 * Bytes that may come without an entry: what is read ahead, long names, the zeros at the end. The parser keeps extended headers of up to 4 MiB
 * in memory and is slow with them, and there may be any number of them.
 */
const unexplainedBytes = mebibyte / 4;
/** An entry's header, its extended headers, and the padding of its content. */
const overheadBytes = 8 * 1024;
const chunkBytes = 64 * 1024;

async function* unpack(tarball: Uint8Array, { source }: Reading): AsyncGenerator<Uint8Array> {
  if (startsWith(tarball, [0x28, 0xb5, 0x2f, 0xfd]))
    throw new LayerError({ source, why: "it is compressed with zstd; compress it with gzip" });
  if (startsWith(tarball, [0x1f, 0x8b])) {
    const gunzip = createGunzip({ chunkSize: chunkBytes });
    gunzip.end(tarball);
    yield* gunzip;
    return;
  }
  for (let at = 0; at < tarball.length; at += chunkBytes) yield tarball.subarray(at, at + chunkBytes);
}

function startsWith(bytes: Uint8Array, magic: readonly number[]): boolean {
  return magic.every((byte, index) => bytes[index] === byte);
}

type Feeding = { readonly reading: Reading; readonly signal: AbortSignal };

/** Never rejects: a failure reaches the reader of the entries through the parser. */
async function feed(parser: Extract, chunks: AsyncIterable<Uint8Array>, { reading, signal }: Feeding): Promise<void> {
  const { unpackedBytes } = reading.limits;
  try {
    for await (const chunk of chunks) {
      signal.throwIfAborted();
      reading.fedBytes += chunk.length;
      if (reading.fedBytes > unpackedBytes) throw refuse(reading, `it unpacks to more than ${unpackedBytes} bytes`);
      if (reading.fedBytes > reading.explainedBytes + unexplainedBytes)
        throw refuse(reading, "it has more headers or padding than its entries need");
      if (parser.destroyed) return;
      if (!parser.write(chunk)) await drained(parser);
    }
    parser.end(null);
  } catch (error) {
    parser.destroy(error instanceof Error ? error : new Error(String(error)));
  }
}

async function drained(parser: Extract): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const go = (): void => {
    parser.off("drain", go).off("close", go);
    resolve();
  };
  parser.on("drain", go).on("close", go);
  if (parser.destroyed) go();
  await promise;
}

type Entry = AsyncIterable<unknown> & { readonly header: Header; resume(): unknown };

async function readEntry(entry: Entry, reading: Reading): Promise<void> {
  const path = checkEntry(entry.header, reading);
  if (path === undefined || !reading.keep(path)) {
    entry.resume();
    return;
  }
  const content = new Uint8Array(entry.header.size);
  reading.keptBytes += content.length;
  if (reading.keptBytes > reading.limits.keptBytes)
    throw refuse(reading, `the files needed from it are larger than ${reading.limits.keptBytes} bytes`);
  let at = 0;
  for await (const chunk of entry) {
    if (!(chunk instanceof Uint8Array)) throw new TypeError("tar-stream gave something else than bytes");
    content.set(chunk, at);
    at += chunk.length;
  }
  reading.files.set(path, content);
}

/** The path of a file; undefined for a folder. */
function checkEntry(header: Header, reading: Reading): string | undefined {
  const { name, size } = header;
  const { limits, seen } = reading;
  const refused = (why: string): LayerError => new LayerError({ source: reading.source, entry: name, why });
  reading.entries += 1;
  if (reading.entries > limits.entries) throw refuse(reading, `it has more than ${limits.entries} entries`);
  const place = readEntryPath(name);
  if (place.kind === "refused") throw refused(place.why);
  const kind = kinds[header.type] ?? "is of a type that no artifact has";
  if (kind !== "file" && kind !== "folder") throw refused(kind);
  if (isSparse(header)) throw refused("is a sparse file");
  if (kind === "folder" && size !== 0) throw refused("is a folder with content");
  if (size > limits.fileBytes) throw refused(`is larger than ${limits.fileBytes} bytes`);
  reading.explainedBytes += size + overheadBytes;
  if (kind === "folder") return undefined;
  if (place.path === "") throw refused("has no name");
  if (seen.has(place.path)) throw refused("is there twice");
  seen.add(place.path);
  return place.path;
}

/** Types of entries; for a refused type, the reason. */
const kinds: Readonly<Record<string, string>> = {
  file: "file",
  "contiguous-file": "file",
  directory: "folder",
  symlink: "is a symbolic link; artifacts may not have links",
  link: "is a hard link; artifacts may not have links",
  "character-device": "is a device",
  "block-device": "is a device",
  fifo: "is a named pipe",
};

/** GNU tar's pax form of sparse files, whose content differs from that of the file. */
function isSparse(header: Header): boolean {
  if (typeof header.pax !== "object" || header.pax === null) return false;
  return Object.keys(header.pax).some((key) => key.startsWith("GNU.sparse."));
}

function refuse({ source }: Reading, why: string): LayerError {
  return new LayerError({ source, why });
}

function damaged({ source }: Reading, cause: unknown): LayerError {
  const code = errorCode(cause);
  const why =
    code?.startsWith("Z_") === true
      ? `it is damaged gzip (${code})`
      : `it is no tarball, or damaged: ${errorMessage(cause)}`;
  return new LayerError({ source, why, cause });
}
