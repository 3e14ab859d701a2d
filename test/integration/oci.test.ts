import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { IncomingHttpHeaders, IncomingMessage, Server, ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { connect } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { gzipSync } from "node:zlib";

import { createAuthority, issueCertificate } from "../../scripts/control-plane/certificates.ts";
import { LayerError } from "../../src/oci/layer-error.ts";
import { readDirectory } from "../../src/oci/load-files.ts";
import { manifestMediaTypes, parseManifest } from "../../src/oci/manifest.ts";
import type { Descriptor } from "../../src/oci/manifest.ts";
import { RegistryError } from "../../src/oci/registry-error.ts";
import { Registry } from "../../src/oci/registry.ts";
import type { RegistryAccess } from "../../src/oci/registry.ts";
import { systemClock } from "../../src/std/clock.ts";
import type { Clock } from "../../src/std/clock.ts";
import { htpasswd, pushImage, pushIndex, startRegistry, reader as user } from "../support/registry.ts";
import type { RegistryProcess } from "../support/registry.ts";
import { tarOf } from "../support/tarball.ts";
import type { TarballFiles } from "../support/tarball.ts";
import { startTokenServer } from "../support/token-server.ts";
import type { TokenServer } from "../support/token-server.ts";
import { startWireProxy } from "../support/wire-proxy.ts";
import type { WireProxy } from "../support/wire-proxy.ts";

const signal = AbortSignal.timeout(280_000);
const shared = join(import.meta.dirname, "../../../shared/distribution");
const fluxLayer = "application/vnd.cncf.flux.content.v1.tar+gzip";
const small: TarballFiles = { "flux/": undefined, "flux/v2.9.4/rbac.yaml": "kind: List\n", "./VERSION": "v2.9.4" };
const smallFiles = { "flux/v2.9.4/rbac.yaml": "kind: List\n", VERSION: "v2.9.4" };

let folder: string;
let open: RegistryProcess;
let basic: RegistryProcess;
let tokens: TokenServer;
let bearer: RegistryProcess;
/** Digests of what was pushed to the open registry. */
let pushed: { readonly [content in "image" | "docker" | "index" | "list" | "flux"]: string };
let layerDigest: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "oci-"));
  tokens = await startTokenServer({ users: { reader: user.password }, refreshTokens: ["refresh"], open: ["org/open"] });
  const { realm, service, issuer, jwks } = tokens;
  // The first builds the registry if need be.
  open = await startRegistry({ kind: "open" }, signal);
  basic = await startRegistry({ kind: "htpasswd", htpasswd }, signal);
  bearer = await startRegistry({ kind: "token", realm, service, issuer, jwks }, signal);
  const tarball = join(folder, "small.tgz");
  await writeFile(tarball, gzipSync(await tarOf(small)));
  const plain = join(folder, "small.tar");
  await writeFile(plain, await tarOf(small));
  const image = await pushImage({ tarball, to: `${open.host}/org/app:v1` }, signal);
  const docker = await pushImage({ tarball, to: `${open.host}/org/app:docker`, docker: true }, signal);
  await pushImage({ tarball: plain, to: `${open.host}/org/app:plain` }, signal);
  const index = await pushIndex([`${open.host}/org/app@${image}`], `${open.host}/org/app:index`, signal);
  await pushImage({ tarball, to: `${basic.host}/org/app:v1`, login: user }, signal);
  await pushImage({ tarball, to: `${bearer.host}/org/app:v1`, login: user }, signal);
  await pushImage({ tarball, to: `${bearer.host}/org/open:v1`, login: user }, signal);
  const manifest = parseManifest(await getManifest("v1"), undefined);
  const layer = manifest.kind === "manifest" ? manifest.layers[0] : undefined;
  if (layer === undefined) throw new Error("crane pushed no layer");
  layerDigest = layer.digest;
  pushed = { image, docker, index, list: await putDockerList(docker), flux: await putFluxManifest(layer) };
});

after(async () => {
  await Promise.all([open, basic, bearer, tokens].map((server) => server?.[Symbol.asyncDispose]()));
  await rm(folder, { recursive: true, force: true });
});

