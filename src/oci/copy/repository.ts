import { isJsonObject } from "../../std/json.ts";
import type { Registry, RegistryAccess } from "../registry.ts";
import { RegistryError } from "../registry-error.ts";
import type { Sink, Source } from "./place.ts";

/** A repository of a registry: "oci://host/path", and how it is reached. */
export type Repository = { readonly address: string; readonly access: RegistryAccess };

/** A blob may have gigabytes; everything else is small. */
const blobTimeoutMs = 30 * 60_000;

/** The repository as a place to copy from. */
export function repositorySource(
  { address: reference, access }: Repository,
  registry: Pick<Registry, "read">,
  signal: AbortSignal,
): Source {
  const request = { verb: "pull", reference, access } as const;
  const patient = { ...request, access: { ...access, timeoutMs: blobTimeoutMs } };
  const manifest = (name: string): Promise<Uint8Array | undefined> =>
    registry.read(request, signal, (repository) => repository.manifest(name));
  return {
    manifest,
    blob: (descriptor) => registry.read(patient, signal, (repository) => repository.blob(descriptor)),
    referrers: async (digest) =>
      (await registry.read(request, signal, (repository) => repository.referrers(digest))) ??
      (await manifest(digest.replace(":", "-"))),
  };
}

/** The repository as a place to copy to. */
export function repositorySink(
  { address: reference, access }: Repository,
  registry: Pick<Registry, "write">,
  signal: AbortSignal,
): Sink {
  const request = { verb: "push", reference, access } as const;
  const patient = { ...request, access: { ...access, timeoutMs: blobTimeoutMs } };
  return {
    digestOf: (name) => registry.write(request, signal, (repository) => repository.digestOf(name)),
    hasBlob: (digest) => registry.write(request, signal, (repository) => repository.hasBlob(digest)),
    putBlob: ({ digest }, bytes) => registry.write(patient, signal, (repository) => repository.putBlob(digest, bytes)),
    putManifest: async (name, bytes, mediaType) => {
      try {
        return await registry.write(request, signal, (repository) => repository.putManifest(name, bytes, mediaType));
      } catch (error) {
        if (!(error instanceof RegistryError) || !isSparse(error, bytes)) throw error;
        const message = `${error.message}; it takes no index of which platforms are missing: copy all platforms`;
        throw new RegistryError({ kind: error.kind, message, cause: error });
      }
    },
  };
}

/** Whether a registry refuses an index, which it does where a manifest is missing that the index names. */
function isSparse({ message }: RegistryError, bytes: Uint8Array): boolean {
  const document: unknown = JSON.parse(Buffer.from(bytes).toString("utf8"));
  return message.includes("MANIFEST_BLOB_UNKNOWN") && isJsonObject(document) && document["manifests"] !== undefined;
}
