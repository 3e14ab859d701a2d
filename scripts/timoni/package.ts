import { readdirSync, readFileSync } from "node:fs";
import { basename, join, matchesGlob, relative } from "node:path";
import { charts } from "../charts/charts.ts";
import { textFile, type ImageFile } from "../image/image-file.ts";
import { digestOf, gzipOf, tarOf } from "../image/layer.ts";
import { annotationsOf, type About } from "../image/layout.ts";
import type { TimoniModule } from "./modules.ts";

/** A Timoni module as an OCI artifact in one file, which `timoni mod push` and `skopeo copy oci-archive:` take. */
export type ModuleArchive = {
  readonly name: string;
  /** An OCI layout in a tar. */
  readonly content: Uint8Array;
  /** That of the manifest: by it a bundle pins the module. */
  readonly digest: string;
};

const root = join(import.meta.dirname, "../..");

const types = {
  index: "application/vnd.oci.image.index.v1+json",
  manifest: "application/vnd.oci.image.manifest.v1+json",
  config: "application/vnd.timoni.config.v1+json",
  content: "application/vnd.timoni.content.v1.tar+gzip",
} as const;

/**
 * The module as `timoni mod build` packages it: the same bytes for the same files and the same `about`. Throws for a version that Timoni does not
 * take. Source: https://timoni.sh/cue/module/publishing
 */
export async function packageModule(
  module: TimoniModule,
  about: Pick<About, "version" | "revision" | "created">,
): Promise<ModuleArchive> {
  const { version } = about;
  if (!/^(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}(-(alpha|beta|rc)\.(0|[1-9]\d*))?$/.test(version))
    throw new TypeError(`Cannot package ${module} as ${version}: Timoni takes versions such as 1.2.3 and 1.2.3-rc.1`);
  const files = moduleFiles(module);
  const layers = [
    await layerOf("module/vendor", files.filter(isVendored)),
    await layerOf(
      "module",
      files.filter((file) => !isVendored(file)),
    ),
  ];
  const diffIds = layers.map(({ diffId }) => diffId);
  const config = blobOf(types.config, {
    architecture: "",
    os: "",
    config: {},
    rootfs: { type: "layers", diff_ids: diffIds },
  });
  const description = charts.find(({ name }) => name === module)?.description ?? "";
  const manifest = blobOf(types.manifest, {
    schemaVersion: 2,
    mediaType: types.manifest,
    config: config.descriptor,
    layers: layers.map(({ descriptor }) => descriptor),
    annotations: annotationsOf({ title: module, description, ...about }),
  });
  const named = { ...manifest.descriptor, annotations: { "org.opencontainers.image.ref.name": version } };
  const content = await tarOf([
    textFile("oci-layout", JSON.stringify({ imageLayoutVersion: "1.0.0" })),
    textFile("index.json", JSON.stringify({ schemaVersion: 2, mediaType: types.index, manifests: [named] })),
    ...[manifest, config, ...layers].map(fileOf),
  ]);
  return { name: `${module}-${version}.oci.tar`, content, digest: manifest.descriptor.digest };
}

function isVendored({ path }: ImageFile): boolean {
  return path.startsWith("cue.mod/");
}

/** What is published of a module: its files without those that its timoni.ignore names, and the license. */
export function moduleFiles(module: TimoniModule): readonly ImageFile[] {
  const folder = join(root, "packaging/timoni", module);
  const ignored = readFileSync(join(folder, "timoni.ignore"), "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = entries
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .filter((path) => !ignored.some((pattern) => matchesGlob(basename(path), pattern)));
  return [
    ...paths.map((path) => textFile(path, readFileSync(join(folder, path), "utf8"))),
    textFile("LICENSE", readFileSync(join(root, "LICENSE"), "utf8")),
  ];
}

type Blob = {
  readonly descriptor: { readonly mediaType: string; readonly digest: string; readonly size: number };
  readonly content: Uint8Array;
};

function blobOf(mediaType: string, value: object): Blob {
  const content = Buffer.from(JSON.stringify(value));
  return { descriptor: { mediaType, digest: digestOf(content), size: content.length }, content };
}

async function layerOf(contentType: string, files: readonly ImageFile[]): Promise<Blob & { readonly diffId: string }> {
  const tar = await tarOf(files);
  const content = gzipOf(tar);
  const annotations = { "sh.timoni.content.type": contentType };
  const descriptor = { mediaType: types.content, digest: digestOf(content), size: content.length, annotations };
  return { descriptor, content, diffId: digestOf(tar) };
}

function fileOf({ descriptor, content }: Blob): ImageFile {
  return { kind: "file", path: `blobs/${descriptor.digest.replace(":", "/")}`, content, mode: 0o644 };
}
