import { enumerate } from "../std/shorten.ts";
import { referenceOfImage } from "./reference.ts";
import { RegistryError, type RegistryErrorKind } from "./registry-error.ts";
import type { Registry, RegistryAccess } from "./registry.ts";

/** The digest of the index or manifest that an image's tag names now, or why it is not known. */
export type ResolvedImage =
  | { readonly image: string; readonly digest: string }
  | { readonly image: string; readonly error: RegistryError };

/** Failures that another image of the same registry would meet as well. */
const ofRegistry: ReadonlySet<RegistryErrorKind> = new Set<RegistryErrorKind>([
  "reference",
  "credentials",
  "unreachable",
  "timeout",
  "rate-limited",
  "server",
]);

/**
 * Asks one registry for the digests of `images` ("ghcr.io/fluxcd/source-controller:v1.9.4"), with one request each when it answers HEAD with a
 * digest. The first one is asked for alone: when the registry is away, the others are not asked for. The results are in the order of `images`.
 * Throws only the signal's reason, and errors that are bugs.
 */
export async function resolveImages(
  images: readonly string[],
  access: RegistryAccess,
  registry: Pick<Registry, "resolve">,
  signal: AbortSignal,
): Promise<readonly ResolvedImage[]> {
  const [first, ...others] = images;
  if (first === undefined) return [];
  const resolve = (image: string): Promise<ResolvedImage> => resolveImage(image, access, registry, signal);
  const found = await resolve(first);
  if ("error" in found && ofRegistry.has(found.error.kind)) return images.map((image) => ({ ...found, image }));
  return [found, ...(await Promise.all(others.map(resolve)))];
}

async function resolveImage(
  image: string,
  access: RegistryAccess,
  registry: Pick<Registry, "resolve">,
  signal: AbortSignal,
): Promise<ResolvedImage> {
  try {
    const { digest } = await registry.resolve(referenceOfImage(image), access, signal);
    return { image, digest };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof RegistryError) return { image, error };
    throw error;
  }
}

/** How many of the images that meet the same failure are named. */
const namedImages = 3;

/**
 * Which images have no digest, and why: the error of the first, and the end of a sentence that names the others. Undefined when all have one.
 */
export function unresolved(
  results: readonly ResolvedImage[],
): { readonly error: RegistryError; readonly others: string } | undefined {
  const [first, ...others] = results.filter((result) => "error" in result);
  if (first === undefined) return undefined;
  const names = others.map(({ image }) => image);
  return { error: first.error, others: names.length === 0 ? "" : `; likewise ${enumerate(names, namedImages)}` };
}
