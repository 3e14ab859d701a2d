import type { JsonValue, KubeObject } from "../../src/kube/object.ts";
import { formatYaml } from "../../src/std/yaml.ts";
import { ociManifest, openRepository, pushBlob, pushManifest } from "./push-content.ts";
import { tarGzOf, type TarballFiles } from "./tarball.ts";

export type FluxArtifact = {
  /** Host of a registry that speaks plain HTTP and lets everybody push. */
  readonly host: string;
  readonly repository: string;
  readonly tag: string;
};

/** Pushes the objects, a file each, as `flux push artifact` does; gives back the revision that Flux shows, "<tag>@sha256:<hex>". */
export async function pushFluxArtifact(
  { host, repository, tag }: FluxArtifact,
  objects: readonly (KubeObject & JsonValue)[],
): Promise<string> {
  const files: TarballFiles = Object.fromEntries(objects.map((object) => [fileName(object), formatYaml(object)]));
  const at = openRepository(host, repository);
  const config = await pushBlob(at, "application/vnd.cncf.flux.config.v1+json", Buffer.from("{}"));
  const layer = await pushBlob(at, "application/vnd.cncf.flux.content.v1.tar+gzip", await tarGzOf(files));
  const annotations = {
    "org.opencontainers.image.created": "2026-01-01T00:00:00Z",
    "org.opencontainers.image.revision": `${tag}@sha1:${"0".repeat(40)}`,
    "org.opencontainers.image.source": "https://git.example.com/fleet",
  };
  const manifest = { schemaVersion: 2, mediaType: ociManifest, config, layers: [layer], annotations };
  const { digest } = await pushManifest(at, manifest, tag);
  return `${tag}@${digest}`;
}

function fileName({ kind, metadata }: KubeObject): string {
  return `${kind.toLowerCase()}-${metadata.name}.yaml`;
}
