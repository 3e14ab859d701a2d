import { isJsonArray, isJsonObject } from "../../std/json.ts";
import type { JsonObject, JsonValue } from "../../std/json.ts";
import { isDigest } from "../reference.ts";
import { RegistryError } from "../registry-error.ts";
import type { RegistryErrorKind } from "../registry-error.ts";
import type { RepositoryReads } from "../registry.ts";

/** A signature as it lies in the registry; nothing of it is verified. `name` tells users which one: "sha256:0123456789ab (bundle)". */
export type FoundSignature =
  /** A layer of the image at cosign's tag: what is signed, and the rest of the signature as annotations. */
  | { readonly kind: "simple"; readonly name: string; readonly payload: Uint8Array; readonly annotations: TextMap }
  /** A Sigstore bundle (JSON) that refers to the digest. */
  | { readonly kind: "bundle"; readonly name: string; readonly body: Uint8Array }
  /** Something at the place of a signature that cannot be read as one. */
  | { readonly kind: "unusable"; readonly name: string; readonly why: string };

/** Texts by name. */
export type TextMap = { readonly [name: string]: string };

/** The predicate of what `cosign sign` writes; other statements about an image, such as an SBOM, are no signatures of it. */
export const signPredicate = "https://sigstore.dev/cosign/sign/v1";

/** More are not looked at, so that strangers who can push cannot keep the operator busy. */
const maxSignatures = 32;
/** An image may have many statements beside its signatures. */
const maxListed = 128;
const maxPayloadBytes = 256 * 1024;
const maxBundleBytes = 1024 * 1024;

const bundleType = "application/vnd.dev.sigstore.bundle.v0.3+json";
/** How the types of all versions of bundles begin. */
const bundleTypes = "application/vnd.dev.sigstore.bundle";
const simpleSigningType = "application/vnd.dev.cosign.simplesigning.v1+json";
const predicateAnnotation = "dev.sigstore.bundle.predicateType";

/**
 * The signatures of `digest` in its repository, at most 32: bundles that refer to it (cosign 3; by the referrers API, else by its fallback tag),
 * then those at cosign's own tag (cosign 1 and 2). Read one after the other, so that nothing is downloaded after the first good one. Throws
 * RegistryError where the registry does not answer.
 */
export async function* findSignatures(digest: string, repository: RepositoryReads): AsyncGenerator<FoundSignature> {
  let left = maxSignatures;
  for await (const found of allSignatures(digest, repository)) {
    if (left === 0) return;
    left -= 1;
    yield found;
  }
}

async function* allSignatures(digest: string, repository: RepositoryReads): AsyncGenerator<FoundSignature> {
  const tag = digest.replace(":", "-");
  const listed = await repository.referrers(digest, bundleType);
  const index = listed ?? (await repository.manifest(tag));
  if (index !== undefined) yield* bundlesIn(index, repository);
  const image = await repository.manifest(`${tag}.sig`);
  if (image !== undefined) yield* simpleSignaturesIn(image, `${tag.slice(0, 19)}....sig`, repository);
}

async function* bundlesIn(index: Uint8Array, repository: RepositoryReads): AsyncGenerator<FoundSignature> {
  const wanted = listOf(objectOf(index)?.["manifests"]).filter(mayBeBundle).slice(0, maxListed);
  for (const { digest } of wanted) {
    if (typeof digest !== "string" || !isDigest(digest)) yield unusable("list of referrers", "a digest is no sha256");
    else {
      const found = await readable(nameOf(digest, "bundle"), () => bundleAt(digest, repository));
      if (found !== undefined) yield found;
    }
  }
}

