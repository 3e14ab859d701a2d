import { oneLine } from "../failures.ts";
import type { RepositoryReads } from "../registry.ts";
import { findSignatures } from "./find-signatures.ts";
import type { Subject, TrustInput } from "./trust-input.ts";
import { SignatureError } from "./signature-error.ts";
import { readTrust } from "./trust.ts";
import { verifySignature } from "./verify-signature.ts";

/** Enough for issuer and subject of a certificate. Whoever can push chooses what is quoted. */
const maxFindingLength = 600;
/** More findings do not help a reader. */
const toldFindings = 3;

/** Resolves when a signature of `subject` is good. Throws SignatureError that says of each signature why it is not, and what to do. */
export async function verifyDigest(subject: Subject, input: TrustInput, repository: RepositoryReads): Promise<void> {
  const trust = await readTrust(input);
  const findings: string[] = [];
  for await (const found of findSignatures(subject.digest, repository)) {
    const why = found.kind === "unusable" ? found.why : verifySignature(found, subject.digest, trust);
    if (why === undefined) return;
    findings.push(`${found.name}: ${oneLine(why, maxFindingLength)}`);
  }
  throw refused(subject, input, findings.toSorted());
}

function refused({ reference }: Subject, { remedy }: TrustInput, findings: readonly string[]): SignatureError {
  const [count, told] = [findings.length, findings.slice(0, toldFindings).join("; ")];
  const rest = count > toldFindings ? `; and ${count - toldFindings} more` : "";
  const why = count === 0 ? "it has no signature" : `no signature of it is good: ${told}${rest}`;
  return new SignatureError(`Cannot trust ${reference}: ${why}; ${remedy}`);
}
