import { ManifestError, parseManifest } from "./manifest.ts";
import { RegistryError } from "./registry-error.ts";
import type { Registry, RegistryAccess } from "./registry.ts";

/**
 * The digests by which what `digest` names may be pulled: that itself and, if it is an index, those of the manifests in it. Undefined when the
 * repository of `reference` does not have it. Throws RegistryError, or the signal's reason.
 */
export async function readPlatformDigests(
  { reference, digest }: { readonly reference: string; readonly digest: string },
  access: RegistryAccess,
  registry: Pick<Registry, "read">,
  signal: AbortSignal,
): Promise<readonly string[] | undefined> {
  const body = await registry.read({ verb: "verify", reference, access }, signal, ({ manifest }) => manifest(digest));
  if (body === undefined) return undefined;
  try {
    const found = parseManifest(body, undefined);
    return found.kind === "index" ? [digest, ...found.manifests.map((one) => one.digest)] : [digest];
  } catch (cause) {
    if (!(cause instanceof ManifestError)) throw cause;
    throw new RegistryError({ kind: cause.kind, message: `Cannot read ${reference}: ${cause.message}`, cause });
  }
}