for (const { name, target, digest } of [
  { name: "a tag", target: () => ":v1", digest: () => pushed.image },
  { name: "a digest", target: () => `@${pushed.image}`, digest: () => pushed.image },
  { name: "a tag with a digest, which decides", target: () => `:gone@${pushed.image}`, digest: () => pushed.image },
  { name: "an image of Docker's media types", target: () => ":docker", digest: () => pushed.docker },
  { name: "an index, whose digest it gives", target: () => ":index", digest: () => pushed.index },
  { name: "a manifest list of Docker, whose digest it gives", target: () => ":list", digest: () => pushed.list },
  { name: "an artifact of Flux's media types", target: () => ":flux", digest: () => pushed.flux },
]) {
  test(`pull() and resolve() of ${name}`, async () => {
    await using registry = registryOf();
    const reference = `oci://${open.host}/org/app${target()}`;
    const pulled = await registry.pull(reference, { insecure: true }, signal);
    assert.deepEqual(texts(pulled.files), smallFiles);
    assert.equal(pulled.digest, digest());
    assert.equal(pulled.layer.digest, layerDigest);
    const resolved = await registry.resolve(reference, { insecure: true }, signal);
    assert.deepEqual(resolved, { digest: digest(), mediaType: pulled.mediaType });
  });
}

test("pull() of a tarball pushed without compression", async () => {
  await using registry = registryOf();
  const pulled = await registry.pull(`oci://${open.host}/org/app:plain`, { insecure: true }, signal);
  assert.deepEqual(texts(pulled.files), smallFiles);
});

test("pull() keeps only what is wanted", async () => {
  await using registry = registryOf();
  const pulled = await registry.pull(`oci://${open.host}/org/app:v1`, { insecure: true, keep: isVersion }, signal);
  assert.deepEqual(texts(pulled.files), { VERSION: "v2.9.4" });
});

test("pull() of the official artifact gives the files of the folder that it was made of", async (t) => {
  const wanted = await readDirectory(shared, {}, signal).catch(() => undefined);
  if (wanted === undefined) return t.skip(`${shared} is absent`);
  const tarball = join(folder, "official.tgz");
  const contents = Object.fromEntries(wanted);
  await writeFile(tarball, gzipSync(await tarOf(contents)));
  await pushImage({ tarball, to: `${open.host}/org/manifests:latest` }, signal);
  await using registry = registryOf();
  const startMs = performance.now();
  const pulled = await registry.pull(`oci://${open.host}/org/manifests`, { insecure: true }, signal);
  t.diagnostic(
    `${pulled.files.size} files, ${pulled.layer.sizeBytes} bytes packed, ${Math.round(performance.now() - startMs)} ms`,
  );
  assert.deepEqual(new Map([...pulled.files].map(hex)), new Map([...wanted].map(hex)));
});

