import { sign } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { dsse } from "@sigstore/core";
import type { RepositoryReads } from "../../src/oci/registry.ts";
import { sha256Digest } from "../../src/std/digest.ts";
import type { JsonObject } from "../../src/std/json.ts";
import {
  ociIndex as indexType,
  ociManifest as manifestType,
  openRepository,
  pushBlob,
  pushManifest,
} from "./push-content.ts";

/** A signature in the form in which cosign writes it, signed with a key in the test: an image at a tag, or one that refers to a digest. */
export type MadeSignature = {
  readonly form: "tag" | "bundle";
  readonly digest: string;
  readonly layer: Uint8Array;
  readonly annotations: { readonly [name: string]: string };
};

const signPredicate = "https://sigstore.dev/cosign/sign/v1";

/** What is signed. `claimed` is the digest in the signed document where that is another one. */
export type SignWith = {
  readonly key: KeyObject;
  readonly digest: string;
  readonly claimed?: string;
  /** "sha256" for an EC or RSA key, as cosign 2; null for Ed25519. */
  readonly hash?: string | null;
};

/** As cosign 1 and 2 sign, without a log. */
export function signTag({ key, digest, claimed = digest, hash = "sha256" }: SignWith): MadeSignature {
  const critical = {
    identity: { "docker-reference": "example.com/app" },
    image: { "docker-manifest-digest": claimed },
    type: "cosign container image signature",
  };
  const layer = Buffer.from(JSON.stringify({ critical, optional: null }));
  const signature = sign(hash, layer, key).toString("base64");
  return { form: "tag", digest, layer, annotations: { "dev.cosignproject.cosign/signature": signature } };
}

/** As cosign 3 signs, without a log. `predicateType` makes another statement of it. */
export function signBundle(given: SignWith & { readonly predicateType?: string }): MadeSignature {
  const { key, digest, claimed = digest, hash = "sha256", predicateType = signPredicate } = given;
  const subject = [{ digest: { sha256: claimed.replace("sha256:", "") } }];
  const statement = { _type: "https://in-toto.io/Statement/v1", subject, predicateType, predicate: {} };
  const [payload, payloadType] = [Buffer.from(JSON.stringify(statement)), "application/vnd.in-toto+json"];
  const sig = sign(hash, dsse.preAuthEncoding(payloadType, payload), key).toString("base64");
  const bundle = {
    mediaType: bundleType,
    verificationMaterial: { publicKey: { hint: "key" } },
    dsseEnvelope: { payload: payload.toString("base64"), payloadType, signatures: [{ sig }] },
  };
  const annotations = { "dev.sigstore.bundle.predicateType": predicateType };
  return { form: "bundle", digest, layer: Buffer.from(JSON.stringify(bundle)), annotations };
}

export const bundleType = "application/vnd.dev.sigstore.bundle.v0.3+json";
const simpleType = "application/vnd.dev.cosign.simplesigning.v1+json";
const emptyConfig = Buffer.from("{}");

/** A blob or a manifest, as it is pushed. */
export type Pushed = { readonly mediaType: string; readonly content: Uint8Array };

/** What is in a repository: blobs, and manifests by tag or digest. */
export type SignatureContent = {
  readonly blobs: readonly Pushed[];
  readonly manifests: readonly (Pushed & { readonly name: string })[];
};

/** The content of a repository that has these signatures of one digest; bundles stand under the fallback tag of referrers. */
export function contentOf(signatures: readonly MadeSignature[]): SignatureContent {
  const tagged = signatures.filter(({ form }) => form === "tag");
  const bundles = signatures
    .filter(({ form }) => form === "bundle")
    .map((made) => ({ made, image: bundleImage(made) }));
  const [first] = signatures;
  const tag = first?.digest.replace(":", "-") ?? "none";
  const layers = tagged.map(({ layer, annotations }) => ({ ...descriptor(simpleType, layer), annotations }));
  const entries = bundles.map(({ made, image }) => ({
    ...descriptor(manifestType, image),
    artifactType: bundleType,
    annotations: made.annotations,
  }));
  return {
    blobs: [emptyConfig, ...signatures.map(({ layer }) => layer)].map((content) => ({
      mediaType: simpleType,
      content,
    })),
    manifests: [
      ...bundles.map(({ image }) => ({ name: sha256Digest(image), mediaType: manifestType, content: image })),
      ...(tagged.length === 0 ? [] : [{ name: `${tag}.sig`, mediaType: manifestType, content: imageOf(layers) }]),
      ...(bundles.length === 0
        ? []
        : [{ name: tag, mediaType: indexType, content: json({ mediaType: indexType, manifests: entries }) }]),
    ],
  };
}

/** A repository in memory. `api`: whether it has the referrers API; else bundles are found by their fallback tag. */
export function repositoryWith({ blobs, manifests }: SignatureContent, api = false): RepositoryReads {
  const byDigest = new Map(blobs.map(({ content }) => [sha256Digest(content), content]));
  const byName = new Map(manifests.map(({ name, content }) => [name, content]));
  return {
    manifest: async (name) => (api && /^sha256-[0-9a-f]{64}$/.test(name) ? undefined : byName.get(name)),
    blob: async ({ digest }) => {
      const content = byDigest.get(digest);
      if (content === undefined) throw new Error(`no blob ${digest}`);
      return content;
    },
    referrers: async (digest) => (api ? (byName.get(digest.replace(":", "-")) ?? json({ manifests: [] })) : undefined),
  };
}

/** Pushes the signatures to a registry that speaks plain HTTP: beside what they sign, in place of those that it had. */
export async function pushSignatures(
  { host, repository }: { readonly host: string; readonly repository: string },
  signatures: readonly MadeSignature[],
): Promise<void> {
  const at = openRepository(host, repository);
  const { blobs, manifests } = contentOf(signatures);
  for (const { mediaType, content } of blobs) await pushBlob(at, mediaType, Buffer.from(content));
  for (const { name, content } of manifests)
    await pushManifest(
      at,
      JSON.parse(Buffer.from(content).toString("utf8")),
      name.startsWith("sha256:") ? undefined : name,
    );
}

function bundleImage({ digest, layer, annotations }: MadeSignature): Uint8Array {
  const subject = { mediaType: manifestType, digest, size: 2 };
  return imageOf([descriptor(bundleType, layer)], { artifactType: bundleType, subject, annotations });
}

function imageOf(layers: readonly JsonObject[], more: JsonObject = {}): Uint8Array {
  return json({
    mediaType: manifestType,
    config: descriptor("application/vnd.oci.empty.v1+json", emptyConfig),
    layers,
    ...more,
  });
}

function json(document: JsonObject): Uint8Array {
  return Buffer.from(JSON.stringify({ schemaVersion: 2, ...document }));
}

function descriptor(mediaType: string, content: Uint8Array): JsonObject {
  return { mediaType, digest: sha256Digest(content), size: content.length };
}
