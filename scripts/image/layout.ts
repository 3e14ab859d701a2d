import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { digestOf, type Layer } from "./layer.ts";
import type { Platform } from "./platform.ts";

/** What stands in the OCI annotations and labels of an image. `created` is RFC 3339. */
export type About = {
  readonly title: string;
  readonly description: string;
  readonly version: string;
  readonly revision: string;
  readonly created: string;
  /** Labels beside those that stand for annotations. */
  readonly labels?: { readonly [label: string]: string };
  /** The command that made it. */
  readonly madeBy?: string;
};

/** How a container of the image starts: the fields of an OCI image config. */
export type RunConfig = {
  readonly User: string;
  readonly Entrypoint: readonly string[];
  readonly Env?: readonly string[];
  readonly WorkingDir?: string;
  readonly ExposedPorts?: { readonly [port: string]: object };
};

/** The image for one platform, with a comment to each layer. */
export type PlatformImage = {
  readonly platform: Pick<Platform, "architecture">;
  readonly layers: readonly (Layer & { readonly comment: string })[];
  /** Nothing for an image that only carries files. */
  readonly run: Partial<RunConfig>;
  /** CycloneDX in JSON; an image for tests has none. */
  readonly sbom?: string;
};

type Descriptor = {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platform?: { readonly architecture: string; readonly os: "linux" };
  readonly annotations?: { readonly [key: string]: string };
  readonly artifactType?: string;
};

const types = {
  index: "application/vnd.oci.image.index.v1+json",
  manifest: "application/vnd.oci.image.manifest.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  empty: "application/vnd.oci.empty.v1+json",
  sbom: "application/vnd.cyclonedx+json",
} as const;

function configOf({ platform, layers, run }: PlatformImage, about: About): object {
  const { created, labels = {}, madeBy = "npm run build:image" } = about;
  return {
    created,
    architecture: platform.architecture,
    os: "linux",
    config: { ...run, Labels: { ...annotationsOf(about), ...labels } },
    rootfs: { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) },
    history: layers.map(({ comment }) => ({ created, created_by: madeBy, comment })),
  };
}

/** Source: https://github.com/opencontainers/image-spec/blob/v1.1.1/annotations.md */
export function annotationsOf(about: About): { readonly [key: string]: string } {
  const { title, description, version, revision, created } = about;
  return {
    "org.opencontainers.image.title": title,
    "org.opencontainers.image.description": description,
    "org.opencontainers.image.licenses": "Apache-2.0",
    "org.opencontainers.image.version": version,
    "org.opencontainers.image.revision": revision,
    "org.opencontainers.image.created": created,
  };
}

/** Writes an image of several platforms as OCI layout into an empty or absent folder. Resolves to the digest of its index. */
export async function writeLayout(folder: string, images: readonly PlatformImage[], about: About): Promise<string> {
  const blobs = join(folder, "blobs", "sha256");
  await rm(folder, { recursive: true, force: true });
  await mkdir(blobs, { recursive: true });
  const blob = async (mediaType: string, content: Uint8Array): Promise<Descriptor> => {
    const digest = digestOf(content);
    await writeFile(join(blobs, digest.replace("sha256:", "")), content);
    return { mediaType, digest, size: content.length };
  };
  const json = (mediaType: string, value: object): Promise<Descriptor> =>
    blob(mediaType, Buffer.from(JSON.stringify(value)));
  const manifests: Descriptor[] = [];
  for (const image of images) {
    const config = await json(types.config, configOf(image, about));
    const layers = await Promise.all(image.layers.map(({ mediaType, content }) => blob(mediaType, content)));
    const manifest = { schemaVersion: 2, mediaType: types.manifest, config, layers, annotations: annotationsOf(about) };
    const { architecture } = image.platform;
    const subject = await json(types.manifest, manifest);
    manifests.push({ ...subject, platform: { architecture, os: "linux" } });
    if (image.sbom !== undefined) manifests.push(await attach(image.sbom, subject, { blob, json }));
  }
  const index = await json(types.index, {
    schemaVersion: 2,
    mediaType: types.index,
    manifests,
    annotations: annotationsOf(about),
  });
  await writeFile(join(folder, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  await writeFile(
    join(folder, "index.json"),
    JSON.stringify({ schemaVersion: 2, mediaType: types.index, manifests: [index] }),
  );
  return index.digest;
}

type Blobs = {
  readonly blob: (mediaType: string, content: Uint8Array) => Promise<Descriptor>;
  readonly json: (mediaType: string, value: object) => Promise<Descriptor>;
};

/** The bill of materials as an artifact that refers to the image, which `oras discover` and scanners find. */
async function attach(sbom: string, subject: Descriptor, { blob, json }: Blobs): Promise<Descriptor> {
  const config = await blob(types.empty, Buffer.from("{}"));
  const layers = [await blob(types.sbom, Buffer.from(sbom))];
  const artifact = { schemaVersion: 2, mediaType: types.manifest, artifactType: types.sbom, config, layers, subject };
  const { digest, size, mediaType } = await json(types.manifest, artifact);
  // An index must say for whom its entries are; runtimes pass over what is for no platform that there is.
  const platform = { architecture: "unknown", os: "unknown" } as unknown as NonNullable<Descriptor["platform"]>;
  return { mediaType, digest, size, artifactType: types.sbom, platform };
}