for (const { name, host, repository, credentials, want } of [
  {
    name: "basic auth with auth",
    host: () => basic.host,
    repository: "org/app",
    credentials: { auth: base64("reader:correct horse") },
    want: "pulled",
  },
  {
    name: "basic auth with username and password",
    host: () => basic.host,
    repository: "org/app",
    credentials: user,
    want: "pulled",
  },
  {
    name: "basic auth without credentials",
    host: () => basic.host,
    repository: "org/app",
    credentials: {},
    want: "unauthorized, backoff: Cannot pull oci://HOST/org/app:v1: HOST asks for a user and password; give a pull secret that has them",
  },
  {
    name: "basic auth with a wrong password",
    host: () => basic.host,
    repository: "org/app",
    credentials: { username: "reader", password: "s3cret" },
    want: "unauthorized, backoff: Cannot pull oci://HOST/org/app:v1: HOST refuses access (401): UNAUTHORIZED: authentication required; check the pull secret",
  },
  { name: "a token for a user", host: () => bearer.host, repository: "org/app", credentials: user, want: "pulled" },
  {
    name: "a token for an identity token",
    host: () => bearer.host,
    repository: "org/app",
    credentials: { identitytoken: "refresh" },
    want: "pulled",
  },
  { name: "a token for nobody", host: () => bearer.host, repository: "org/open", credentials: {}, want: "pulled" },
  {
    name: "no token for nobody",
    host: () => bearer.host,
    repository: "org/app",
    credentials: {},
    want: "unauthorized, backoff: Cannot pull oci://HOST/org/app:v1: TOKENS gives no token (401): UNAUTHORIZED: wrong credentials; give a pull secret",
  },
  {
    name: "no token for a wrong password",
    host: () => bearer.host,
    repository: "org/app",
    credentials: { username: "reader", password: "s3cret" },
    want: "unauthorized, backoff: Cannot pull oci://HOST/org/app:v1: TOKENS gives no token (401): UNAUTHORIZED: wrong credentials; check the pull secret",
  },
  {
    name: "a token that the registry does not know",
    host: () => bearer.host,
    repository: "org/app",
    credentials: { registrytoken: "s3cret" },
    want: "unauthorized, backoff: Cannot pull oci://HOST/org/app:v1: HOST refuses access (401): UNAUTHORIZED: authentication required; check the pull secret",
  },
]) {
  test(`pull() with ${name}`, async () => {
    await using registry = registryOf();
    const access = {
      insecure: true,
      dockerConfig: JSON.stringify({ auths: { [`http://${host()}/v2/`]: credentials } }),
    };
    const outcome = await outcomeOf(registry.pull(`oci://${host()}/${repository}:v1`, access, signal));
    assert.equal(outcome.replaceAll(host(), "HOST").replaceAll(new URL(tokens.realm).host, "TOKENS"), want);
  });
}

test("one token serves all requests to its repository", async () => {
  await using registry = registryOf();
  const access = { insecure: true, dockerConfig: JSON.stringify({ auths: { [bearer.host]: user } }) };
  const before = tokens.requests.length;
  await registry.pull(`oci://${bearer.host}/org/app:v1`, access, signal);
  await registry.resolve(`oci://${bearer.host}/org/app:v1`, access, signal);
  await registry.pull(`oci://${bearer.host}/org/app:v1`, access, signal);
  assert.deepEqual(tokens.requests.slice(before), [
    {
      method: "GET",
      authorization: `Basic ${base64("reader:correct horse")}`,
      parameters: { service: tokens.service, scope: "repository:org/app:pull" },
    },
  ]);
});

test("resolve() takes one request", async () => {
  await using proxy = await proxyTo(open.host);
  await using registry = registryOf();
  await registry.resolve(`oci://${hostOf(proxy)}/org/app:v1`, { insecure: true }, signal);
  assert.deepEqual(
    proxy.requests.map(({ method, path }) => `${method} ${path}`),
    ["HEAD /v2/org/app/manifests/v1"],
  );
});

for (const { name, status } of [
  { name: "HEAD is not known", status: 405 },
  { name: "HEAD is answered without a digest", status: 200 },
]) {
  test(`resolve() falls back to GET where ${name}`, async () => {
    await using proxy = await proxyTo(open.host);
    const headers = { "content-type": "application/vnd.oci.image.index.v1+json" };
    proxy.inject({ method: "HEAD", fault: { kind: "answer", status, headers } });
    await using registry = registryOf();
    const resolved = await registry.resolve(`oci://${hostOf(proxy)}/org/app:index`, { insecure: true }, signal);
    assert.equal(resolved.digest, pushed.index);
  });
}

