import type { CanonicalInstance } from "../api/canonical.ts";
import { findRelease } from "../distribution/catalog.ts";
import { imagesToResolve, type LiveDigests } from "../distribution/images.ts";
import { isSameRegistry } from "../oci/reference.ts";
import { resolveImages, unresolved, type ResolvedImage } from "../oci/resolve-images.ts";
import type { Catalogue } from "../render/target.ts";
import { openRegistry, readAccess, registryRemedy } from "./registry-access.ts";
import type { Terminal } from "./terminal.ts";

/** The releases to choose from, and whether the registry of a mirror is asked by itself, as the operator does. */
export type Sources = { readonly catalogue: Catalogue; readonly asksMirrors: boolean };

/** The registry that the spec does not ask for may be out of reach. */
const [timeoutMs, shortTimeoutMs] = [30_000, 5_000];

/**
 * `catalogue` with the digests that the registry has for the images of `instance`, where its spec asks for them, and of mirrors with
 * `asksMirrors`. What the registry does not answer is part of the result. Throws InputError for credentials that cannot be read, and as
 * `Catalogue.load`.
 */
export async function withLiveDigests(
  { spec: { distribution, components } }: CanonicalInstance,
  { catalogue, asksMirrors }: Sources,
  { env }: Pick<Terminal, "env">,
  signal: AbortSignal,
): Promise<Catalogue> {
  const isAsked =
    distribution.digests === "Registry" || (distribution.digests === "RegistryIfReachable" && asksMirrors);
  const found = findRelease(distribution.version, catalogue.versions);
  if (!isAsked || found.kind !== "found") return catalogue;
  const images = imagesToResolve(catalogue.load(found.version), distribution, components);
  const { artifact, artifactInsecure } = distribution;
  const isExplicit = distribution.digests === "Registry";
  const isShared = artifact === undefined ? isExplicit : isSameRegistry(artifact, `${distribution.registry}/image`);
  const known = await readAccess(isShared && artifactInsecure, env);
  const access = { ...known, timeoutMs: isExplicit ? timeoutMs : shortTimeoutMs };
  const registry = openRegistry(env);
  try {
    return { ...catalogue, live: liveOf(await resolveImages(images, access, registry, signal), env) };
  } finally {
    await registry.close();
  }
}

function liveOf(results: readonly ResolvedImage[], env: Terminal["env"]): LiveDigests {
  const known = results.flatMap((result) => ("digest" in result ? [[result.image, result.digest]] : []));
  const failure = unresolved(results);
  const remedy = registryRemedy(failure?.error, env, "spec.distribution.artifactInsecure allows plain HTTP");
  const trouble = failure === undefined ? {} : { trouble: `${failure.error.message}${remedy}${failure.others}` };
  return { resolved: Object.fromEntries(known), ...trouble };
}
