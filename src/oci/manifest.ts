import { isJsonObject } from "../std/json.ts";
import type { JsonValue } from "../std/json.ts";
import { isDigest } from "./reference.ts";

/** The media type of an OCI image index. */
export const ociIndex = "application/vnd.oci.image.index.v1+json";
const ociManifest = "application/vnd.oci.image.manifest.v1+json";
const dockerList = "application/vnd.docker.distribution.manifest.list.v2+json";
const dockerManifest = "application/vnd.docker.distribution.manifest.v2+json";

/** All four are always sent, since the digest of a tag depends on what the client accepts. */
export const manifestMediaTypes: readonly string[] = [ociIndex, ociManifest, dockerList, dockerManifest];

const fluxContent = "application/vnd.cncf.flux.content.v1.tar+gzip";

const tarLayerTypes: readonly string[] = [
  fluxContent,
  "application/vnd.oci.image.layer.v1.tar+gzip",
  "application/vnd.oci.image.layer.v1.tar",
  "application/vnd.docker.image.rootfs.diff.tar.gzip",
  "application/vnd.docker.image.rootfs.diff.tar",
];

/** A reference to content by digest and size. Source: OCI image specification 1.1, "Content descriptors". */
export type Descriptor = { readonly mediaType: string; readonly digest: string; readonly sizeBytes: number };

/** A manifest with its layers, or an index of manifests. */
export type Manifest =
  | { readonly kind: "manifest"; readonly mediaType: string; readonly layers: readonly Descriptor[] }
  | { readonly kind: "index"; readonly mediaType: string; readonly manifests: readonly PlatformManifest[] };

/** A manifest in an index; `platform` is "linux/amd64", or undefined when the index has none. */
export type PlatformManifest = Descriptor & { readonly platform: string | undefined };

/** A manifest that we cannot use; the message says why, without "Cannot". */
export class ManifestError extends Error {
  override readonly name = "ManifestError";
  readonly kind: "malformed" | "unsupported";

  constructor(kind: "malformed" | "unsupported", message: string) {
    super(message);
    this.kind = kind;
  }
}

const maxEntries = 1_000;

/**
 * Reads a manifest or index of OCI or Docker. `contentType` is the answer's header. It must agree with the body's own mediaType, and the
 * body may not be both a manifest and an index (CVE-2021-41190). Throws ManifestError.
 */
export function parseManifest(body: Uint8Array, contentType: string | undefined): Manifest {
  const document = parseBody(body);
  const mediaType = mediaTypeOf(document, contentType);
  const isIndex = mediaType === ociIndex || mediaType === dockerList;
  const [own, foreign] = isIndex ? (["manifests", "layers"] as const) : (["layers", "manifests"] as const);
  if (document[foreign] !== undefined) throw malformed(`it is of type ${mediaType} and yet has ${foreign}`);
  const entries = document[own];
  if (!Array.isArray(entries)) throw malformed(`${own} is no list`);
  if (entries.length > maxEntries) throw malformed(`${own} has more than ${maxEntries} entries`);
  if (!isIndex)
    return { kind: "manifest", mediaType, layers: entries.map((entry, at) => readDescriptor(entry, `layers[${at}]`)) };
  return { kind: "index", mediaType, manifests: entries.map((entry, at) => readPlatform(entry, `manifests[${at}]`)) };
}

/** All blobs of a manifest that is no index: its configuration, and its layers. Throws ManifestError. */
export function blobsOf(body: Uint8Array): readonly Descriptor[] {
  const manifest = parseManifest(body, undefined);
  if (manifest.kind === "index") return [];
  const { config } = parseBody(body);
  return [...(config === undefined ? [] : [readDescriptor(config, "config")]), ...manifest.layers];
}

/** The manifest of an index to use: the only one, else that of linux/amd64, else the first if none names a platform. Throws ManifestError. */
export function choosePlatform(manifests: readonly PlatformManifest[]): Descriptor {
  // Attestations of buildkit call their platform unknown/unknown.
  const real = manifests.filter(({ platform }) => platform !== "unknown/unknown");
  const [first] = real;
  if (first === undefined) throw malformed("the index names no manifest");
  if (real.length === 1 || real.every(({ platform }) => platform === undefined)) return first;
  const chosen = real.find(({ platform }) => platform === "linux/amd64");
  if (chosen !== undefined) return chosen;
  const offered = [...new Set(real.map(({ platform }) => platform ?? "no platform"))].toSorted();
  throw new ManifestError("unsupported", `the index has no manifest for linux/amd64, only for ${offered.join(", ")}`);
}

/** The layer with the files: the first, which must be a tarball, gzipped or not. Throws ManifestError. */
export function chooseLayer(layers: readonly Descriptor[]): Descriptor {
  const [first] = layers;
  if (first === undefined) throw malformed("it has no layers");
  if (tarLayerTypes.includes(first.mediaType)) return first;
  throw new ManifestError(
    "unsupported",
    `its first layer is of type ${JSON.stringify(first.mediaType)}, not a tarball such as ${tarLayerTypes[0]}; push it with \`flux push artifact\``,
  );
}

/** Whether a layer is what `flux push artifact` pushes. */
export function isFluxContent({ mediaType }: Descriptor): boolean {
  return mediaType === fluxContent;
}

function parseBody(body: Uint8Array): { readonly [key: string]: JsonValue } {
  let document: unknown;
  try {
    document = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    throw malformed("it is no JSON"); // The parser's message depends on its version.
  }
  if (!isJsonObject(document)) throw malformed("it is no JSON object");
  if (document["schemaVersion"] === 1) {
    throw new ManifestError("unsupported", "it is a Docker manifest of schema 1, which is obsolete; push it again");
  }
  if (document["schemaVersion"] !== 2) throw malformed("schemaVersion is not 2");
  return document;
}

function mediaTypeOf(document: { readonly [key: string]: JsonValue }, contentType: string | undefined): string {
  const announced = contentType?.split(";")[0]?.trim().toLowerCase();
  const known = announced !== undefined && manifestMediaTypes.includes(announced) ? announced : undefined;
  const own = document["mediaType"];
  if (own === undefined) return known ?? (document["manifests"] === undefined ? ociManifest : ociIndex);
  if (typeof own !== "string" || !manifestMediaTypes.includes(own)) {
    throw new ManifestError(
      "unsupported",
      `its mediaType ${JSON.stringify(own).slice(0, 200)} is neither a manifest nor an index`,
    );
  }
  if (known !== undefined && known !== own) throw malformed(`it was sent as ${known} and says that it is ${own}`);
  return own;
}

function readDescriptor(entry: unknown, place: string): Descriptor {
  if (!isJsonObject(entry)) throw malformed(`${place} is no object`);
  const { mediaType, digest, size } = entry;
  if (typeof mediaType !== "string" || mediaType.length > 255) throw malformed(`${place}.mediaType is no media type`);
  if (typeof digest !== "string" || !isDigest(digest)) throw malformed(`${place}.digest is no sha256 digest`);
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) throw malformed(`${place}.size is no size`);
  return { mediaType, digest, sizeBytes: size };
}

function readPlatform(entry: unknown, place: string): PlatformManifest {
  const { mediaType, digest, sizeBytes } = readDescriptor(entry, place);
  const { os, architecture } = isJsonObject(entry) && isJsonObject(entry["platform"]) ? entry["platform"] : {};
  const platform = typeof os === "string" && typeof architecture === "string" ? `${os}/${architecture}` : undefined;
  return { mediaType, digest, sizeBytes, platform };
}

function malformed(why: string): ManifestError {
  return new ManifestError("malformed", why);
}