/** Undefined for what is no bundle, or says that it is a statement of another kind. */
async function bundleAt(digest: string, repository: RepositoryReads): Promise<FoundSignature | undefined> {
  const name = nameOf(digest, "bundle");
  const body = await repository.manifest(digest);
  if (body === undefined) return unusable(name, "the registry lists it and does not have it");
  const image = objectOf(body);
  const [layer] = listOf(image?.["layers"]);
  const { mediaType } = layer ?? {};
  if (typeof mediaType !== "string" || !mediaType.startsWith(bundleTypes) || isOtherStatement(image)) return undefined;
  const descriptor = descriptorOf(layer, maxBundleBytes);
  if (typeof descriptor === "string") return unusable(name, `its layer ${descriptor}`);
  return { kind: "bundle", name, body: await repository.blob(descriptor) };
}

async function* simpleSignaturesIn(
  image: Uint8Array,
  tag: string,
  repository: RepositoryReads,
): AsyncGenerator<FoundSignature> {
  const layers = listOf(objectOf(image)?.["layers"]);
  for (const layer of layers) yield await simpleSignatureAt(layer, tag, repository);
}

async function simpleSignatureAt(layer: JsonObject, tag: string, repository: RepositoryReads): Promise<FoundSignature> {
  if (layer["mediaType"] !== simpleSigningType) return unusable(tag, `a layer is not of type ${simpleSigningType}`);
  const descriptor = descriptorOf(layer, maxPayloadBytes);
  if (typeof descriptor === "string") return unusable(tag, `a layer ${descriptor}`);
  const name = nameOf(descriptor.digest, "tag .sig");
  const annotations = textsOf(layer["annotations"]);
  return await readable(name, async () => ({
    kind: "simple" as const,
    name,
    payload: await repository.blob(descriptor),
    annotations,
  }));
}

/** Failures that say something of the content, and not of the way to it. */
const ofContent: ReadonlySet<RegistryErrorKind> = new Set(["not-found", "digest-mismatch", "truncated", "too-large"]);

async function readable<T>(name: string, read: () => Promise<T>): Promise<T | FoundSignature> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof RegistryError) || !ofContent.has(error.kind)) throw error;
    return unusable(name, error.message);
  }
}

/** Some registries give the type of the configuration, which is that of an empty one, in place of the artifact's. */
const emptyTypes: ReadonlySet<unknown> = new Set([undefined, "", "application/vnd.oci.empty.v1+json"]);

function mayBeBundle(entry: JsonObject): boolean {
  const { artifactType: type } = entry;
  const mayBe = emptyTypes.has(type) || (typeof type === "string" && type.startsWith(bundleTypes));
  return mayBe && !isOtherStatement(entry);
}

function isOtherStatement(described: JsonObject | undefined): boolean {
  const predicate = textsOf(described?.["annotations"])[predicateAnnotation];
  return predicate !== undefined && predicate !== signPredicate;
}

/** What to download, or why not. */
function descriptorOf(
  entry: JsonObject | undefined,
  maxBytes: number,
): { readonly digest: string; readonly sizeBytes: number } | string {
  const { digest, size } = entry ?? {};
  if (typeof digest !== "string" || !isDigest(digest)) return "has no sha256 digest";
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) return "has no size";
  return size > maxBytes ? `has more than ${maxBytes} bytes` : { digest, sizeBytes: size };
}

/** A JSON object from untrusted bytes; undefined for anything else. */
export function objectOf(bytes: Uint8Array): JsonObject | undefined {
  try {
    const document: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    return isJsonObject(document) ? document : undefined;
  } catch {
    return undefined;
  }
}

/** The objects of a list; empty where there is no list. */
export function listOf(value: JsonValue | undefined): readonly JsonObject[] {
  return isJsonArray(value) ? value.filter((item) => isJsonObject(item)) : [];
}

function textsOf(value: JsonValue | undefined): TextMap {
  if (!isJsonObject(value)) return {};
  const texts = Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === "string");
  return Object.fromEntries(texts);
}

function nameOf(digest: string, form: string): string {
  return `${digest.slice(0, 19)} (${form})`;
}

function unusable(name: string, why: string): FoundSignature {
  return { kind: "unusable", name, why };
}