for (const { name, fault, want } of [
  {
    name: "a blob of the same length with a wrong byte",
    fault: async () => ({
      path: "/blobs/",
      fault: { kind: "answer" as const, status: 200, body: "x".repeat(await layerLength()) },
    }),
    want: /^digest-mismatch, backoff: Cannot pull oci:\/\/HOST\/org\/app:v1: what came as LAYER is sha256:[0-9a-f]{64}$/,
  },
  {
    name: "a blob that is too short, and says so",
    fault: async () => ({ path: "/blobs/", fault: { kind: "answer" as const, status: 200, body: "short" } }),
    want: /^truncated, backoff: Cannot pull oci:\/\/HOST\/org\/app:v1: LAYER ends before the \d+ bytes that the manifest gives it$/,
  },
  {
    name: "a blob that is too long",
    fault: async () => ({
      path: "/blobs/",
      fault: { kind: "answer" as const, status: 200, body: "x".repeat(100_000) },
    }),
    want: /^too-large, backoff: Cannot pull oci:\/\/HOST\/org\/app:v1: HOST sends more than \d+ bytes$/,
  },
  {
    name: "a blob that breaks off again and again",
    fault: async () => ({ path: "/blobs/", times: 9, fault: { kind: "cut" as const, afterBytes: 10 } }),
    want: /^truncated, backoff: Cannot pull oci:\/\/HOST\/org\/app:v1: the answer of HOST broke off$/,
  },
  {
    name: "a blob of which every connection brings a third",
    fault: async () => ({
      path: "/blobs/",
      times: 9,
      fault: { kind: "cut" as const, afterBytes: Math.ceil((await layerLength()) / 3) },
    }),
    want: /^pulled$/,
  },
  {
    name: "a blob that breaks off once",
    fault: async () => ({ path: "/blobs/", fault: { kind: "cut" as const, afterBytes: 50 } }),
    want: /^pulled$/,
  },
  {
    name: "a connection reset once",
    fault: async () => ({ path: "/manifests/", fault: { kind: "reset" as const } }),
    want: /^pulled$/,
  },
  {
    name: "a connection reset again and again",
    fault: async () => ({ path: "/manifests/", times: 9, fault: { kind: "reset" as const } }),
    want: /^unreachable, backoff: Cannot pull oci:\/\/HOST\/org\/app:v1: HOST closed the connection$/,
  },
  {
    name: "no answer",
    fault: async () => ({ path: "/manifests/", times: 9, fault: { kind: "blackhole" as const } }),
    want: /^timeout, backoff: Cannot pull oci:\/\/HOST\/org\/app:v1: HOST takes longer than 10 s$/,
  },
  {
    name: "a blob that stalls",
    fault: async () => ({ path: "/blobs/", times: 9, fault: { kind: "stall" as const, afterBytes: 50 } }),
    want: /^timeout, backoff: Cannot pull oci:\/\/HOST\/org\/app:v1: HOST takes longer than 10 s$/,
  },
  {
    name: "a 503 once",
    fault: async () => ({ path: "/manifests/", fault: { kind: "answer" as const, status: 503 } }),
    want: /^pulled$/,
  },
  {
    name: "a 500 for ever",
    fault: async () => ({
      path: "/manifests/",
      times: 9,
      fault: { kind: "answer" as const, status: 500, body: "<html>request 4711</html>" },
    }),
    want: /^server, backoff: Cannot pull oci:\/\/HOST\/org\/app:v1: HOST answered 500$/,
  },
  {
    name: "a 429 that lets us come back in a second",
    fault: async () => ({
      path: "/manifests/",
      fault: { kind: "answer" as const, status: 429, headers: { "retry-after": "1" } },
    }),
    want: /^pulled$/,
  },
  {
    name: "a 429 that lets us come back in an hour",
    fault: async () => ({
      path: "/manifests/",
      fault: {
        kind: "answer" as const,
        status: 429,
        headers: { "retry-after": "3600" },
        body: "<html>too many</html>",
      },
    }),
    want: /^rate-limited, backoff, after 3600000 ms: Cannot pull oci:\/\/HOST\/org\/app:v1: HOST limits our requests \(429\)$/,
  },
  {
    name: "a 401 without a challenge",
    fault: async () => ({ path: "/manifests/", fault: { kind: "answer" as const, status: 401 } }),
    want: /^unauthorized, backoff: Cannot pull oci:\/\/HOST\/org\/app:v1: HOST asks for nothing, we know Basic and Bearer$/,
  },
  {
    name: "a 403",
    fault: async () => ({
      path: "/manifests/",
      fault: { kind: "answer" as const, status: 403, body: '{"errors":[{"code":"DENIED"}]}' },
    }),
    want: /^unauthorized, backoff: Cannot pull oci:\/\/HOST\/org\/app:v1: HOST denies access \(403\): DENIED; give a pull secret$/,
  },
  {
    name: "a manifest of HTML",
    fault: async () => ({
      path: "/manifests/",
      fault: { kind: "answer" as const, status: 200, body: "<html>login</html>" },
    }),
    want: /^malformed, backoff: Cannot pull oci:\/\/HOST\/org\/app:v1: it is no JSON$/,
  },
  {
    name: "another manifest than its header says",
    fault: async () => ({
      path: "/manifests/",
      fault: { kind: "answer" as const, status: 200, headers: { "docker-content-digest": pushed.index }, body: "{}" },
    }),
    want: /^digest-mismatch, backoff: Cannot pull oci:\/\/HOST\/org\/app:v1: its manifest is not sha256:.*, as the registry says, but sha256:.*$/,
  },
  {
    name: "a redirect to itself",
    fault: async () => ({
      path: "/blobs/",
      times: 99,
      fault: { kind: "answer" as const, status: 307, headers: { location: "?again" } },
    }),
    want: /^redirect, backoff: Cannot pull oci:\/\/HOST\/org\/app:v1: HOST redirects more than 5 times$/,
  },
  {
    name: "a redirect to a file",
    fault: async () => ({
      path: "/blobs/",
      fault: { kind: "answer" as const, status: 307, headers: { location: "file:///etc/passwd" } },
    }),
    want: /^redirect, backoff: Cannot pull oci:\/\/HOST\/org\/app:v1: HOST redirects to file:$/,
  },
]) {
  test(`pull() meets ${name}`, async () => {
    await using proxy = await proxyTo(open.host);
    proxy.inject(await fault());
    await using registry = registryOf();
    const access = { insecure: true, timeoutMs: 10_000 };
    const outcome = await outcomeOf(registry.pull(`oci://${hostOf(proxy)}/org/app:v1`, access, signal));
    assert.match(outcome.replaceAll(hostOf(proxy), "HOST").replaceAll(layerDigest, "LAYER"), want);
  });
}

