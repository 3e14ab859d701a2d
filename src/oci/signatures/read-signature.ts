import { bundleFromJSON } from "@sigstore/bundle";
import type { Bundle, TransparencyLogEntry } from "@sigstore/bundle";
import { RFC3161Timestamp, X509Certificate, dsse } from "@sigstore/core";
import { toSignedEntity } from "@sigstore/verify";
import type { SignedEntity } from "@sigstore/verify";
import { isJsonObject } from "../../std/json.ts";
import { simpleSigningFinding, statementFinding } from "./claims.ts";
import type { Finding } from "./claims.ts";
import { objectOf } from "./find-signatures.ts";
import type { FoundSignature, TextMap } from "./find-signatures.ts";
import { signedContent } from "./signed-content.ts";

/** A signature that was read, and not yet verified. */
export type ReadSignature = Pick<SignedEntity, "signature" | "tlogEntries" | "timestamps"> & {
  /** Undefined where it was made with a key of its own. */
  readonly certificate: X509Certificate | undefined;
  /** Why it is no signature of the digest; undefined where it claims to be one. */
  readonly claim: Finding;
};

/** A signature that cannot be read; the message follows "signature X: ". */
export class UnreadableError extends Error {}

/** Reads either form of a signature. Throws UnreadableError, and whatever the libraries throw at malformed content. */
export function readSignature(found: Exclude<FoundSignature, { kind: "unusable" }>, digest: string): ReadSignature {
  return found.kind === "simple" ? readSimple(found, digest) : readBundle(found.body, digest);
}

type Simple = Extract<FoundSignature, { kind: "simple" }>;

/** Source: github.com/sigstore/cosign, specs/SIGNATURE_SPEC.md. */
function readSimple({ payload, annotations }: Simple, digest: string): ReadSignature {
  const signature = annotations["dev.cosignproject.cosign/signature"];
  if (signature === undefined) throw new UnreadableError("it lacks the annotation with the signature itself");
  const certificate = annotations["dev.sigstore.cosign/certificate"] ?? "";
  const signed = Buffer.from(payload);
  return {
    signature: signedContent({ signed, payload: signed, signature: Buffer.from(signature, "base64") }),
    certificate: certificate === "" ? undefined : X509Certificate.parse(certificate),
    claim: simpleSigningFinding(payload, digest),
    ...proofsOf(annotations),
  };
}

function proofsOf(annotations: TextMap): Pick<ReadSignature, "tlogEntries" | "timestamps"> {
  const [log, stamp] = [annotations["dev.sigstore.cosign/bundle"], annotations["dev.sigstore.cosign/rfc3161timestamp"]];
  const tlogEntries = log === undefined || log === "" ? [] : [logEntryOf(log)];
  const timestamps: SignedEntity["timestamps"] = tlogEntries.map((tlogEntry) => ({
    $case: "transparency-log",
    tlogEntry,
  }));
  if (stamp !== undefined && stamp !== "") {
    const bytes = objectOf(Buffer.from(stamp))?.["SignedRFC3161Timestamp"];
    if (typeof bytes !== "string") throw new UnreadableError("its timestamp is not as cosign writes it");
    timestamps.push({
      $case: "timestamp-authority",
      timestamp: RFC3161Timestamp.parse(Buffer.from(bytes, "base64")),
    });
  }
  return { tlogEntries, timestamps };
}

/** The entry of the log as cosign 1 and 2 keep it: with the log's promise, which also vouches for the time. */
function logEntryOf(annotation: string): TransparencyLogEntry {
  const { SignedEntryTimestamp: promise, Payload: payload } = objectOf(Buffer.from(annotation)) ?? {};
  const { body, integratedTime, logIndex, logID } = isJsonObject(payload) ? payload : {};
  const wrong = new UnreadableError("its log entry is not as cosign writes it");
  if (typeof promise !== "string" || typeof body !== "string" || typeof logID !== "string") throw wrong;
  if (typeof integratedTime !== "number" || typeof logIndex !== "number") throw wrong;
  const canonicalizedBody = Buffer.from(body, "base64");
  const { kind, apiVersion: version } = objectOf(canonicalizedBody) ?? {};
  if (typeof kind !== "string" || typeof version !== "string") throw wrong;
  return {
    canonicalizedBody,
    integratedTime: String(integratedTime),
    logIndex: String(logIndex),
    logId: { keyId: Buffer.from(logID, "hex") },
    kindVersion: { kind, version },
    inclusionPromise: { signedEntryTimestamp: Buffer.from(promise, "base64") },
    inclusionProof: undefined,
  };
}

/** Source: github.com/sigstore/protobuf-specs, sigstore_bundle.proto. */
function readBundle(body: Uint8Array, digest: string): ReadSignature {
  const document = objectOf(body);
  if (document === undefined) throw new UnreadableError("it is no JSON object");
  const bundle = bundleFromJSON(document);
  if (bundle.content.$case !== "dsseEnvelope")
    throw new UnreadableError("it signs bytes and no statement about the image; sign it with `cosign sign`");
  const { payload, payloadType, signatures } = bundle.content.dsseEnvelope;
  if (payloadType !== "application/vnd.in-toto+json")
    throw new UnreadableError("what it signs is no in-toto statement");
  const signed = dsse.preAuthEncoding(payloadType, payload);
  const signature = signatures[0]?.sig ?? Buffer.alloc(0);
  const { tlogEntries, timestamps } = toSignedEntity(bundle);
  return {
    signature: signedContent({ signed, payload, signature }),
    certificate: certificateOf(bundle),
    claim: statementFinding(payload, digest),
    tlogEntries,
    timestamps,
  };
}

function certificateOf({ verificationMaterial: { content } }: Bundle): X509Certificate | undefined {
  if (content.$case === "publicKey") return undefined;
  const raw =
    content.$case === "certificate"
      ? content.certificate.rawBytes
      : content.x509CertificateChain.certificates[0]?.rawBytes;
  return raw === undefined ? undefined : X509Certificate.parse(Buffer.from(raw));
}
