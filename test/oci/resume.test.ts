import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import { test } from "node:test";
import { RegistryError } from "../../src/oci/registry-error.ts";
import { Registry } from "../../src/oci/registry.ts";
import { systemClock } from "../../src/std/clock.ts";
import { sha256Digest } from "../../src/std/digest.ts";

const signal = new AbortController().signal;
const mediaType = "application/vnd.oci.image.manifest.v1+json";
const tarball = Buffer.from("0123456789".repeat(100));
const layer = { mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", digest: sha256Digest(tarball), size: 1000 };
const manifest = JSON.stringify({ schemaVersion: 2, mediaType, layers: [layer] });

/** How a server answers a request for the bytes from `from` on. */
type Rest = (response: ServerResponse, from: number) => void;

/** Breaks off the first answer after 400 bytes, and asks `rest` about the next one; after that it knows no ranges. */
async function fetchFrom(rest: Rest): Promise<{ readonly got: string; readonly ranges: readonly string[] }> {
  const ranges: string[] = [];
  const server = createServer((request, response) => {
    if (request.url?.includes("/manifests/") === true) {
      response.writeHead(200, { "content-type": mediaType }).end(manifest);
      return;
    }
    const { range = "all" } = request.headers;
    ranges.push(range);
    if (ranges.length === 1) {
      response.writeHead(200, { "content-length": 1000 });
      response.write(tarball.subarray(0, 400), () => response.socket?.destroySoon());
      return;
    }
    if (ranges.length === 2) rest(response, Number(/^bytes=(\d+)-$/.exec(range)?.[1]));
    else response.writeHead(200).end(tarball);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  const host = `127.0.0.1:${address.port}`;
  const registry = new Registry({ clock: systemClock, random: () => 0, userAgent: "test" });
  try {
    const fetched = await registry.fetch(`oci://${host}/org/app:v1`, { insecure: true }, signal);
    return { got: Buffer.from(fetched.tarball).equals(tarball) ? "all of it" : "something else", ranges };
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
    return { got: error.kind, ranges };
  } finally {
    await registry.close();
    server.closeAllConnections();
    server.close();
  }
}

const part = (from: number, body: Uint8Array | string, end = 999): Rest => {
  return (response) => void response.writeHead(206, { "content-range": `bytes ${from}-${end}/1000` }).end(body);
};

for (const { name, rest, want } of [
  {
    name: "goes on where it broke off",
    rest: (response: ServerResponse, from: number) => part(from, tarball.subarray(from))(response, from),
    want: { got: "all of it", ranges: ["all", "bytes=400-"] },
  },
  {
    name: "takes all of it again from a server without ranges",
    rest: (response: ServerResponse) => void response.writeHead(200).end(tarball),
    want: { got: "all of it", ranges: ["all", "bytes=400-"] },
  },
  {
    name: "starts again when the server goes on somewhere else",
    rest: part(300, tarball.subarray(300)),
    want: { got: "all of it", ranges: ["all", "bytes=400-", "all"] },
  },
  {
    name: "starts again when the server does not say where it goes on",
    rest: (response: ServerResponse) => void response.writeHead(206).end(tarball.subarray(400)),
    want: { got: "all of it", ranges: ["all", "bytes=400-", "all"] },
  },
  {
    name: "starts again when the server refuses the range",
    rest: (response: ServerResponse) => void response.writeHead(416).end(),
    want: { got: "all of it", ranges: ["all", "bytes=400-", "all"] },
  },
  {
    name: "holds the whole against its digest",
    rest: part(400, "x".repeat(600)),
    want: { got: "digest-mismatch", ranges: ["all", "bytes=400-"] },
  },
  {
    name: "takes no more than the manifest says",
    rest: part(400, "x".repeat(601)),
    want: { got: "too-large", ranges: ["all", "bytes=400-"] },
  },
  {
    name: "is told when the rest is too short",
    rest: part(400, tarball.subarray(400, 900)),
    want: { got: "truncated", ranges: ["all", "bytes=400-"] },
  },
]) {
  test(`a download that broke off ${name}`, async () => assert.deepEqual(await fetchFrom(rest), want));
}
