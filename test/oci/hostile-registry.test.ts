import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";

import { LayerError } from "../../src/oci/layer-error.ts";
import { RegistryError } from "../../src/oci/registry-error.ts";
import { Registry } from "../../src/oci/registry.ts";
import { systemClock } from "../../src/std/clock.ts";
import { sha256Digest } from "../../src/std/digest.ts";
import { rawTar, tarGzOf } from "../support/tarball.ts";

const signal = new AbortController().signal;
const oci = "application/vnd.oci.image.manifest.v1+json";
const ociIndex = "application/vnd.oci.image.index.v1+json";
const tarGz = "application/vnd.oci.image.layer.v1.tar+gzip";
const tarball = await tarGzOf({ VERSION: "v2.9.4" });
const zeros = `sha256:${"0".repeat(64)}`;

/** A body without end. */
const endless = Symbol("endless");

type Body = string | Uint8Array;
type Descriptor = { readonly mediaType: string; readonly digest: string; readonly size: number };
type Answer = {
  readonly status?: number;
  readonly headers?: Record<string, string>;
  readonly body?: Body | typeof endless;
};
/** By the end of the path; what is not there is a 404. */
type Answers = Readonly<Record<string, Answer>>;

const describe = (content: Body, change: Partial<Descriptor> = {}): Descriptor => ({
  mediaType: tarGz,
  digest: sha256Digest(content),
  size: Buffer.byteLength(content),
  ...change,
});
const manifest = (...layers: readonly Descriptor[]): string =>
  JSON.stringify({ schemaVersion: 2, mediaType: oci, layers });
const index = (...manifests: readonly Descriptor[]): string =>
  JSON.stringify({ schemaVersion: 2, mediaType: ociIndex, manifests });
const answer = (body: Body, mediaType = oci): Answer => ({ body, headers: { "content-type": mediaType } });
const blob = (content: Body): string => `blobs/${sha256Digest(content)}`;
const good = manifest(describe(tarball));
const hostile = rawTar([{ name: "../outside" }]);
const challenge = (value: string): Answers => ({
  "manifests/v1": { status: 401, headers: { "www-authenticate": value } },
});

