import { createPublicKey } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { TrustedRoot } from "@sigstore/protobuf-specs";
import { toTrustMaterial } from "@sigstore/verify";
import type { TrustMaterial } from "@sigstore/verify";
import { RE2JS, RE2JSSyntaxException } from "re2js";
import { errorMessage } from "../../std/errors.ts";
import type { TrustInput } from "./trust-input.ts";
import { SignatureError } from "./signature-error.ts";

/** Whose signatures count, as the verification takes it. */
export type Trust =
  /** `root`: a signature must also stand in a log, or have a timestamp, of this root. */
  | { readonly kind: "keys"; readonly keys: readonly TrustedKey[]; readonly root?: TrustMaterial }
  /** `identities` is empty where every signer counts who has a certificate of the root. */
  | { readonly kind: "keyless"; readonly root: TrustMaterial; readonly identities: readonly Identity[] };

/** A public key and the entry that it comes from. */
export type TrustedKey = { readonly name: string; readonly key: KeyObject };

/** A signer, by regular expressions as in Flux: RE2, which match anywhere in the text unless they are anchored. */
export type Identity = { readonly issuer: RE2JS; readonly subject: RE2JS };

/** Reads keys, trusted root and identities. Throws SignatureError that names the entry which cannot be used. */
export async function readTrust(input: TrustInput): Promise<Trust> {
  const { keys = [], identities = [] } = input;
  if (keys.length > 0) {
    const root = input.trustedRoot === undefined ? {} : { root: readRoot(input.trustedRoot) };
    return { kind: "keys", keys: keys.map(readKey), ...root };
  }
  const root = readRoot(input.trustedRoot ?? (await publicGoodRoot()));
  if (root.certificateAuthorities.length === 0)
    throw unusable(
      input.trustedRoot?.name ?? "",
      "has no certificateAuthorities, so that it trusts no signer; add them",
    );
  if (root.tlogs.length + root.timestampAuthorities.length === 0) {
    const why =
      "has neither tlogs nor timestampAuthorities, so that nothing tells when a certificate was used; add one of them";
    throw unusable(input.trustedRoot?.name ?? "", why);
  }
  return { kind: "keyless", root, identities: identities.map(readIdentity) };
}

/** What `trusted_root.json` of the public Sigstore instance said when this operator was built. */
async function publicGoodRoot(): Promise<Named> {
  const { publicGoodRoot: text } = await import("./public-good-root.ts");
  return { name: "the trusted root of the public Sigstore instance", text };
}

type Named = { readonly name: string; readonly text: string };

function readRoot({ name, text }: Named): TrustMaterial {
  try {
    return toTrustMaterial(TrustedRoot.fromJSON(JSON.parse(text)));
  } catch (cause) {
    // The words of JSON.parse quote the text, which may be another one than was meant.
    const detail = cause instanceof SyntaxError ? "no JSON" : errorMessage(cause);
    const why = `is no trusted root (${detail}); make it with \`cosign trusted-root create\``;
    throw unusable(name, why, cause);
  }
}

function readKey({ name, text }: Named): TrustedKey {
  const key = parseKey(name, text);
  const why = whyWeak(key);
  if (why === undefined) return { name, key };
  throw unusable(name, `${why}; ${goodKeys}`);
}

const goodKeys = "use an ECDSA key (P-256, P-384 or P-521), RSA from 2048 bits, or Ed25519";

function parseKey(name: string, text: string): KeyObject {
  if (text.includes("PRIVATE KEY"))
    throw unusable(name, "is a private key, which belongs in no cluster; put in the public one (cosign public-key)");
  try {
    return createPublicKey(text);
  } catch (cause) {
    // A FIPS provider does not read keys that it does not take.
    if (text.includes("BEGIN PUBLIC KEY"))
      throw unusable(name, `is a public key that cannot be read; ${goodKeys}`, cause);
    throw unusable(name, "is no public key in PEM form; write it with `cosign public-key`", cause);
  }
}

const curves: ReadonlySet<string | undefined> = new Set(["prime256v1", "secp384r1", "secp521r1"]);
const minRsaBits = 2048;

function whyWeak({ asymmetricKeyType: type, asymmetricKeyDetails: details }: KeyObject): string | undefined {
  if (type === "ed25519") return undefined;
  if (type === "rsa") {
    const bits = details?.modulusLength ?? 0;
    return bits >= minRsaBits ? undefined : `is an RSA key of ${bits} bits, which is too short`;
  }
  if (type !== "ec") return `is a key of type ${type}, which cannot be used`;
  return curves.has(details?.namedCurve)
    ? undefined
    : `is a key on the curve ${details?.namedCurve}, which cannot be used`;
}

function readIdentity(
  { issuer, subject }: { readonly issuer: string; readonly subject: string },
  at: number,
): Identity {
  return { issuer: compile(issuer, `[${at}].issuer`), subject: compile(subject, `[${at}].subject`) };
}

function compile(pattern: string, place: string): RE2JS {
  try {
    return RE2JS.compile(pattern);
  } catch (cause) {
    if (!(cause instanceof RE2JSSyntaxException)) throw cause;
    const name = `matchOIDCIdentity${place} ${JSON.stringify(pattern)}`;
    throw unusable(
      name,
      `is no regular expression (${cause.message}); see https://github.com/google/re2/wiki/Syntax`,
      cause,
    );
  }
}

function unusable(name: string, why: string, cause?: unknown): SignatureError {
  return new SignatureError(`Cannot verify signatures: ${name} ${why}`, cause);
}
