import type { CanonicalSpec } from "../../../api/spec.ts";
import { readPlatformDigests } from "../../../oci/platform-digests.ts";
import { referenceOfImage } from "../../../oci/reference.ts";
import type { Registry } from "../../../oci/registry.ts";
import { attemptAsync } from "../../../std/attempt.ts";
import { ReasonedError } from "../../../std/errors.ts";
import { readImageAccess, type AccessDeps } from "./artifact-access.ts";

/** The registry, and the API server for Secrets. */
export type IndexContentsDeps = AccessDeps & { readonly registry: Pick<Registry, "read"> };

const kept = 32;
const timeoutMs = 5_000;

/**
 * By which digests an image may be pulled: an index has a manifest for each platform. What a digest names never changes, so it is asked for once. The registry is asked only
 * where it is asked for digests anyhow.
 */
export class IndexContents {
  readonly #deps: IndexContentsDeps;
  readonly #known = new Map<string, readonly string[]>();

  constructor(deps: IndexContentsDeps) {
    this.#deps = deps;
  }

  /**
   * The digests by which `image` ("repository@sha256:...") may be pulled: its own, and of an index those of its platforms. Undefined when they
   * cannot be known now.
   */
  async platformsOf(
    image: string,
    { distribution, namespace }: { readonly distribution: CanonicalSpec["distribution"]; readonly namespace: string },
    signal: AbortSignal,
  ): Promise<readonly string[] | undefined> {
    if (distribution.digests === "Catalog") return undefined;
    const known = this.#known.get(image);
    if (known !== undefined) return known;
    const read = async (): Promise<readonly string[] | undefined> => {
      const access = { ...(await readImageAccess(distribution, namespace, this.#deps, signal)), timeoutMs };
      const [, digest = ""] = image.split("@");
      return await readPlatformDigests(
        { reference: referenceOfImage(image), digest },
        access,
        this.#deps.registry,
        signal,
      );
    };
    // Why it is away is told where its tags are resolved.
    const found = await attemptAsync(read, signal);
    if (found === undefined || found instanceof ReasonedError) return undefined;
    this.#known.set(image, found);
    const oldest = this.#known.keys().next();
    if (this.#known.size > kept && oldest.done !== true) this.#known.delete(oldest.value);
    return found;
  }
}
