// Tests: src/oci/copy/bundles.test.ts
import { constants } from "node:fs";
import { open, realpath, type FileHandle } from "node:fs/promises";
import { join, sep } from "node:path";
import type { Clock } from "../../std/clock.ts";
import { withinDeadline } from "../../std/deadline.ts";
import { errorCode, errorMessage } from "../../std/errors.ts";
import { isBundleAddress, parseBundleAddress } from "../artifact-address.ts";
import { defaultLayerLimits } from "../layer.ts";
import { LayerError } from "../layer-error.ts";
import type { Fetched, Registry, RepositoryReads } from "../registry.ts";
import { RegistryError, type RegistryErrorKind } from "../registry-error.ts";
import { findArtifact, type BundledArtifact } from "./bundle-artifact.ts";
import { readBundle } from "./bundle.ts";

/** What reads artifacts, wherever they are. */
export type ArtifactReads = Pick<Registry, "resolve" | "fetch" | "read">;

export type BundlesOptions = {
  /** The folder with the bundles: a volume of the operator's pod. */
  readonly folder: string;
  readonly clock: Pick<Clock, "sleep">;
};

/** A volume may be on a server that is away. */
const timeoutMs = 30_000;

/** `registry`, which also reads "bundle://flux.tar": the artifact in that file of the folder, and the signatures that were copied with it. */
export function withBundles(registry: ArtifactReads, options: BundlesOptions): ArtifactReads {
  return {
    resolve: async (reference, access, signal) => {
      if (!isBundleAddress(reference)) return await registry.resolve(reference, access, signal);
      return await within(reference, options, signal, async ({ digest, mediaType }) => ({ digest, mediaType }));
    },
    fetch: async (reference, access, signal) => {
      if (!isBundleAddress(reference)) return await registry.fetch(reference, access, signal);
      return await within(reference, options, signal, (artifact) => tarballOf(artifact, reference));
    },
    read: async (request, signal, work) => {
      const { reference } = request;
      if (!isBundleAddress(reference)) return await registry.read(request, signal, work);
      return await within(reference, options, signal, ({ from }) => work(readsOf(from)));
    },
  };
}

async function tarballOf({ digest, mediaType, layer, from }: BundledArtifact, source: string): Promise<Fetched> {
  const { tarballBytes } = defaultLayerLimits;
  if (layer.sizeBytes > tarballBytes)
    throw new LayerError({ source, why: `its artifact has more than ${tarballBytes} bytes` });
  return { digest, mediaType, tarball: await from.blob(layer), layer };
}

function readsOf({ manifest, blob, referrers }: BundledArtifact["from"]): RepositoryReads {
  return { manifest, referrers, blob: (descriptor) => blob({ mediaType: "", ...descriptor }) };
}

/** What `work` makes of the artifact in the bundle. Throws RegistryError, and what `work` throws. */
async function within<T>(
  reference: string,
  { folder, clock }: BundlesOptions,
  signal: AbortSignal,
  work: (artifact: BundledArtifact) => Promise<T>,
): Promise<T> {
  const { name, digest } = parseBundleAddress(reference);
  const reason = (): RegistryError =>
    unreadable(reference, "timeout", `its volume takes longer than ${timeoutMs / 1000} s`);
  const read = async (): Promise<T> => {
    await using file = await openWithin(folder, name, reference);
    const bundle = await readBundle(file, reference);
    if (bundle === undefined)
      throw unreadable(reference, "unsupported", "it is no bundle; make it with `flux-operator distro bundle`");
    const artifact = await findArtifact(bundle, reference);
    if (digest !== undefined && artifact.digest !== digest)
      throw unreadable(reference, "digest-mismatch", `its artifact is ${artifact.digest} by now`);
    return await work(artifact);
  };
  return await withinDeadline({ timeoutMs, reason, clock }, signal, async (own) => {
    try {
      return await Promise.race([read(), abortOf(own)]);
    } catch (error) {
      own.throwIfAborted();
      // What a digest names may be there the next time: a file is copied, and is not whole before its end.
      if (error instanceof LayerError)
        throw new RegistryError({ kind: "truncated", message: error.message, cause: error });
      throw error;
    }
  });
}

function abortOf(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
  });
}

/** Opens a file of the folder. Links may not lead out of it, and what is no file is not waited for. */
async function openWithin(folder: string, name: string, reference: string): Promise<FileHandle> {
  const path = join(folder, name);
  try {
    const [root, real] = await Promise.all([realpath(folder), realpath(path)]);
    if (!real.startsWith(root + sep)) throw unreadable(reference, "redirect", `${path} is a link out of ${folder}`);
    const file = await open(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    if ((await file.stat()).isFile()) return file;
    await file.close();
    throw unreadable(reference, "unsupported", `${path} is no file`);
  } catch (cause) {
    if (cause instanceof RegistryError) throw cause;
    if (errorCode(cause) !== "ENOENT") throw unreadable(reference, "server", errorMessage(cause), cause);
    const why = `the operator's pod has no ${path}; mount the volume with the bundle there, or correct the name`;
    throw unreadable(reference, "not-found", why, cause);
  }
}

function unreadable(reference: string, kind: RegistryErrorKind, why: string, cause?: unknown): RegistryError {
  return new RegistryError({ kind, message: `Cannot read ${reference}: ${why}`, cause });
}
