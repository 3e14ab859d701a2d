import assert from "node:assert/strict";
import { generateKeyPairSync, getFips } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { test } from "node:test";
import {
  contentOf,
  repositoryWith,
  signBundle,
  signTag,
  type MadeSignature,
  type SignatureContent,
} from "../../../test/support/signatures.ts";
import { SignatureError } from "./signature-error.ts";
import type { TrustInput } from "./trust-input.ts";
import { verifyDigest } from "./verify-digest.ts";

const digest = `sha256:${"a1".repeat(32)}`;
const other = `sha256:${"b2".repeat(32)}`;
const reference = `oci://example.com/app@${digest}`;
const remedy = "sign it";

type KeyPair = { readonly publicKey: KeyObject; readonly privateKey: KeyObject };
const ec = (namedCurve: string): KeyPair => generateKeyPairSync("ec", { namedCurve });
const ours = ec("P-256");
const theirs = ec("P-256");
const [p384, p521] = [ec("P-384"), ec("P-521")];
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const ed25519 = generateKeyPairSync("ed25519");

function pem(key: KeyObject): string {
  return key.export({ format: "pem", type: key.type === "public" ? "spki" : "pkcs8" });
}

function trustOf(...pairs: readonly KeyPair[]): TrustInput {
  return { keys: pairs.map(({ publicKey }, at) => ({ name: `key${at}.pub`, text: pem(publicKey) })), remedy };
}

/** Public keys that are too weak, in base64: in FIPS mode nobody can make them. */
const short =
  "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC6WLWH6pDO9aIPMXzhHQkg0WU3f+K08La+WKGc0hAC2ejgPipIEvwCitOdLUo0QQPbGUqFmKAtqyVh9Z2NY5kTbClsxfFeMhwbLdc/6IUGdfbrS+y/Ji9Ue4Yp7T06+K6FH5Atfzr9vzfEnQelQoDESFlrae9cUE47ZfVWq2k6LQIDAQAB";
const onSecp256k1 =
  "MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAEJhXovk+nPePWx7fhQisEg2CB6wdN6qWZt+Ypz3UUqGl9VrPEHi8FSUUzAgyP7HEPEC3Kim2CQzrrRl8xKS6drw==";

function trustInText(base64: string): TrustInput {
  return {
    keys: [{ name: "key0.pub", text: `-----BEGIN PUBLIC KEY-----\n${base64}\n-----END PUBLIC KEY-----\n` }],
    remedy,
  };
}