test("pull() of a tag that is not there", async () => {
  await using registry = registryOf();
  const outcome = await outcomeOf(registry.pull(`oci://${open.host}/org/app:gone`, { insecure: true }, signal));
  assert.equal(
    outcome.replaceAll(open.host, "HOST"),
    "not-found, backoff: Cannot pull oci://HOST/org/app:gone: HOST does not have it (404): MANIFEST_UNKNOWN: manifest unknown; check repository and tag",
  );
});

test("pull() and resolve() of a digest that is answered with another", async () => {
  await using proxy = await proxyTo(open.host);
  const other = Buffer.from(await getManifest("docker")).toString();
  const headers = {
    "docker-content-digest": pushed.docker,
    "content-type": "application/vnd.docker.distribution.manifest.v2+json",
  };
  proxy.inject({ path: "/manifests/", times: 9, fault: { kind: "answer", status: 200, headers, body: other } });
  await using registry = registryOf();
  const reference = `oci://${hostOf(proxy)}/org/app@${pushed.image}`;
  for (const verb of ["pull", "resolve"] as const) {
    const outcome = await outcomeOf(registry[verb](reference, { insecure: true }, signal));
    assert.equal(
      outcome,
      `digest-mismatch, backoff: Cannot ${verb} ${reference}: the registry answers with ${pushed.docker}`,
    );
  }
});

test("pull() from a dead host", async () => {
  const server = await listening(createServer());
  const host = hostOfServer(server);
  await closed(server);
  await using registry = registryOf();
  const outcome = await outcomeOf(registry.pull(`oci://${host}/org/app:v1`, { insecure: true }, signal));
  assert.equal(outcome, `unreachable, backoff: Cannot pull oci://${host}/org/app:v1: no server listens at ${host}`);
});

