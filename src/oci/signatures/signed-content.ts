import { createHash, timingSafeEqual, verify } from "node:crypto";
import type { KeyObject } from "node:crypto";
import type { SignedEntity } from "@sigstore/verify";

type SignatureContent = SignedEntity["signature"];

/** `signed` are the bytes that were signed, `payload` those that a log's entry for an envelope has the digest of. */
export type Signed = { readonly signed: Buffer; readonly payload: Buffer; readonly signature: Buffer };

/**
 * A signature as @sigstore/verify compares it with keys and log entries. That library's own classes take SHA-256 only, and cosign signs with
 * SHA-384 and SHA-512 where the curve is longer.
 */
export function signedContent({ signed, payload, signature }: Signed): SignatureContent {
  return {
    signature,
    compareSignature: (other) => isEqual(other, signature),
    compareDigest: (digest) => isDigestOf(digest, payload),
    compareSignedDigest: (digest) => isDigestOf(digest, signed),
    verifySignature: (key) => isSignedBy(key, signed, signature),
  };
}

/** Whether `signature` over `signed` is of the owner of `key`. */
export function isSignedBy(key: KeyObject, signed: Uint8Array, signature: Uint8Array): boolean {
  return hashesFor(key).some((hash) => {
    try {
      return verify(hash, signed, key, signature);
    } catch {
      return false; // The bytes are no signature of this form.
    }
  });
}

const curveHashes: { readonly [curve: string]: readonly string[] } = {
  prime256v1: ["sha256"],
  secp384r1: ["sha384", "sha256"],
  secp521r1: ["sha512", "sha256"],
};

/** The hashes that cosign uses with such a key; cosign 2 took SHA-256 for all of them. Ed25519 has its own. */
function hashesFor({ asymmetricKeyType: type, asymmetricKeyDetails: details }: KeyObject): readonly (string | null)[] {
  if (type === "ed25519") return [null];
  if (type === "rsa") return ["sha256"];
  return type === "ec" ? (curveHashes[details?.namedCurve ?? ""] ?? []) : [];
}

const hashOfLength: { readonly [bytes: number]: string } = { 32: "sha256", 48: "sha384", 64: "sha512" };

function isDigestOf(digest: Buffer, content: Buffer): boolean {
  const hash = hashOfLength[digest.length];
  return hash !== undefined && isEqual(digest, createHash(hash).update(content).digest());
}

function isEqual(left: Buffer, right: Buffer): boolean {
  return left.length === right.length && timingSafeEqual(left, right);
}
