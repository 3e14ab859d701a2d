import { sha256Digest } from "../../std/digest.ts";
import { enumerate } from "../../std/shorten.ts";
import { LayerError } from "../layer-error.ts";
import { isFluxContent, ManifestError, parseManifest, type Descriptor } from "../manifest.ts";
import type { Bundle } from "./bundle.ts";
import type { Source } from "./place.ts";

/** The artifact with Flux's manifests among the images of a bundle. */
export type BundledArtifact = {
  readonly digest: string;
  readonly mediaType: string;
  readonly layer: Descriptor;
  /** Where it lies in the bundle, with what is attached to it. */
  readonly from: Source;
};

/** A bundle of all releases in all variants has fewer. */
const maxImages = 2_000;
const artifactsNamed = 3;

/** Finds the artifact in a bundle, which messages call `source`. Throws LayerError where there is not just one. */
export async function findArtifact({ images, source: at }: Bundle, source: string): Promise<BundledArtifact> {
  if (images.length > maxImages) throw new LayerError({ source, why: `it has more than ${maxImages} images` });
  const found: (BundledArtifact & { readonly name: string })[] = [];
  // One after the other: each may take some MB of memory.
  for (const { repository, tag } of images) {
    const [from, name] = [at(repository), `${repository}:${tag}`];
    // oxlint-disable-next-line no-await-in-loop
    const body = await from.manifest(tag);
    if (body === undefined) continue;
    const { mediaType, layer } = fluxLayer(body, { source, entry: name });
    if (layer !== undefined) found.push({ digest: sha256Digest(body), mediaType, layer, from, name });
  }
  const [artifact, ...others] = found;
  if (artifact === undefined)
    throw new LayerError({ source, why: "there is no artifact in it; make it with `distro bundle --artifact`" });
  if (others.length > 0) {
    const names = found.map(({ name }) => name);
    throw new LayerError({ source, why: `it has several artifacts: ${enumerate(names, artifactsNamed)}` });
  }
  return artifact;
}

function fluxLayer(
  body: Uint8Array,
  place: { readonly source: string; readonly entry: string },
): { readonly mediaType: string; readonly layer?: Descriptor } {
  try {
    const manifest = parseManifest(body, undefined);
    const layer = manifest.kind === "manifest" ? manifest.layers[0] : undefined;
    const { mediaType } = manifest;
    return layer !== undefined && isFluxContent(layer) ? { mediaType, layer } : { mediaType };
  } catch (cause) {
    if (!(cause instanceof ManifestError)) throw cause;
    throw new LayerError({ ...place, why: `cannot be used: ${cause.message}`, cause });
  }
}
