import { mapConcurrent } from "../../std/concurrent.ts";
import { sha256Digest } from "../../std/digest.ts";
import { blobsOf, ManifestError, parseManifest, type Descriptor, type PlatformManifest } from "../manifest.ts";
import { RegistryError } from "../registry-error.ts";
import type { Sink, Source } from "./place.ts";

/** Which image is copied, and how much of it. */
export type CopyRequest = {
  /** The tag or digest that is read. A digest that is given is what must be there. */
  readonly name: string;
  /** The tag that it gets at the other place. */
  readonly tag: string;
  /** "linux/amd64": the only platforms whose content is copied; absent for all. */
  readonly platforms?: readonly string[];
};

/** What a copy did. `bytes` are those of the blobs that had to be copied. */
export type Copied = {
  readonly digest: string;
  readonly bytes: number;
  /** Everything was there before. */
  readonly wasThere: boolean;
  /** Signatures, attestations and SBOMs that were copied along, or were there before. */
  readonly attached: number;
  /** Platforms that the index names and that were not to be had, sorted. */
  readonly lacking: readonly string[];
};

const blobsAtOnce = 4;
/** Tags under which cosign v2 keeps what belongs to a digest, and, without a suffix, the index of the referrers of OCI 1.1. */
const attachedSuffixes = [".sig", ".att", ".sbom"];

/**
 * Copies an image or artifact with all that is attached to it, as it is, so that every digest stays the same. What is there already is not copied
 * again, so that a copy that broke off goes on when it is repeated: a manifest is written only after all that it names, and a tag last. Throws
 * RegistryError, or the signal's reason.
 */
export async function copyImage(request: CopyRequest, from: Source, to: Sink, signal: AbortSignal): Promise<Copied> {
  try {
    return await new Copy(from, to, request.platforms, signal).run(request);
  } catch (cause) {
    if (!(cause instanceof ManifestError)) throw cause;
    throw new RegistryError({ kind: cause.kind, message: `${request.name} cannot be copied: ${cause.message}`, cause });
  }
}

class Copy {
  readonly #from: Source;
  readonly #to: Sink;
  readonly #platforms: readonly string[] | undefined;
  readonly #signal: AbortSignal;
  #bytes = 0;
  #writes = 0;
  #attached = 0;
  readonly #lacking: string[] = [];

  constructor(from: Source, to: Sink, platforms: readonly string[] | undefined, signal: AbortSignal) {
    this.#from = from;
    this.#to = to;
    this.#platforms = platforms;
    this.#signal = signal;
  }

  async run({ name, tag }: CopyRequest): Promise<Copied> {
    const body = await this.#from.manifest(name);
    if (body === undefined) throw new RegistryError({ kind: "not-found", message: `there is no ${name}` });
    const digest = sha256Digest(body);
    const digests = await this.#tree(body);
    for (const one of digests) await this.#attachments(one);
    if ((await this.#to.digestOf(tag)) !== digest) await this.#putManifest(tag, body);
    return {
      digest,
      bytes: this.#bytes,
      wasThere: this.#writes === 0,
      attached: this.#attached,
      lacking: this.#lacking.toSorted(),
    };
  }

  /** Copies a manifest with all that it names. Resolves to its digest and those of its platforms. */
  async #tree(body: Uint8Array): Promise<readonly string[]> {
    this.#signal.throwIfAborted();
    const digest = sha256Digest(body);
    const manifest = parseManifest(body, undefined);
    const parts = manifest.kind === "index" ? await this.#parts(manifest.manifests) : [];
    // A manifest was stored after all that it names; an index may lack platforms that were not wanted then.
    if ((await this.#to.digestOf(digest)) === digest) return [digest, ...parts];
    if (manifest.kind === "manifest") await this.#blobs(blobsOf(body));
    await this.#putManifest(digest, body);
    return [digest, ...parts];
  }

  async #parts(manifests: readonly PlatformManifest[]): Promise<readonly string[]> {
    const copied: string[] = [];
    for (const { digest, platform } of this.#wanted(manifests)) {
      const body = await this.#from.manifest(digest);
      if (body === undefined) this.#lacking.push(platform ?? digest);
      else copied.push(...(await this.#tree(body)));
    }
    return copied;
  }

  /** Attestations of buildkit, of platform unknown/unknown, are small and come along. */
  #wanted(manifests: readonly PlatformManifest[]): readonly PlatformManifest[] {
    const platforms = this.#platforms;
    if (platforms === undefined) return manifests;
    return manifests.filter(
      ({ platform }) => platform === undefined || platform === "unknown/unknown" || platforms.includes(platform),
    );
  }

  async #content({ digest }: Descriptor): Promise<Uint8Array> {
    const body = await this.#from.manifest(digest);
    if (body !== undefined) return body;
    throw new RegistryError({ kind: "not-found", message: `there is no ${digest}, which an index names` });
  }

  async #blobs(blobs: readonly Descriptor[]): Promise<void> {
    const once = new Map(blobs.map((blob) => [blob.digest, blob]));
    await mapConcurrent([...once.values()], blobsAtOnce, async (blob) => {
      this.#signal.throwIfAborted();
      if (await this.#to.hasBlob(blob.digest)) return;
      const bytes = await this.#from.blob(blob);
      await this.#to.putBlob(blob, bytes);
      this.#bytes += bytes.length;
      this.#writes += 1;
    });
  }

  async #putManifest(name: string, body: Uint8Array): Promise<{ readonly listsReferrers: boolean }> {
    this.#writes += 1;
    return await this.#to.putManifest(name, body, parseManifest(body, undefined).mediaType);
  }

  async #attachments(digest: string): Promise<void> {
    const tag = digest.replace(":", "-");
    for (const suffix of attachedSuffixes) {
      const body = await this.#from.manifest(`${tag}${suffix}`);
      if (body === undefined) continue;
      await this.#tree(body);
      if ((await this.#to.digestOf(`${tag}${suffix}`)) !== sha256Digest(body))
        await this.#putManifest(`${tag}${suffix}`, body);
      this.#attached += 1;
    }
    const index = await this.#from.referrers(digest);
    if (index !== undefined) await this.#referrers(index, tag);
  }

  /** Where the other place does not list referrers itself, the index of them gets the tag by which clients look for it. */
  async #referrers(index: Uint8Array, tag: string): Promise<void> {
    const manifest = parseManifest(index, undefined);
    if (manifest.kind !== "index" || manifest.manifests.length === 0) return;
    let isListed = true;
    for (const { digest, ...referrer } of manifest.manifests) {
      const body = await this.#content({ digest, ...referrer });
      const had = (await this.#to.digestOf(digest)) === digest;
      if (!had) await this.#blobs(blobsOf(body));
      // It is stored again where it was there: only the answer to that tells whether it is listed.
      const { listsReferrers } = await this.#to.putManifest(digest, body, parseManifest(body, undefined).mediaType);
      if (!had) this.#writes += 1;
      isListed &&= listsReferrers;
      this.#attached += 1;
    }
    if (!isListed && (await this.#to.digestOf(tag)) !== sha256Digest(index)) await this.#putManifest(tag, index);
  }
}
