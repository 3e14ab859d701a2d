import { createHash } from "node:crypto";
import { request } from "undici";
import type { JsonObject, JsonValue, KubeObject } from "../../src/kube/object.ts";
import { formatYaml } from "../../src/std/yaml.ts";
import { tarGzOf, type TarballFiles } from "./tarball.ts";

const manifestType = "application/vnd.oci.image.manifest.v1+json";

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
  const at = `http://${host}/v2/${repository}`;
  const config = await pushBlob(at, "application/vnd.cncf.flux.config.v1+json", Buffer.from("{}"));
  const layer = await pushBlob(at, "application/vnd.cncf.flux.content.v1.tar+gzip", await tarGzOf(files));
  const annotations = {
    "org.opencontainers.image.created": "2026-01-01T00:00:00Z",
    "org.opencontainers.image.revision": `${tag}@sha1:${"0".repeat(40)}`,
    "org.opencontainers.image.source": "https://git.example.com/fleet",
  };
  const manifest = { schemaVersion: 2, mediaType: manifestType, config, layers: [layer], annotations };
  const body = JSON.stringify(manifest);
  await expect(
    await request(`${at}/manifests/${tag}`, { method: "PUT", headers: { "content-type": manifestType }, body }),
  );
  return `${tag}@${digestOf(body)}`;
}

function fileName({ kind, metadata }: KubeObject): string {
  return `${kind.toLowerCase()}-${metadata.name}.yaml`;
}

/** Pushes in one go and describes what was pushed. */
async function pushBlob(at: string, mediaType: string, content: Buffer): Promise<JsonObject> {
  const digest = digestOf(content);
  const { headers } = await expect(await request(`${at}/blobs/uploads/`, { method: "POST" }));
  const upload = new URL(String(headers["location"]), at);
  upload.searchParams.set("digest", digest);
  const type = { "content-type": "application/octet-stream" };
  await expect(await request(upload, { method: "PUT", headers: type, body: content }));
  return { mediaType, digest, size: content.length };
}

type Answer = Awaited<ReturnType<typeof request>>;

async function expect(answer: Answer): Promise<Answer> {
  const text = await answer.body.text();
  if (answer.statusCode >= 300) throw new Error(`Cannot push: the registry answered ${answer.statusCode} ${text}`);
  return answer;
}

function digestOf(content: string | Buffer): string {
  return `sha256:${createHash("sha256").update(content).digest("hex")}`;
}
