import { createWriteStream, type WriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { once } from "node:events";
import { pack } from "tar-stream";
import { sha256Digest } from "../../std/digest.ts";
import { errorMessage } from "../../std/errors.ts";
import { LayerError } from "../layer-error.ts";
import { ociIndex } from "../manifest.ts";
import { isDigest } from "../reference.ts";
import type { Sink } from "./place.ts";

type Tagged = { readonly mediaType: string; readonly digest: string };

/**
 * Writes a bundle: an OCI image layout in a plain tar file, which `distro mirror` and other tools for OCI layouts read. Nothing has its name before
 * all of it is written, and disposal before `finish` leaves nothing behind. The methods throw LayerError when the disk takes no more.
 */
export class BundleWriter implements AsyncDisposable {
  readonly #path: string;
  readonly #partial: string;
  readonly #tar = pack();
  readonly #file: WriteStream;
  readonly #failed: Promise<never>;
  #isBroken = false;
  readonly #sizes = new Map<string, number>();
  readonly #tags = new Map<string, Tagged>();
  /** A tar takes one entry after the other. */
  #turn: Promise<void> = Promise.resolve();

  constructor(path: string) {
    this.#path = path;
    this.#partial = `${path}.partial`;
    this.#file = createWriteStream(this.#partial, { mode: 0o644 });
    const { promise, reject } = Promise.withResolvers<never>();
    const refuse = (cause: Error): void => {
      this.#isBroken = true;
      reject(new LayerError({ source: path, why: `it cannot be written: ${errorMessage(cause)}`, cause }));
    };
    this.#file.once("error", refuse);
    this.#tar.once("error", refuse);
    promise.catch(() => undefined);
    this.#failed = promise;
    this.#tar.pipe(this.#file);
  }

  /** The place for an image: what gets a tag there is found by "<repository>:<tag>". */
  sink(repository: string): Sink {
    return {
      digestOf: async (name) => {
        if (isDigest(name)) return this.#sizes.has(name) ? name : undefined;
        return this.#tags.get(`${repository}:${name}`)?.digest;
      },
      hasBlob: async (digest) => this.#sizes.has(digest),
      putBlob: async (_descriptor, bytes) => void (await this.#addBlob(bytes)),
      putManifest: async (name, bytes, mediaType) => {
        const digest = await this.#addBlob(bytes);
        if (!isDigest(name)) this.#tags.set(`${repository}:${name}`, { mediaType, digest });
        return { listsReferrers: false };
      },
    };
  }

  /** Ends the file and gives it its name. */
  async finish(): Promise<void> {
    const manifests = [...this.#tags]
      .toSorted(([left], [right]) => (left < right ? -1 : 1))
      .map(([name, { mediaType, digest }]) => ({
        mediaType,
        digest,
        size: this.#sizes.get(digest) ?? 0,
        annotations: { "org.opencontainers.image.ref.name": name },
      }));
    await this.#add("index.json", Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: ociIndex, manifests })));
    await this.#add("oci-layout", Buffer.from('{"imageLayoutVersion":"1.0.0"}'));
    const closed = once(this.#file, "close");
    this.#tar.finalize();
    await Promise.race([closed, this.#failed]);
    await rename(this.#partial, this.#path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#tar.destroy();
    this.#file.destroy();
    await rm(this.#partial, { force: true });
  }

  async #addBlob(bytes: Uint8Array): Promise<string> {
    const digest = sha256Digest(bytes);
    if (this.#sizes.has(digest)) return digest;
    this.#sizes.set(digest, bytes.length);
    await this.#add(blobPath(digest), bytes);
    return digest;
  }

  async #add(name: string, bytes: Uint8Array): Promise<void> {
    this.#turn = this.#turn.then(() =>
      this.#isBroken ? this.#failed : Promise.race([this.#entry(name, bytes), this.#failed]),
    );
    await this.#turn;
  }

  async #entry(name: string, bytes: Uint8Array): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const header = { name, mode: 0o644, mtime: new Date(0), size: bytes.length };
    this.#tar.entry(header, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), (error) =>
      error === null || error === undefined ? resolve() : reject(error),
    );
    await promise;
  }
}

/** Where the content of a digest lies in an OCI image layout. */
export function blobPath(digest: string): string {
  return `blobs/${digest.replace(":", "/")}`;
}
