import type { CanonicalInstance } from "../api/canonical.ts";
import { findRelease } from "../distribution/catalog.ts";
import { imagesToResolve, type LiveDigests } from "../distribution/images.ts";
import { isSameRegistry } from "../oci/reference.ts";
import { resolveImages, unresolved, type ResolvedImage } from "../oci/resolve-images.ts";
import type { Catalogue } from "../render/target.ts";
import { openRegistry, readDockerConfig, registryRemedy } from "./registry-access.ts";
import type { Terminal } from "./terminal.ts";

/**
 * `catalogue` with the digests that the registry has for the images of `instance`, where its spec asks for them. What the registry does not
 * answer is part of the result. Throws InputError for credentials that cannot be read, and as `Catalogue.load`.
 */
export async function withLiveDigests(
  { spec: { distribution, components } }: CanonicalInstance,
  catalogue: Catalogue,
  { env }: Pick<Terminal, "env">,
  signal: AbortSignal,
): Promise<Catalogue> {
  const found = findRelease(distribution.version, catalogue.versions);
  if (distribution.digests !== "Registry" || found.kind !== "found") return catalogue;
  const images = imagesToResolve(catalogue.load(found.version), distribution, components);
  const dockerConfig = await readDockerConfig(env);
  const registry = openRegistry(env);
  try {
    const { artifact, artifactInsecure } = distribution;
    const isShared = artifact === undefined || isSameRegistry(artifact, `${distribution.registry}/image`);
    const insecure = isShared && artifactInsecure;
    const access = { insecure, ...(dockerConfig === undefined ? {} : { dockerConfig }) };
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