test("a host that asked to be left alone is left alone by the next call", async () => {
  await using proxy = await proxyTo(open.host);
  proxy.inject({ path: "/manifests/", fault: { kind: "answer", status: 429, headers: { "retry-after": "3600" } } });
  await using registry = registryOf();
  const reference = `oci://${hostOf(proxy)}/org/app:v1`;
  const first = await outcomeOf(registry.pull(reference, { insecure: true }, signal));
  const second = await outcomeOf(registry.pull(reference, { insecure: true }, signal));
  assert.equal(proxy.requests.length, 1);
  assert.equal(untimed(second), untimed(first));
});

test("credentials do not follow a redirect to another host", async () => {
  const seen: IncomingHttpHeaders[] = [];
  const content = await (await fetch(`http://${open.host}/v2/org/app/blobs/${layerDigest}`)).bytes();
  const storage = await listening(
    createServer((request, response) => {
      seen.push(request.headers);
      response.end(content);
    }),
  );
  await using proxy = await proxyTo(basic.host);
  proxy.inject({
    path: "/blobs/",
    fault: { kind: "answer", status: 307, headers: { location: `http://a:b@${hostOfServer(storage)}/layer?signed=1` } },
  });
  await using registry = registryOf();
  const access = { insecure: true, dockerConfig: JSON.stringify({ auths: { [hostOf(proxy)]: user } }) };
  const pulled = await registry.pull(`oci://${hostOf(proxy)}/org/app:v1`, access, signal);
  await closed(storage);
  assert.deepEqual(texts(pulled.files), smallFiles);
  assert.deepEqual(
    seen.map(({ authorization, host }) => ({ authorization, host: host !== hostOf(proxy) })),
    [{ authorization: undefined, host: true }],
  );
});

test("pull() ends at once when its signal is aborted", async () => {
  await using proxy = await proxyTo(open.host);
  proxy.inject({ fault: { kind: "blackhole" } });
  await using registry = registryOf();
  const stop = new AbortController();
  const pulling = registry.pull(`oci://${hostOf(proxy)}/org/app:v1`, { insecure: true }, stop.signal);
  const reason = new Error("enough");
  while (proxy.requests.length === 0) await new Promise((resolve) => void setImmediate(resolve));
  stop.abort(reason);
  await assert.rejects(pulling, (error) => error === reason);
});

