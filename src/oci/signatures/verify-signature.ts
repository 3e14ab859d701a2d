import type { X509Certificate } from "@sigstore/core";
import { VerificationError, Verifier } from "@sigstore/verify";
import type { SignedEntity, Signer, TrustMaterial } from "@sigstore/verify";
import { errorMessage } from "../../std/errors.ts";
import type { Finding } from "./claims.ts";
import type { FoundSignature } from "./find-signatures.ts";
import { readSignature, UnreadableError } from "./read-signature.ts";
import type { ReadSignature } from "./read-signature.ts";
import type { Identity, Trust, TrustedKey } from "./trust.ts";

/** Why a signature of `digest` is not good, in words that follow "signature X: "; undefined where it is good. */
export function verifySignature(
  found: Exclude<FoundSignature, { kind: "unusable" }>,
  digest: string,
  trust: Trust,
): Finding {
  try {
    const read = readSignature(found, digest);
    if (read.claim !== undefined) return read.claim;
    return trust.kind === "keys" ? verifyByKey(read, trust) : verifyByCertificate(read, trust);
  } catch (error) {
    if (error instanceof UnreadableError) return error.message;
    // Whoever can push chooses these bytes, and the libraries throw whatever they stumble over.
    return `it cannot be read: ${errorMessage(error)}`;
  }
}

function verifyByKey(read: ReadSignature, { keys, root }: Extract<Trust, { kind: "keys" }>): Finding {
  const signer = keys.find(({ key }) => read.signature.verifySignature(key));
  if (signer === undefined) return `it is of none of the keys ${keys.map(({ name }) => name).join(", ")}`;
  return root === undefined ? undefined : verifyProofs(read, signer, root);
}

/** A trusted root beside keys asks for a proof, of a log or a timestamp authority, that the key was used before others could know it. */
function verifyProofs(read: ReadSignature, { key }: TrustedKey, root: TrustMaterial): Finding {
  const entity = { ...judgedBy(root, read), key: { $case: "public-key", hint: "" } } satisfies SignedEntity;
  if (entity.tlogEntries.length + entity.timestamps.length === 0) return noProof;
  const publicKey = () => ({ publicKey: key, validFor: () => true });
  const verifier = new Verifier({ ...root, publicKey }, { tlogThreshold: 0, ctlogThreshold: 0, timestampThreshold: 0 });
  const result = attemptVerify(verifier, entity);
  return result instanceof VerificationError ? proofFinding(result) : undefined;
}

const inNoLog = "no log of the trusted root vouches for it";
const noProof =
  "it has no log entry and no timestamp that the trusted root could vouch for; sign with --signing-config";

/** Proofs of kinds for which the root lists nobody are left out: it cannot judge them. */
function judgedBy(root: TrustMaterial, read: ReadSignature): ReadSignature {
  return {
    ...read,
    tlogEntries: root.tlogs.length === 0 ? [] : read.tlogEntries,
    timestamps: read.timestamps.filter(({ $case }) =>
      $case === "transparency-log" ? root.tlogs.length > 0 : root.timestampAuthorities.length > 0,
    ),
  };
}

function verifyByCertificate(read: ReadSignature, trust: Extract<Trust, { kind: "keyless" }>): Finding {
  const { certificate } = read;
  if (certificate === undefined) return "it was made with a key, and only signers with a certificate are trusted";
  const { root } = trust;
  const judged = judgedBy(root, read);
  if (judged.timestamps.length === 0)
    return "nothing tells when it was made: it has no log entry and no timestamp that the trusted root could vouch for";
  const thresholds = {
    tlogThreshold: root.tlogs.length === 0 ? 0 : 1,
    ctlogThreshold: root.ctlogs.length === 0 ? 0 : 1,
    timestampThreshold: 1,
  };
  const entity = { ...judged, key: { $case: "certificate", certificate } } satisfies SignedEntity;
  const signer = attemptVerify(new Verifier(root, thresholds), entity);
  if (signer instanceof VerificationError) return certificateFinding(signer, certificate, judged, root);
  return usageFinding(certificate) ?? identityFinding(signer, trust.identities);
}

function attemptVerify(verifier: Verifier, entity: SignedEntity): Signer | VerificationError {
  try {
    return verifier.verify(entity);
  } catch (error) {
    if (error instanceof VerificationError) return error;
    throw error;
  }
}

/** What the library found, in words; for certificates it does not tell apart what users must do different things about. */
function certificateFinding(
  error: VerificationError,
  certificate: X509Certificate,
  { timestamps }: ReadSignature,
  root: TrustMaterial,
): Finding {
  if (error.code !== "CERTIFICATE_ERROR") return proofFinding(error);
  const times = timestamps.map(timeOf);
  const isCovered = times.every((time) =>
    root.certificateAuthorities.some(({ validFor: { start, end } }) => start <= time && time <= end),
  );
  const madeAt = times.map((time) => time.toISOString()).join(", ");
  if (!isCovered)
    return `it was made at ${madeAt}, when no CA of the trusted root was valid; use the trusted root of that time`;
  if (!times.every((time) => certificate.validForDate(time)))
    return `it was made at ${madeAt}, when its certificate was not valid (${certificate.notBefore.toISOString()} to ${certificate.notAfter.toISOString()})`;
  return `its certificate is not vouched for by the trusted root (${errorMessage(error)})`;
}

function timeOf(timestamp: SignedEntity["timestamps"][number]): Date {
  return timestamp.$case === "timestamp-authority"
    ? timestamp.timestamp.signingTime
    : new Date(Number(timestamp.tlogEntry.integratedTime) * 1000);
}

const proofWords: { readonly [code in VerificationError["code"]]?: string } = {
  SIGNATURE_ERROR: "it is not of the key in its certificate",
  TIMESTAMP_ERROR: "its timestamp is not of a timestamp authority of the trusted root",
  TLOG_ERROR: inNoLog,
  TLOG_BODY_ERROR: "its log entry is that of another signature",
  TLOG_INCLUSION_PROOF_ERROR: inNoLog,
  TLOG_INCLUSION_PROMISE_ERROR: inNoLog,
  TLOG_MISSING_INCLUSION_ERROR: inNoLog,
};

function proofFinding(error: VerificationError): string {
  const words = proofWords[error.code];
  return words === undefined ? errorMessage(error) : `${words} (${error.message})`;
}

const codeSigning = "1.3.6.1.5.5.7.3.3";
const extendedKeyUsage = "2.5.29.37";

/** A CA of one's own may also give certificates to servers, whose keys sign no images. */
function usageFinding(certificate: X509Certificate): Finding {
  const usages = certificate.extension(extendedKeyUsage)?.valueObj.subs[0]?.subs ?? [];
  return usages.some((usage) => usage.toOID() === codeSigning) ? undefined : "its certificate is not for signing code";
}

function identityFinding({ identity }: Signer, identities: readonly Identity[]): Finding {
  const issuer = identity?.extensions?.issuer ?? "";
  const subject = identity?.subjectAlternativeName ?? "";
  const isTrusted = (wanted: Identity): boolean =>
    wanted.issuer.matcher(issuer).find() && wanted.subject.matcher(subject).find();
  if (identities.length === 0 || identities.some(isTrusted)) return undefined;
  return `its signer is subject ${JSON.stringify(subject)} of issuer ${JSON.stringify(issuer)}, whom matchOIDCIdentity does not name`;
}
