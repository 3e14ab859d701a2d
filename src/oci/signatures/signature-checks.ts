import { sha256Hex } from "../../std/digest.ts";
import { canonicalJson } from "../../std/json.ts";
import type { Registry, RegistryAccess } from "../registry.ts";
import type { Subject, TrustInput } from "./trust-input.ts";

/** Most good verdicts that are kept: those of a few artifacts and their images. */
const keptVerdicts = 256;

/**
 * Verifies signatures, and remembers for which digests they were good: the same digest is looked at again only when keys, root or identities are
 * others. One for the whole process. The libraries are loaded with the first check, so that only those pay for them who verify.
 */
export class SignatureChecks {
  readonly #registry: Pick<Registry, "read">;
  readonly #good = new Set<string>();

  constructor(registry: Pick<Registry, "read">) {
    this.#registry = registry;
  }

  /** Throws SignatureError unless a good signature of the digest is in its repository, RegistryError where that does not answer. */
  async check(subject: Subject, trust: TrustInput, access: RegistryAccess, signal: AbortSignal): Promise<void> {
    const key = sha256Hex(canonicalJson({ digest: subject.digest, trust }));
    if (this.#good.has(key)) return;
    const { verifyDigest } = await import("./verify-digest.ts");
    const request = { verb: "verify", reference: subject.reference, access } as const;
    await this.#registry.read(request, signal, (repository) => verifyDigest(subject, trust, repository));
    this.#good.add(key);
    const oldest = this.#good.keys().next();
    if (this.#good.size > keptVerdicts && oldest.done !== true) this.#good.delete(oldest.value);
  }
}
