import { open, opendir, realpath, stat } from "node:fs/promises";
import { join, sep } from "node:path";

import { errorCode, errorMessage } from "../std/errors.ts";
import { readEntryPath } from "./entry-path.ts";
import { LayerError } from "./layer-error.ts";
import { defaultLayerLimits, untar } from "./layer.ts";
import type { Files, LayerLimits, ReadOptions } from "./layer.ts";

/** The options of `untar`; the source is the path. */
export type LoadOptions = Omit<ReadOptions, "source">;

/** The files of a tarball on disk, as `untar` returns them. Throws LayerError, or the signal's reason. */
export async function readTarball(path: string, options: LoadOptions, signal: AbortSignal): Promise<Files> {
  const limits = { ...defaultLayerLimits, ...options.limits };
  const content = await readBounded(path, { root: path, maxBytes: limits.tarballBytes, signal });
  return await untar(content, { ...options, source: path }, signal);
}

/**
 * The files below a folder, sorted by path. Links are followed while they stay inside it, so that a mounted ConfigMap can be read; names that
 * begin with ".." are the kubelet's own and are skipped. Throws LayerError, or the signal's reason.
 */
export async function readDirectory(path: string, options: LoadOptions, signal: AbortSignal): Promise<Files> {
  const limits = { ...defaultLayerLimits, ...options.limits };
  const { keep = () => true } = options;
  const walk: Walk = {
    root: path,
    realRoot: await realRoot(path),
    keep,
    limits,
    signal,
    entries: 0,
    keptBytes: 0,
    files: new Map(),
  };
  await walkFolder("", 0, walk);
  return new Map([...walk.files].toSorted(([left], [right]) => (left < right ? -1 : 1)));
}

type Walk = {
  readonly root: string;
  readonly realRoot: string;
  readonly keep: (path: string) => boolean;
  readonly limits: LayerLimits;
  readonly signal: AbortSignal;
  readonly files: Map<string, Uint8Array>;
  entries: number;
  keptBytes: number;
};

/** No artifact is nested deeper; it ends a cycle of links. */
const maxDepth = 16;

async function walkFolder(folder: string, depth: number, walk: Walk): Promise<void> {
  const { root, limits, signal } = walk;
  if (depth > maxDepth)
    throw new LayerError({ source: root, entry: folder, why: "is nested too deep, or a ring of links" });
  for await (const { name } of await opendir(join(root, folder))) {
    signal.throwIfAborted();
    if (name.startsWith("..")) continue;
    walk.entries += 1;
    if (walk.entries > limits.entries)
      throw new LayerError({ source: root, why: `it has more than ${limits.entries} entries` });
    await walkEntry(folder === "" ? name : `${folder}/${name}`, depth, walk);
  }
}

async function walkEntry(name: string, depth: number, walk: Walk): Promise<void> {
  const { root, realRoot, limits, signal } = walk;
  const refused = (why: string, cause?: unknown): LayerError =>
    new LayerError({ source: root, entry: name, why, cause });
  const place = readEntryPath(name);
  if (place.kind === "refused") throw refused(place.why);
  const full = join(root, name);
  const real = await realpath(full).catch((cause: unknown) => {
    throw refused(`cannot be read: ${errorMessage(cause)}`, cause);
  });
  if (!real.startsWith(realRoot + sep)) throw refused("is a link that leaves the folder");
  const found = await stat(real);
  if (found.isDirectory()) return await walkFolder(name, depth + 1, walk);
  if (!found.isFile()) throw refused("is no regular file");
  if (!walk.keep(name)) return;
  const content = await readBounded(real, { root, entry: name, maxBytes: limits.fileBytes, signal });
  walk.keptBytes += content.length;
  if (walk.keptBytes > limits.keptBytes)
    throw new LayerError({ source: root, why: `the files needed from it are larger than ${limits.keptBytes} bytes` });
  walk.files.set(name, content);
}

async function realRoot(path: string): Promise<string> {
  try {
    const real = await realpath(path);
    if ((await stat(real)).isDirectory()) return real;
  } catch (cause) {
    throw new LayerError({ source: path, why: missing(cause), cause });
  }
  throw new LayerError({ source: path, why: "it is no folder" });
}

type Bounds = {
  readonly root: string;
  readonly entry?: string;
  readonly maxBytes: number;
  readonly signal: AbortSignal;
};

async function readBounded(path: string, { root, entry, maxBytes, signal }: Bounds): Promise<Uint8Array> {
  const at = { source: root, ...(entry === undefined ? {} : { entry }) };
  const subject = entry === undefined ? "it is" : "is";
  try {
    // The file is checked before it is opened, since opening a named pipe waits for its other end.
    const found = await stat(path);
    if (!found.isFile()) throw new LayerError({ ...at, why: `${subject} no regular file` });
    if (found.size > maxBytes) throw new LayerError({ ...at, why: `${subject} larger than ${maxBytes} bytes` });
    await using handle = await open(path);
    const content = new Uint8Array(found.size);
    let length = 0;
    while (length < content.length) {
      signal.throwIfAborted();
      const { bytesRead } = await handle.read(content, length, content.length - length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    return content.subarray(0, length);
  } catch (cause) {
    if (signal.aborted) throw signal.reason;
    if (cause instanceof LayerError) throw cause;
    throw new LayerError({ ...at, why: missing(cause), cause });
  }
}

function missing(cause: unknown): string {
  return errorCode(cause) === "ENOENT" ? "it does not exist" : errorMessage(cause);
}
