import { createHash } from "node:crypto";
import { request } from "undici";
import type { JsonObject } from "../../src/kube/object.ts";

export const ociManifest = "application/vnd.oci.image.manifest.v1+json";
export const ociIndex = "application/vnd.oci.image.index.v1+json";

/** A repository of a registry that speaks plain HTTP and lets everybody push: "http://127.0.0.1:5000/v2/org/app". */
export type OpenRepository = string;

export function openRepository(host: string, repository: string): OpenRepository {
  return `http://${host}/v2/${repository}`;
}

/** As a manifest refers to what was pushed. */
export type Pushed = { readonly mediaType: string; readonly digest: string; readonly size: number };

/** Pushes a blob in one go and describes it. */
export async function pushBlob(at: OpenRepository, mediaType: string, content: Buffer): Promise<Pushed> {
  const digest = digestOf(content);
  const { headers } = await expect(await request(`${at}/blobs/uploads/`, { method: "POST" }));
  const upload = new URL(String(headers["location"]), at);
  upload.searchParams.set("digest", digest);
  const type = { "content-type": "application/octet-stream" };
  await expect(await request(upload, { method: "PUT", headers: type, body: content }));
  return { mediaType, digest, size: content.length };
}

/** Pushes a manifest or index under a tag, or without one by its digest, and describes it. */
export async function pushManifest(
  at: OpenRepository,
  manifest: JsonObject & { readonly mediaType: string },
  tag?: string,
): Promise<Pushed> {
  const { mediaType } = manifest;
  const body = JSON.stringify(manifest);
  const digest = digestOf(body);
  const headers = { "content-type": mediaType };
  await expect(await request(`${at}/manifests/${tag ?? digest}`, { method: "PUT", headers, body }));
  return { mediaType, digest, size: Buffer.byteLength(body) };
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