test("TLS with a CA and a client certificate", async (t) => {
  const authority = createAuthority("of the registry");
  const { certPem, keyPem } = issueCertificate(authority, {
    kind: "server",
    commonName: "registry",
    names: ["127.0.0.1"],
  });
  const client = issueCertificate(authority, { kind: "client", commonName: "reader", organisations: [] });
  const options = { key: keyPem, cert: certPem, ca: authority.certPem, requestCert: true, rejectUnauthorized: false };
  const server = createTlsServer(options, async (request, response) => {
    if (request.url?.includes("/blobs/")) {
      response.writeHead(307, { location: `http://${open.host}${request.url}` }).end();
      return;
    }
    const authorized = "authorized" in request.socket && request.socket.authorized === true;
    if (!authorized) {
      response.writeHead(403).end();
      return;
    }
    await forwardToOpen(request, response);
  });
  await listening(server);
  const host = hostOfServer(server);
  await using registry = registryOf();
  const identity = { cert: client.certPem, key: client.keyPem };
  for (const { name, access, want } of [
    {
      name: "is not trusted without the CA",
      access: {},
      want: "unreachable, backoff: Cannot resolve oci://HOST/org/app:v1: the certificate of HOST is not trusted (SELF_SIGNED_CERT_IN_CHAIN); give the CA that signed it",
    },
    {
      name: "is trusted with the CA, and denies strangers",
      access: { ca: authority.certPem },
      want: "unauthorized, backoff: Cannot resolve oci://HOST/org/app:v1: HOST denies access (403): give a pull secret",
    },
    { name: "knows the client's certificate", access: { ca: authority.certPem, ...identity }, want: "resolved" },
    {
      name: "refuses a CA that is none",
      access: { ca: "nonsense" },
      want: "credentials, backoff: Cannot resolve oci://HOST/org/app:v1: the CA certificate is no PEM certificate",
    },
    {
      name: "refuses a certificate without its key",
      access: { cert: client.certPem },
      want: "credentials, backoff: Cannot resolve oci://HOST/org/app:v1: a client certificate needs both cert and key",
    },
    {
      name: "refuses a key of another certificate",
      access: { cert: client.certPem, key: authority.keyPem },
      want: "credentials, backoff: Cannot resolve oci://HOST/org/app:v1: the client certificate and its key cannot be read, or do not belong together",
    },
  ] satisfies readonly { name: string; access: RegistryAccess; want: string }[]) {
    await t.test(name, async () => {
      const outcome = await outcomeOf(registry.resolve(`oci://${host}/org/app:v1`, access, signal), "resolved");
      assert.equal(outcome.replaceAll(host, "HOST"), want);
    });
  }
  await t.test("does not follow a redirect out of TLS", async () => {
    const outcome = await outcomeOf(
      registry.pull(`oci://${host}/org/app:v1`, { ca: authority.certPem, ...identity }, signal),
    );
    const want = `redirect, backoff: Cannot pull oci://HOST/org/app:v1: HOST redirects to ${open.host} without encryption`;
    assert.equal(outcome.replaceAll(host, "HOST"), want);
  });
  await t.test("says that a host does not speak TLS", async () => {
    const outcome = await outcomeOf(registry.pull(`oci://${open.host}/org/app:v1`, {}, signal));
    const want =
      "unreachable, backoff: Cannot pull oci://HOST/org/app:v1: HOST does not speak TLS; allow plain HTTP if that is meant";
    assert.equal(outcome.replaceAll(open.host, "HOST"), want);
  });
  await closed(server);
});

test("a proxy is used for hosts that are not exempt", async () => {
  const authority = createAuthority("of the registry");
  const subject = { kind: "server", commonName: "registry", names: ["registry.test"] } as const;
  const { certPem, keyPem } = issueCertificate(authority, subject);
  const secure = await listening(createTlsServer({ key: keyPem, cert: certPem }, forwardToOpen));
  const asked: string[] = [];
  const proxy = createServer(async (request, response) => {
    asked.push(request.url ?? "");
    await forwardToOpen(request, response);
  });
  proxy.on("connect", (request, socket) => {
    asked.push(`CONNECT ${request.url}`);
    const upstream = connect(Number(hostOfServer(secure).split(":")[1]), "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      upstream.pipe(socket).pipe(upstream);
    });
    upstream.on("error", () => socket.destroy());
    socket.on("error", () => upstream.destroy());
  });
  await listening(proxy);
  const url = `http://${hostOfServer(proxy)}`;
  await using registry = registryOf({ http: url, https: url, noProxy: ["other.test"] });
  const pulled = await registry.pull("oci://registry.test/org/app:v1", { insecure: true }, signal);
  assert.deepEqual(texts(pulled.files), smallFiles);
  const resolved = await registry.resolve("oci://registry.test/org/app:v1", { ca: authority.certPem }, signal);
  assert.equal(resolved.digest, pushed.image);
  await outcomeOf(registry.pull(`oci://${open.host}/org/app:v1`, { insecure: true }, signal));
  await Promise.all([closed(proxy), closed(secure)]);
  assert.deepEqual(asked.slice(0, 3), [
    "http://registry.test/v2/org/app/manifests/v1",
    `http://registry.test/v2/org/app/blobs/${layerDigest}`,
    "CONNECT registry.test:443",
  ]);
  assert.ok(asked.every((line) => line.includes("registry.test")));
});

/** Lives ten times as fast as the wall clock, so that backing off takes no long tests. */
const fastClock: Clock = {
  nowMs: () => systemClock.nowMs(),
  monotonicMs: () => systemClock.monotonicMs() * 10,
  sleep: (ms, signal) => systemClock.sleep(ms / 10, signal),
};

type Closing = Registry & AsyncDisposable;

