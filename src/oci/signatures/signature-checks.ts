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

  /** Whether `check` has found a good signature of the digest before, with the same keys, root and identities. */
  isGood(digest: string, trust: TrustInput): boolean {
    return this.#good.has(keyOf(digest, trust));
  }

  /** Throws SignatureError unless a good signature of the digest is in its repository, RegistryError where that does not answer. */
  async check(subject: Subject, trust: TrustInput, access: RegistryAccess, signal: AbortSignal): Promise<void> {
    if (this.isGood(subject.digest, trust)) return;
    const { verifyDigest } = await import("./verify-digest.ts");
    const request = { verb: "verify", reference: subject.reference, access } as const;
    await this.#registry.read(request, signal, (repository) => verifyDigest(subject, trust, repository));
    this.#good.add(keyOf(subject.digest, trust));
    const oldest = this.#good.keys().next();
    if (this.#good.size > keptVerdicts && oldest.done !== true) this.#good.delete(oldest.value);
  }
}

function keyOf(digest: string, trust: TrustInput): string {
  return sha256Hex(canonicalJson({ digest, trust }));
}
