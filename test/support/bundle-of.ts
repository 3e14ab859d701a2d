import { BundleWriter } from "../../src/oci/copy/bundle-writer.ts";
import { sha256Digest } from "../../src/std/digest.ts";
import { contentOf, type MadeSignature } from "./signatures.ts";
import { tarGzOf } from "./tarball.ts";

const manifestType = "application/vnd.oci.image.manifest.v1+json";
export const fluxContent = "application/vnd.cncf.flux.content.v1.tar+gzip";

/** An artifact in a bundle. */
export type BundleContent = {
  readonly files: { readonly [path: string]: string | Uint8Array };
  /** Made when the digest of its manifest is known. */
  readonly signatures?: (digest: string) => readonly MadeSignature[];
  /** Of its layer; that of Flux's artifacts by default. */
  readonly mediaType?: string;
  /** What its manifest says of the size of its layer. */
  readonly claimedBytes?: number;
};

function descriptor(mediaType: string, content: Uint8Array, size = content.length) {
  return { mediaType, digest: sha256Digest(content), size };
}

/** Writes a bundle with these artifacts, each in a repository of its own, as `distro bundle` does; gives back the digests of their manifests. */
export async function writeBundleOf(path: string, artifacts: readonly BundleContent[]): Promise<readonly string[]> {
  await using writer = new BundleWriter(path);
  const digests: string[] = [];
  for (const [at, { files, signatures, mediaType = fluxContent, claimedBytes }] of artifacts.entries()) {
    const sink = writer.sink(at === 0 ? "manifests" : `manifests-${at}`);
    const layer = await tarGzOf(files);
    const config = Buffer.from("{}");
    for (const [type, content] of [
      [mediaType, layer],
      ["application/vnd.cncf.flux.config.v1+json", config],
    ] as const)
      await sink.putBlob({ mediaType: type, digest: sha256Digest(content), sizeBytes: content.length }, content);
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: manifestType,
        config: descriptor("application/vnd.cncf.flux.config.v1+json", config),
        layers: [descriptor(mediaType, layer, claimedBytes)],
      }),
    );
    const digest = sha256Digest(manifest);
    await sink.putManifest("latest", manifest, manifestType);
    const attached = contentOf(signatures?.(digest) ?? []);
    for (const { mediaType: type, content } of attached.blobs)
      await sink.putBlob({ mediaType: type, digest: sha256Digest(content), sizeBytes: content.length }, content);
    for (const { name, mediaType: type, content } of attached.manifests) await sink.putManifest(name, content, type);
    digests.push(digest);
  }
  await writer.finish();
  return digests;
}