function registryOf(proxy = {}): Closing {
  const registry = new Registry({ clock: fastClock, random: () => 0.5, userAgent: "flux-operator/test", proxy });
  return Object.assign(registry, { [Symbol.asyncDispose]: () => registry.close() });
}

/** "pulled", or "kind, retry: message". */
async function outcomeOf(work: Promise<unknown>, done = "pulled"): Promise<string> {
  try {
    await work;
    return done;
  } catch (error) {
    if (error instanceof LayerError) return error.message;
    if (!(error instanceof RegistryError)) throw error;
    assert.equal(error.reason, "ArtifactFailed");
    assert.ok(!error.message.includes("s3cret"));
    const { kind, retry, message, retryAfterMs } = error;
    return `${kind}, ${retry}${retryAfterMs === undefined ? "" : `, after ${retryAfterMs} ms`}: ${message}`;
  }
}

/** The manifest that `flux push artifact` writes, around the layer that is there. */
async function putFluxManifest({ digest, sizeBytes }: Descriptor): Promise<string> {
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const content = { digest, size: sizeBytes };
  const config = { mediaType: "application/vnd.cncf.flux.config.v1+json", ...content };
  const body = JSON.stringify({ schemaVersion: 2, mediaType, config, layers: [{ mediaType: fluxLayer, ...content }] });
  return await putManifest("flux", mediaType, body);
}

/** crane makes indexes of OCI only. */
async function putDockerList(digest: string): Promise<string> {
  const mediaType = "application/vnd.docker.distribution.manifest.list.v2+json";
  const { length: size } = await getManifest("docker");
  const platform = { architecture: "amd64", os: "linux" };
  const manifests = [{ mediaType: "application/vnd.docker.distribution.manifest.v2+json", digest, size, platform }];
  return await putManifest("list", mediaType, JSON.stringify({ schemaVersion: 2, mediaType, manifests }));
}

async function putManifest(tag: string, mediaType: string, body: string): Promise<string> {
  const headers = { "content-type": mediaType };
  const answer = await fetch(`http://${open.host}/v2/org/app/manifests/${tag}`, { method: "PUT", headers, body });
  assert.equal(answer.status, 201, await answer.text());
  return answer.headers.get("docker-content-digest") ?? "";
}

async function getManifest(tag: string): Promise<Uint8Array> {
  const headers = { accept: manifestMediaTypes.join(", ") };
  const answer = await fetch(`http://${open.host}/v2/org/app/manifests/${tag}`, { headers });
  return await answer.bytes();
}

async function layerLength(): Promise<number> {
  return (await readFile(join(folder, "small.tgz"))).length;
}

/** Answers as the open registry does; the request may be one to a proxy. */
async function forwardToOpen(
  { url = "", method = "", headers }: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { pathname } = new URL(url, "http://unused");
  const options = { method, headers: { accept: headers.accept ?? "" } };
  const answer = await fetch(`http://${open.host}${pathname}`, options);
  const passed = ["content-type", "docker-content-digest"].map((name) => [name, answer.headers.get(name) ?? ""]);
  response.writeHead(answer.status, Object.fromEntries(passed)).end(await answer.bytes());
}

function isVersion(path: string): boolean {
  return path === "VERSION";
}

function untimed(outcome: string): string {
  return outcome.replace(/after \d+ ms/, "later");
}

async function proxyTo(host: string): Promise<WireProxy> {
  return await startWireProxy({ server: `http://${host}` });
}

function hostOf(proxy: WireProxy): string {
  return new URL(proxy.server).host;
}

async function listening<S extends Server>(server: S): Promise<S> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

function hostOfServer(server: Server): string {
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  server.close();
  await once(server, "close");
}

function texts(files: ReadonlyMap<string, Uint8Array>): Record<string, string> {
  return Object.fromEntries([...files].map(([path, content]) => [path, Buffer.from(content).toString()]));
}

function hex([path, content]: [string, Uint8Array]): [string, string] {
  return [path, Buffer.from(content).toString("hex")];
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}