for (const { name, answers, want } of [
  {
    name: "a layer that is longer than its size",
    answers: { "manifests/v1": answer(manifest(describe(tarball, { size: 10 }))), [blob(tarball)]: { body: tarball } },
    want: "too-large: HOST sends more than 10 bytes",
  },
  {
    name: "a layer that is shorter than its size",
    answers: {
      "manifests/v1": answer(manifest(describe(tarball, { size: 9_999 }))),
      [blob(tarball)]: { body: tarball },
    },
    want: `truncated: ${sha256Digest(tarball)} ends before the 9999 bytes that the manifest gives it`,
  },
  {
    name: "a layer of a terabyte",
    answers: { "manifests/v1": answer(manifest(describe(tarball, { size: 2 ** 40 }))) },
    want: "too-large: its layer has more than 33554432 bytes",
  },
  {
    name: "a layer without end",
    answers: { "manifests/v1": answer(good), [blob(tarball)]: { body: endless } },
    want: `too-large: HOST sends more than ${tarball.length} bytes`,
  },
  {
    name: "a manifest without end",
    answers: { "manifests/v1": { body: endless } },
    want: "too-large: HOST sends more than 4194304 bytes",
  },
  {
    name: "a refusal without end",
    answers: { "manifests/v1": { status: 404, body: endless } },
    want: "not-found: HOST does not have it (404): check repository and tag",
  },
  {
    name: "a header without end",
    answers: { "manifests/v1": { headers: { "x-long": "x".repeat(64 * 1024) } } },
    want: "too-large: HOST sends too many headers",
  },
  {
    name: "another layer than its digest",
    answers: { "manifests/v1": answer(good), [blob(tarball)]: { body: Buffer.alloc(tarball.length) } },
    want: `digest-mismatch: what came as ${sha256Digest(tarball)} is ${sha256Digest(Buffer.alloc(tarball.length))}`,
  },
  {
    name: "a layer that is not there",
    answers: { "manifests/v1": answer(good) },
    want: "not-found: HOST does not have it (404): BLOB_UNKNOWN: gone; check repository and tag",
  },
  {
    name: "a manifest without layers",
    answers: { "manifests/v1": answer(manifest()) },
    want: "malformed: it has no layers",
  },
  {
    name: "a layer that is no tarball",
    answers: { "manifests/v1": answer(manifest(describe(tarball, { mediaType: "text/plain" }))) },
    want: 'unsupported: its first layer is of type "text/plain", not a tarball such as application/vnd.cncf.flux.content.v1.tar+gzip; push it with `flux push artifact`',
  },
  {
    name: "a digest that is a path",
    answers: { "manifests/v1": answer(manifest(describe(tarball, { digest: "sha256:../../../etc/passwd" }))) },
    want: "malformed: layers[0].digest is no sha256 digest",
  },
  {
    name: "a manifest of another type than its header",
    answers: { "manifests/v1": answer(good, ociIndex) },
    want: `malformed: it was sent as ${ociIndex} and says that it is ${oci}`,
  },
  {
    name: "an index in an index",
    answers: {
      "manifests/v1": answer(index(describe(index(), { mediaType: ociIndex })), ociIndex),
      [`manifests/${sha256Digest(index())}`]: answer(index(), ociIndex),
    },
    want: "unsupported: it is an index inside an index",
  },
  {
    name: "an index whose manifest is another",
    answers: {
      "manifests/v1": answer(index(describe(good, { mediaType: oci, digest: zeros })), ociIndex),
      [`manifests/${zeros}`]: answer(good),
    },
    want: `digest-mismatch: what came as ${zeros} is ${sha256Digest(good)}`,
  },
  {
    name: "an index whose manifest is of a terabyte",
    answers: { "manifests/v1": answer(index(describe(good, { mediaType: oci, size: 2 ** 40 })), ociIndex) },
    want: "too-large: its manifest has more than 4194304 bytes",
  },
  {
    name: "an index that points to itself",
    answers: { "manifests/v1": answer(index(describe(good, { mediaType: ociIndex, digest: zeros })), ociIndex) },
    want: "not-found: HOST does not have it (404): BLOB_UNKNOWN: gone; check repository and tag",
  },
  {
    name: "a tarball that climbs",
    answers: { "manifests/v1": answer(manifest(describe(hostile))), [blob(hostile)]: { body: hostile } },
    want: 'Cannot read artifact oci://HOST/app:v1: entry "../outside" leaves the artifact by ..',
  },
  {
    name: "a redirect to nowhere",
    answers: { "manifests/v1": { status: 302 } },
    want: "redirect: HOST redirects to no address",
  },
  {
    name: "a redirect to something that is no address",
    answers: { "manifests/v1": { status: 302, headers: { location: "http://[" } } },
    want: "redirect: HOST redirects to no address",
  },
  {
    name: "a challenge that names no address",
    answers: challenge('Bearer realm="nowhere"'),
    want: "unauthorized: HOST names no address for tokens",
  },
  {
    name: "a challenge that names a file",
    answers: challenge('Bearer realm="file:///etc/passwd"'),
    want: "unauthorized: HOST wants tokens fetched from  without encryption",
  },
  {
    name: "a token that breaks headers",
    answers: { ...challenge('Bearer realm="http://HOST/token"'), token: answer('{"token":"a\\r\\nx: y"}') },
    want: "unauthorized: HOST cannot be given the token: it has characters that no header takes",
  },
  {
    name: "an answer without a token",
    answers: { ...challenge('Bearer realm="http://HOST/token"'), token: answer('{"token":{},"access_token":""}') },
    want: "protocol: HOST answered without a token",
  },
  {
    name: "a token of HTML",
    answers: { ...challenge('Bearer realm="http://HOST/token"'), token: answer("<html>") },
    want: "protocol: HOST answered without a token",
  },
  {
    name: "a token without end",
    answers: { ...challenge('Bearer realm="http://HOST/token"'), token: { body: endless } },
    want: "too-large: HOST sends more than 65536 bytes",
  },
  {
    name: "a token that is good for nothing",
    answers: { ...challenge('Bearer realm="http://HOST/token"'), token: answer('{"token":"t"}') },
    want: "unauthorized: HOST refuses access (401): give a pull secret",
  },
  {
    name: "a refusal whose words are long and broken",
    answers: {
      "manifests/v1": {
        status: 403,
        body: JSON.stringify({ errors: [{ code: 7, message: `a\n\u0000b${"c".repeat(500)}` }] }),
      },
    },
    want: `unauthorized: HOST denies access (403): a b${"c".repeat(197)}...; give a pull secret`,
  },
  {
    name: "a status that no registry gives",
    answers: { "manifests/v1": { status: 418, body: '{"errors":7}' } },
    want: "protocol: HOST answered 418",
  },
] satisfies readonly { name: string; answers: Answers; want: string }[]) {
  test(`pull() refuses ${name}`, async () => {
    await using server = await serve(answers);
    assert.equal((await outcomeOf(server.host)).replaceAll(server.host, "HOST"), want);
  });
}

