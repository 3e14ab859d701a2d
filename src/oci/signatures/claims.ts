import { isJsonObject } from "../../std/json.ts";
import { listOf, objectOf, signPredicate } from "./find-signatures.ts";

/** Why what was signed is no signature of `digest`, in words that follow "signature X: "; undefined where it is one. */
export type Finding = string | undefined;

/**
 * What cosign 1 and 2 sign: a JSON document with the digest of the image. The name of the image in it is not compared, since copies of an image
 * keep its signatures. Source: github.com/containers/image, docs/containers-signature.5.md.
 */
export function simpleSigningFinding(payload: Uint8Array, digest: string): Finding {
  const critical = objectOf(payload)?.["critical"];
  const image = isJsonObject(critical) ? critical["image"] : undefined;
  const signed = isJsonObject(image) ? image["docker-manifest-digest"] : undefined;
  if (typeof signed !== "string") return "what it signs is no document of cosign";
  return signed === digest ? undefined : ofAnother(signed);
}

const statementTypes: ReadonlySet<unknown> = new Set([
  "https://in-toto.io/Statement/v1",
  "https://in-toto.io/Statement/v0.1",
]);

/** What cosign 3 signs: an in-toto statement whose subject is the image. Source: in-toto attestation framework 1.1, "Statement". */
export function statementFinding(payload: Uint8Array, digest: string): Finding {
  const statement = objectOf(payload);
  if (statement === undefined || !statementTypes.has(statement["_type"]))
    return "what it signs is no in-toto statement";
  const predicate = statement["predicateType"];
  if (predicate !== signPredicate) {
    const kind = typeof predicate === "string" ? JSON.stringify(predicate.slice(0, 100)) : "without a type";
    return `it is a statement about the image (${kind}), and not its signature`;
  }
  const subjects = listOf(statement["subject"]).flatMap(({ digest: digests }) => {
    const hex = isJsonObject(digests) ? digests["sha256"] : undefined;
    return typeof hex === "string" ? [`sha256:${hex}`] : [];
  });
  if (subjects.includes(digest)) return undefined;
  const [other] = subjects;
  return other === undefined ? "what it signs names no digest" : ofAnother(other);
}

function ofAnother(signed: string): string {
  return `it is the signature of another image, ${signed.slice(0, 80)}`;
}