async function messageOf(content: SignatureContent, trust: TrustInput, api = false): Promise<string> {
  try {
    await verifyDigest({ reference, digest }, trust, repositoryWith(content, api));
    return "good";
  } catch (error) {
    assert.ok(error instanceof SignatureError);
    assert.deepEqual([error.reason, error.retry], ["VerificationFailed", "backoff"]);
    return error.message.replaceAll(/sha256:[0-9a-f]{12}(?= \()/g, "sha256:...");
  }
}

const key = ours.privateKey;

for (const { name, signatures, trust = trustOf(ours) } of [
  { name: "a tag signature", signatures: [signTag({ key, digest })] },
  { name: "a bundle", signatures: [signBundle({ key, digest })] },
  { name: "a signature of the second key", signatures: [signTag({ key, digest })], trust: trustOf(theirs, ours) },
  {
    name: "one good signature among bad ones",
    signatures: [
      signBundle({ key: theirs.privateKey, digest }),
      signTag({ key: theirs.privateKey, digest }),
      signTag({ key, digest }),
    ],
  },
  ...[signTag, signBundle].flatMap((make) =>
    [
      { pair: p384, hash: "sha384" },
      { pair: p384, hash: "sha256" },
      { pair: p521, hash: "sha512" },
      { pair: p521, hash: "sha256" },
      { pair: rsa, hash: "sha256" },
      { pair: ed25519, hash: null },
    ].map(({ pair, hash }) => {
      const { asymmetricKeyType: type, asymmetricKeyDetails: details } = pair.publicKey;
      return {
        name: `${make.name} with ${details?.namedCurve ?? type} and ${hash ?? "no hash"}`,
        signatures: [make({ key: pair.privateKey, digest, hash })],
        trust: trustOf(pair),
      };
    }),
  ),
] satisfies readonly { name: string; signatures: readonly MadeSignature[]; trust?: TrustInput }[]) {
  test(`verifyDigest() takes ${name}`, async () => {
    assert.equal(await messageOf(contentOf(signatures), trust), "good");
    assert.equal(await messageOf(contentOf(signatures), trust, true), "good");
  });
}

function changed(made: MadeSignature, change: Partial<MadeSignature>): MadeSignature {
  return { ...made, ...change };
}

const garbage = Buffer.from("garbage");
const tagged = signTag({ key, digest });
const bundled = signBundle({ key, digest });
const bad = (why: string): string =>
  `Cannot trust ${reference}: no signature of it is good: sha256:... ${why}; ${remedy}`;

for (const { name, signatures, want, trust = trustOf(ours) } of [
  { name: "something unsigned", signatures: [], want: `Cannot trust ${reference}: it has no signature; ${remedy}` },
  {
    name: "a tag signature of another key",
    signatures: [signTag({ key: theirs.privateKey, digest })],
    want: bad("(tag .sig): it is of none of the keys key0.pub"),
  },
  {
    name: "a bundle of another key",
    signatures: [signBundle({ key: theirs.privateKey, digest })],
    trust: trustOf(ours, p384),
    want: bad("(bundle): it is of none of the keys key0.pub, key1.pub"),
  },
  {
    name: "a tag signature of another image",
    signatures: [signTag({ key, digest, claimed: other })],
    want: bad(`(tag .sig): it is the signature of another image, ${other}`),
  },
  {
    name: "a bundle of another image",
    signatures: [signBundle({ key, digest, claimed: other })],
    want: bad(`(bundle): it is the signature of another image, ${other}`),
  },
  {
    name: "a tag signature whose document was changed",
    signatures: [changed(signTag({ key, digest, claimed: other }), { layer: tagged.layer })],
    want: bad("(tag .sig): it is of none of the keys key0.pub"),
  },
  {
    name: "a tag signature without the signature",
    signatures: [changed(tagged, { annotations: {} })],
    want: bad("(tag .sig): it lacks the annotation with the signature itself"),
  },
  {
    name: "a tag signature of garbage",
    signatures: [changed(tagged, { layer: garbage })],
    want: bad("(tag .sig): what it signs is no document of cosign"),
  },
  {
    name: "a garbled log entry",
    signatures: [changed(tagged, { annotations: { ...tagged.annotations, "dev.sigstore.cosign/bundle": "{}" } })],
    want: bad("(tag .sig): its log entry is not as cosign writes it"),
  },
  {
    name: "a bundle that is garbage",
    signatures: [changed(bundled, { layer: garbage })],
    want: bad("(bundle): it is no JSON object"),
  },
  {
    name: "a bundle without content",
    signatures: [changed(bundled, { layer: Buffer.from("{}") })],
    want: bad("(bundle): it cannot be read: invalid bundle"),
  },
  {
    name: "a statement that passes for a signature in the list",
    signatures: [
      changed(signBundle({ key, digest, predicateType: "https://spdx.dev/Document" }), {
        annotations: bundled.annotations,
      }),
    ],
    want: bad('(bundle): it is a statement about the image ("https://spdx.dev/Document"), and not its signature'),
  },
  {
    name: "something with statements only",
    signatures: [signBundle({ key, digest, predicateType: "https://spdx.dev/Document" })],
    want: `Cannot trust ${reference}: it has no signature; ${remedy}`,
  },
] satisfies readonly { name: string; signatures: readonly MadeSignature[]; want: string; trust?: TrustInput }[]) {
  test(`verifyDigest() refuses ${name}`, async () => {
    assert.equal(await messageOf(contentOf(signatures), trust), want);
  });
}

test("verifyDigest() quotes no line breaks, and not all of a text that strangers wrote", async () => {
  const algorithm = "line\n".repeat(1_000);
  const layer = Buffer.from(JSON.stringify({ messageSignature: { messageDigest: { algorithm } } }));
  const said = await messageOf(contentOf([changed(bundled, { layer })]), trustOf(ours));
  assert.match(said, /\(bundle\): it cannot be read: [^\n]*line line[^\n]*\.\.\.; sign it$/);
  assert.ok(said.length < 1_000, said);
});

test("verifyDigest() tells which bundle the registry lists and does not have", async () => {
  const { blobs, manifests } = contentOf([bundled]);
  const listed = { blobs, manifests: manifests.filter(({ name }) => !name.startsWith("sha256:")) };
  assert.equal(await messageOf(listed, trustOf(ours)), bad("(bundle): the registry lists it and does not have it"));
});

test("verifyDigest() tells of three signatures, and how many more there are", async () => {
  const makers = [theirs, p384, p521, rsa].map(({ privateKey }) => signTag({ key: privateKey, digest }));
  const signatures = makers.map((made, at) => changed(made, { layer: Buffer.from(String(at)) }));
  const said = await messageOf(contentOf(signatures), trustOf(ours));
  assert.match(said, /(sha256:\.\.\. \(tag \.sig\): [^;]+; ){3}and 1 more; sign it$/);
});

test("verifyDigest() looks at 32 signatures and no more", async () => {
  const strangers = Array.from({ length: 32 }, () => changed(tagged, { annotations: {} }));
  assert.equal(await messageOf(contentOf([...strangers.slice(1), tagged]), trustOf(ours)), "good");
  assert.match(await messageOf(contentOf([...strangers, tagged]), trustOf(ours)), /^Cannot trust/);
});

for (const { name, trust, want } of [
  {
    name: "a key that is none",
    trust: { keys: [{ name: "a.pub", text: "garbage" }], remedy },
    want: "Cannot verify signatures: a.pub is no public key in PEM form; write it with `cosign public-key`",
  },
  {
    name: "a private key",
    trust: { keys: [{ name: "a.pub", text: pem(ours.privateKey) }], remedy },
    want: "Cannot verify signatures: a.pub is a private key, which belongs in no cluster; put in the public one (cosign public-key)",
  },
  {
    name: "a short RSA key",
    trust: trustInText(short),
    want: "Cannot verify signatures: key0.pub is an RSA key of 1024 bits, which is too short; use an ECDSA key (P-256, P-384 or P-521), RSA from 2048 bits, or Ed25519",
  },
  {
    name: "a key on another curve",
    trust: trustInText(onSecp256k1),
    // A FIPS provider cannot even read it.
    want: `Cannot verify signatures: key0.pub is ${getFips() === 1 ? "a public key that cannot be read" : "a key on the curve secp256k1, which cannot be used"}; use an ECDSA key (P-256, P-384 or P-521), RSA from 2048 bits, or Ed25519`,
  },
  {
    name: "a public key that is cut off",
    trust: trustInText(onSecp256k1.slice(0, 40)),
    want: "Cannot verify signatures: key0.pub is a public key that cannot be read; use an ECDSA key (P-256, P-384 or P-521), RSA from 2048 bits, or Ed25519",
  },
  {
    name: "a trusted root that is none",
    trust: { trustedRoot: { name: "trusted_root.json", text: "[]" }, remedy },
    want: "Cannot verify signatures: trusted_root.json has no certificateAuthorities, so that it trusts no signer; add them",
  },
  {
    name: "a trusted root that is no JSON, and does not repeat it",
    trust: { trustedRoot: { name: "trusted_root.json", text: "s3cr3t" }, remedy },
    want: "Cannot verify signatures: trusted_root.json is no trusted root (no JSON); make it with `cosign trusted-root create`",
  },
  {
    name: "a trusted root without what tells the time",
    trust: {
      trustedRoot: {
        name: "trusted_root.json",
        text: '{"certificateAuthorities":[{"certChain":{"certificates":[]}}]}',
      },
      remedy,
    },
    want: "Cannot verify signatures: trusted_root.json has neither tlogs nor timestampAuthorities, so that nothing tells when a certificate was used; add one of them",
  },
  {
    name: "an expression that is none",
    trust: { identities: [{ issuer: "https://(", subject: ".*" }], remedy },
    want: 'Cannot verify signatures: matchOIDCIdentity[0].issuer "https://(" is no regular expression (error parsing regexp: missing closing ): `https://(`); see https://github.com/google/re2/wiki/Syntax',
  },
  {
    name: "a look ahead, which RE2 does not have",
    trust: { identities: [{ issuer: ".*", subject: "(?=a)a" }], remedy },
    want: 'Cannot verify signatures: matchOIDCIdentity[0].subject "(?=a)a" is no regular expression (error parsing regexp: invalid or unsupported Perl syntax: `(?=`); see https://github.com/google/re2/wiki/Syntax',
  },
] satisfies readonly { name: string; trust: TrustInput; want: string }[]) {
  test(`verifyDigest() refuses ${name}`, async () => {
    assert.equal(await messageOf(contentOf([tagged]), trust), want);
  });
}

test("verifyDigest() has the root of the public Sigstore for keyless signatures, and trusts no key then", async () => {
  const trust = { identities: [{ issuer: ".*", subject: ".*" }], remedy };
  const want = bad("(tag .sig): it was made with a key, and only signers with a certificate are trusted");
  assert.equal(await messageOf(contentOf([tagged]), trust), want);
});

test("verifyDigest() with a root beside the keys wants a proof", async () => {
  const { publicGoodRoot: text } = await import("./public-good-root.ts");
  const trust = { ...trustOf(ours), trustedRoot: { name: "trusted_root.json", text } };
  const want = bad(
    "(tag .sig): it has no log entry and no timestamp that the trusted root could vouch for; sign with --signing-config",
  );
  assert.equal(await messageOf(contentOf([tagged]), trust), want);
});