test("an identity token does not follow a redirect", async () => {
  const answers = {
    ...challenge('Bearer realm="http://HOST/token"'),
    token: { status: 307, headers: { location: "/elsewhere" } },
  };
  await using server = await serve(answers);
  const outcome = await outcomeOf(
    server.host,
    JSON.stringify({ auths: { [server.host]: { identitytoken: "s3cret" } } }),
  );
  assert.equal(
    outcome.replaceAll(server.host, "HOST"),
    "redirect: HOST redirects a request that carries credentials or content",
  );
  assert.deepEqual(server.seen, ["GET /v2/app/manifests/v1", "POST /token"]);
});

test("a token is fetched anew shortly before its end, and when it is refused", async () => {
  let valid = "";
  let issued = 0;
  const server = createServer((request, response) => {
    if (request.url?.startsWith("/token")) {
      valid = `token${(issued += 1)}`;
      return response.end(JSON.stringify({ access_token: valid, expires_in: 300 }));
    }
    const ok = request.headers.authorization === `Bearer ${valid}`;
    const headers = ok
      ? { "content-type": oci, "docker-content-digest": zeros }
      : { "www-authenticate": challengeOf(request) };
    return response.writeHead(ok ? 200 : 401, headers).end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const host = hostOf(server.address());
  let nowMs = 0;
  const clock = { ...systemClock, monotonicMs: () => nowMs };
  const registry = new Registry({ clock, random: () => 0, userAgent: "test" });
  const resolve = async (): Promise<number> => {
    await registry.resolve(`oci://${host}/app:v1`, { insecure: true }, signal);
    return issued;
  };
  assert.equal(await resolve(), 1);
  nowMs = 289_000;
  assert.equal(await resolve(), 1, "it still lives for 11 s");
  nowMs = 291_000;
  assert.equal(await resolve(), 2, "it ends in 9 s");
  valid = "revoked";
  assert.equal(await resolve(), 3, "the registry no longer takes it");
  await registry.close();
  server.closeAllConnections();
  server.close();
});

async function outcomeOf(host: string, dockerConfig?: string): Promise<string> {
  const registry = new Registry({ clock: systemClock, random: () => 0, userAgent: "test" });
  const access = { insecure: true, timeoutMs: 10_000, ...(dockerConfig === undefined ? {} : { dockerConfig }) };
  try {
    await registry.pull(`oci://${host}/app:v1`, access, signal);
  } catch (error) {
    if (error instanceof LayerError) return error.message;
    if (!(error instanceof RegistryError)) throw error;
    return `${error.kind}: ${error.message.replace(`Cannot pull oci://${host}/app:v1: `, "")}`;
  } finally {
    await registry.close();
  }
  return "taken";
}

type Served = AsyncDisposable & { readonly host: string; readonly seen: readonly string[] };

async function serve(answers: Answers): Promise<Served> {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url}`);
    const path = new URL(request.url ?? "", "http://unused").pathname;
    const found = Object.entries(answers).find(([end]) => path.endsWith(`/${end}`))?.[1];
    const gone = { status: 404, body: '{"errors":[{"code":"BLOB_UNKNOWN","message":"gone"}]}' };
    send(found ?? gone, request, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const stop = async (): Promise<void> => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  };
  return { host: hostOf(server.address()), seen, [Symbol.asyncDispose]: stop };
}

function send(
  { status = 200, headers = {}, body = "" }: Answer,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const own = Object.entries(headers).map(([name, value]) => [name, value.replace("HOST", request.headers.host ?? "")]);
  response.writeHead(status, Object.fromEntries(own));
  if (body !== endless) return void response.end(body);
  const more = (): void => {
    while (!response.destroyed && response.write(Buffer.alloc(64 * 1024)));
  };
  response.on("drain", more);
  more();
}

function challengeOf(request: IncomingMessage): string {
  return `Bearer realm="http://${request.headers.host}/token",service="test"`;
}

function hostOf(address: AddressInfo | string | null): string {
  if (typeof address !== "object" || address === null) throw new Error("the server listens on no port");
  return `127.0.0.1:${address.port}`;
}
