import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, request as httpRequest } from "node:http";
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { connect } from "node:net";
import type { AddressInfo, Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { TLSSocket } from "node:tls";
import { inspect } from "node:util";

import { createAuthority, issueCertificate } from "../../scripts/control-plane/certificates.ts";
import type { CloudIdentities } from "../../src/oci/cloud/cloud-identities.ts";
import { copyImage } from "../../src/oci/copy/copy-image.ts";
import { repositorySink, repositorySource } from "../../src/oci/copy/repository.ts";
import { RegistryError } from "../../src/oci/registry-error.ts";
import { Registry } from "../../src/oci/registry.ts";
import type { RegistryAccess, RegistryDeps } from "../../src/oci/registry.ts";
import { systemClock } from "../../src/std/clock.ts";
import { sha256Digest } from "../../src/std/digest.ts";
import { azureClient, cloudHosts, roleArn } from "../support/clouds/cloud.ts";
import { startCloudStandIns, strayed } from "../support/clouds/cloud-stand-ins.ts";
import type { CloudRequest, CloudTrouble } from "../support/clouds/cloud.ts";
import type { CloudStandIns } from "../support/clouds/cloud-stand-ins.ts";
import { htpasswd, pushImage, startRegistry, reader as user } from "../support/registry.ts";
import type { RegistryProcess } from "../support/registry.ts";
import { tarGzOf } from "../support/tarball.ts";
import { startTlsFront } from "../support/tls-front.ts";
import type { TlsFront } from "../support/tls-front.ts";
import { startTokenServer } from "../support/token-server.ts";
import type { TokenServer } from "../support/token-server.ts";
import { startWireProxy } from "../support/wire-proxy.ts";

const signal = AbortSignal.timeout(280_000);

let folder: string;
let open: RegistryProcess;
let basic: RegistryProcess;
let bearer: RegistryProcess;
let tokens: TokenServer;
let front: TlsFront;
let closed: TlsFront;
let clouds: CloudStandIns;
let digest: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "registries-"));
  tokens = await startTokenServer({ users: { reader: user.password }, refreshTokens: ["refresh"], open: [] });
  const { realm, service, issuer, jwks } = tokens;
  open = await startRegistry({ kind: "open" }, signal);
  basic = await startRegistry({ kind: "htpasswd", htpasswd }, signal);
  bearer = await startRegistry({ kind: "token", realm, service, issuer, jwks }, signal);
  [front, closed] = [await startTlsFront(open.host), await startTlsFront(open.host, { closed: true })];
  clouds = await startCloudStandIns(open.host);
  const tarball = join(folder, "small.tgz");
  await writeFile(tarball, await tarGzOf({ VERSION: "v2.9.4" }));
  digest = await pushImage({ tarball, to: `${open.host}/org/app:v1` }, signal);
  await pushImage({ tarball, to: `${basic.host}/org/app:v1`, login: user }, signal);
  await pushImage({ tarball, to: `${bearer.host}/org/app:v1`, login: user }, signal);
});
after(async () => {
  const all = [open, basic, bearer, tokens, front, closed, clouds];
  await Promise.all(all.map((server) => server?.[Symbol.asyncDispose]()));
  await rm(folder, { recursive: true, force: true });
});

type Closing = Registry & AsyncDisposable;

function registryOf(deps: Partial<RegistryDeps> = {}): Closing {
  const registry = new Registry({ clock: systemClock, random: () => 0.5, userAgent: "flux-operator/test", ...deps });
  return Object.assign(registry, { [Symbol.asyncDispose]: () => registry.close() });
}

/** How a registry is reached; the rest stays as it is. */
type Way = { readonly host: string; readonly access: RegistryAccess; readonly deps?: Partial<RegistryDeps> };

const uses = ["resolve", "pull", "push"] as const;
type Use = (typeof uses)[number];

let copies = 0;

/** Resolves or pulls the image at the host, or pushes a copy of it as `distro mirror` does. */
async function use(what: Use, { host, access }: Way, registry: Registry): Promise<void> {
  const reference = `oci://${host}/org/app:v1`;
  switch (what) {
    case "resolve":
      assert.equal((await registry.resolve(reference, access, signal)).digest, digest);
      return;
    case "pull": {
      const { files } = await registry.pull(reference, access, signal);
      assert.deepEqual([...files.keys()], ["VERSION"]);
      return;
    }
    case "push": {
      const from = { address: `oci://${open.host}/org/app`, access: { insecure: true } };
      const to = { address: `oci://${host}/org/copy${(copies += 1)}`, access };
      const places = [repositorySource(from, registry, signal), repositorySink(to, registry, signal)] as const;
      const copied = await copyImage({ name: "v1", tag: "v1" }, ...places, signal);
      assert.equal(copied.digest, digest);
      assert.equal((await registry.resolve(`${to.address}:v1`, access, signal)).digest, digest);
    }
  }
}

/** Every message so far, and what a log would make of its error with all causes. */
const told: string[] = [];

/** "yes", or "kind: what it says". */
async function outcomeOf(work: Promise<void>): Promise<string> {
  try {
    await work;
    return "yes";
  } catch (thrown) {
    const error: unknown = thrown instanceof AggregateError ? thrown.errors[0] : thrown;
    if (!(error instanceof RegistryError)) throw thrown;
    told.push(error.message, JSON.stringify(error), inspect(error, { depth: 9 }));
    return `${error.kind}: ${error.message.replace(/^Cannot \w+ oci:\/\/[^ ]+: /, "")}`;
  }
}

async function outcomes(way: Way, wanted: readonly Use[] = uses): Promise<readonly string[]> {
  await using registry = registryOf(way.deps);
  const found: string[] = [];
  for (const what of wanted) found.push((await outcomeOf(use(what, way, registry))).replaceAll(way.host, "HOST"));
  return found;
}

const config = (host: string, entry: object): RegistryAccess => ({
  dockerConfig: JSON.stringify({ auths: { [host]: entry } }),
});
const untrusted =
  "unreachable: the certificate of HOST is not trusted (UNABLE_TO_VERIFY_LEAF_SIGNATURE); give the CA that signed it";
const noTls = "unreachable: HOST does not speak TLS; allow plain HTTP if that is meant";
const all = (outcome: string): readonly string[] => uses.map(() => outcome);

describe("registries as they are in real life", { concurrency: 1 }, () => {
  const rows: string[] = [];

  for (const { name, way, want } of [
    {
      name: "basic login",
      way: () => ({ host: basic.host, access: { insecure: true, ...config(basic.host, user) } }),
      want: all("yes"),
    },
    {
      name: "basic login, without a pull secret",
      way: () => ({ host: basic.host, access: { insecure: true } }),
      want: all("unauthorized: HOST asks for a user and password; give a pull secret that has them"),
    },
    {
      name: "token for a user",
      way: () => ({ host: bearer.host, access: { insecure: true, ...config(bearer.host, user) } }),
      want: all("yes"),
    },
    {
      name: "token for an identity token",
      way: () => ({
        host: bearer.host,
        access: { insecure: true, ...config(`https://${bearer.host}/v2/`, { identitytoken: "refresh" }) },
      }),
      want: all("yes"),
    },
    { name: "TLS with a private CA", way: () => ({ host: front.host, access: { ca: front.caPem } }), want: all("yes") },
    {
      name: "TLS with a private CA that is not given",
      way: () => ({ host: front.host, access: {} }),
      want: all(untrusted),
    },
    {
      name: "mutual TLS",
      way: () => ({
        host: closed.host,
        access: { ca: closed.caPem, cert: closed.client.certPem, key: closed.client.keyPem },
      }),
      want: all("yes"),
    },
    {
      name: "mutual TLS, without a certificate",
      way: () => ({ host: closed.host, access: { ca: closed.caPem } }),
      want: all("unreachable: HOST closed the connection"),
    },
    { name: "plain HTTP", way: () => ({ host: open.host, access: {} }), want: all(noTls) },
    { name: "plain HTTP, opted in", way: () => ({ host: open.host, access: { insecure: true } }), want: all("yes") },
  ] satisfies readonly { name: string; way: () => Way; want: readonly string[] }[]) {
    test(`${name}: ${want.every((outcome) => outcome === "yes") ? "works" : "is refused"}`, async () => {
      assert.deepEqual(await outcomes(way()), want);
      rows.push(row(name, want));
    });
  }

  test("a proxy with a password: all goes through it, and nobody else sees the password", async () => {
    await using proxy = await startForwardProxy({ "registry.test:80": basic.host, "registry.test:443": front.host });
    const url = `http://user:of-the-proxy@${proxy.host}`;
    const deps = { proxy: { http: url, https: url } };
    const plain = { host: "registry.test", access: { insecure: true, ...config("registry.test", user) }, deps };
    assert.deepEqual(await outcomes(plain), all("yes"));
    assert.ok(proxy.asked.includes("registry.test:80"), proxy.asked.join());
    assert.deepEqual([...new Set(proxy.logins)], [`Basic ${base64("user:of-the-proxy")}`]);
    rows.push(row("proxy", all("yes")));
  });

  test("a 429 with Retry-After: is waited for", async () => {
    await using wire = await startWireProxy({ server: `http://${open.host}` });
    const host = new URL(wire.server).host;
    for (const method of ["HEAD", "GET", "POST"])
      wire.inject({ method, fault: { kind: "answer", status: 429, headers: { "retry-after": "1" } } });
    assert.deepEqual(await outcomes({ host, access: { insecure: true } }), all("yes"));
    rows.push(row("429 with Retry-After", all("yes")));
  });

  test("a redirect to another host: it gets no credentials, no certificate, no header of the registry", async () => {
    const seen: IncomingHttpHeaders[] = [];
    const storage = await listening(
      createServer(({ headers, url = "" }, response) => {
        seen.push(headers);
        const there = httpRequest(`http://${open.host}${url.replace("/moved", "")}`, (answer) => answer.pipe(response));
        there.end();
      }),
    );
    await using wire = await startWireProxy({ server: `http://${basic.host}` });
    const host = new URL(wire.server).host;
    const location = (path: string): string => `http://a:b@${hostOf(storage)}/moved${path}`;
    const access = { insecure: true, ...config(host, user) };
    const { files, layer } = await registryOf().pull(`oci://${open.host}/org/app:v1`, { insecure: true }, signal);
    assert.equal(files.size, 1);
    const moved = { location: location(`/v2/org/app/blobs/${layer.digest}`) };
    wire.inject({ method: "GET", path: "/blobs/", fault: { kind: "answer", status: 307, headers: moved } });
    const want = ["yes", "yes", "redirect: HOST redirects a request that carries credentials or content"];
    assert.deepEqual(await outcomes({ host, access }, ["resolve", "pull"]), want.slice(0, 2));
    wire.inject({ method: "POST", fault: { kind: "answer", status: 307, headers: moved } });
    assert.deepEqual(await outcomes({ host, access }, ["push"]), want.slice(2));
    await stopped(storage);
    assert.deepEqual(
      seen.map((headers) => Object.keys(headers).toSorted()),
      [["accept", "connection", "host", "user-agent"]],
    );
    rows.push(row("redirect to another host", want));
  });

  test("an upload that goes on at another host takes neither password nor certificate there", async () => {
    const authority = createAuthority("of both");
    const subject = { kind: "server", commonName: "both", names: ["127.0.0.1"] } as const;
    const { certPem, keyPem } = issueCertificate(authority, subject);
    const client = issueCertificate(authority, { kind: "client", commonName: "pusher", organisations: [] });
    const options = { key: keyPem, cert: certPem, ca: authority.certPem, requestCert: true, rejectUnauthorized: false };
    const seen: string[] = [];
    const note = (where: string, { method = "", headers, socket }: IncomingMessage): void => {
      const certificate = (socket as TLSSocket).getPeerCertificate().subject?.CN;
      seen.push(
        `${where} ${method}: ${String(certificate ?? "no certificate")}, ${headers.authorization === undefined ? "no login" : "login"}`,
      );
    };
    const storage = createTlsServer(options, (incoming, response) => {
      note("storage", incoming);
      response.writeHead(201).end();
    });
    const registry = createTlsServer(options, (incoming, response) => {
      note("registry", incoming);
      const location = `https://${hostOf(storage)}/upload`;
      const challenge = { "www-authenticate": "Basic" };
      if (incoming.headers.authorization === undefined) response.writeHead(401, challenge).end();
      else response.writeHead(202, { location }).end();
    });
    await Promise.all([listening(storage), listening(registry)]);
    const host = hostOf(registry);
    const tls = { ca: authority.certPem, cert: client.certPem, key: client.keyPem };
    const request = {
      verb: "push",
      reference: `oci://${host}/org/app:v1`,
      access: { ...tls, ...config(host, user) },
    } as const;
    await using pusher = registryOf();
    const content = Buffer.from("content");
    await pusher.write(request, signal, (repository) => repository.putBlob(sha256Digest(content), content));
    await Promise.all([stopped(storage), stopped(registry)]);
    assert.deepEqual(seen, [
      "registry POST: pusher, no login",
      "registry POST: pusher, login",
      "storage PUT: no certificate, no login",
    ]);
  });

  for (const { name, host, identities } of cloudWays()) {
    test(`${name}: works, and every secret stays where it belongs`, async () => {
      const from = clouds.requests.length;
      assert.deepEqual(await outcomes(cloudWay(host, identities())), all("yes"));
      assert.deepEqual(strayed(clouds), []);
      assert.deepEqual(headersOfStorage(clouds.requests.slice(from)), ["accept", "connection", "host", "user-agent"]);
      rows.push(row(name, all("yes")));
    });
  }

  test("the table", (t) => {
    t.diagnostic(["registry | resolve | pull | push", ...rows].join("\n"));
    assert.equal(rows.length, 17);
  });
});

function cloudWay(host: string, identities: CloudIdentities, access: RegistryAccess = {}): Way {
  return { host, access: { ca: clouds.caPem, ...access }, deps: { proxy: { https: clouds.proxy }, identities } };
}

type CloudWay = {
  readonly name: string;
  readonly host: string;
  readonly identities: () => CloudIdentities;
};

function cloudWays(): readonly CloudWay[] {
  return [
    { name: "ECR, IAM role of the service account", host: cloudHosts.ecr, identities: () => webIdentity() },
    { name: "ECR, EKS Pod Identity", host: cloudHosts.ecr, identities: () => podIdentity() },
    { name: "Azure Container Registry", host: cloudHosts.acr, identities: () => azureIdentity() },
    { name: "Artifact Registry", host: cloudHosts.google, identities: () => ({ googleMetadata: clouds.metadata }) },
  ];
}

/** No metadata server is there. */
const nowhere = "http://127.0.0.1:1";

let files = 0;

function tokenFile(token: string): string {
  const path = join(folder, `token${(files += 1)}`);
  writeFileSync(path, `${token}\n`);
  return path;
}

type PodToken = { readonly audience?: string; readonly lifeSeconds?: number };

function webIdentity({ audience = "sts.amazonaws.com", ...life }: PodToken = {}): CloudIdentities {
  const token = clouds.podToken({ audience, shownTo: cloudHosts.sts, ...life });
  const aws = { kind: "web-identity", roleArn, tokenFile: tokenFile(token), region: "eu-west-1" } as const;
  return { aws, googleMetadata: nowhere };
}

function podIdentity(url: string = clouds.podIdentityAgent): CloudIdentities {
  const shownTo = new URL(clouds.podIdentityAgent).host;
  const token = clouds.podToken({ audience: "pods.eks.amazonaws.com", shownTo });
  return { aws: { kind: "pod-identity", url, tokenFile: tokenFile(token) }, googleMetadata: nowhere };
}

function azureIdentity({ audience = "api://AzureADTokenExchange", ...life }: PodToken = {}): CloudIdentities {
  const token = clouds.podToken({ audience, shownTo: cloudHosts.entra, ...life });
  const authority = `https://${cloudHosts.entra}/`;
  return { azure: { ...azureClient, tokenFile: tokenFile(token), authority }, googleMetadata: nowhere };
}

const awsRemedy =
  "give the operator's ServiceAccount an IAM role that may pull (annotation eks.amazonaws.com/role-arn, or an EKS Pod Identity association) and restart its pod, or give a pull secret";
const azureRemedy =
  "give the operator's ServiceAccount an Azure identity with the role AcrPull (annotation azure.workload.identity/client-id, and the pod label azure.workload.identity/use) and restart its pod, or give a pull secret";
const googleRemedy =
  "give the operator's ServiceAccount the role roles/artifactregistry.reader by Workload Identity Federation for GKE, or give a pull secret";
const noRole = (code: string): string =>
  `identity: ${cloudHosts.sts} does not give the operator's ServiceAccount the role ${roleArn} (${code}); check the trust policy of the role, and the annotation eks.amazonaws.com/role-arn`;
const noAgent = `identity: the EKS Pod Identity agent at AGENT gives no credentials (400); check the Pod Identity association of the operator's ServiceAccount`;
const noEntra = (code: string): string =>
  `identity: ${cloudHosts.entra} gives no token for the Azure identity ${azureClient.clientId} (401 ${code}); check its federated credential for the operator's ServiceAccount, and the annotation azure.workload.identity/client-id`;
const noGoogle =
  "identity: AGENT gives no token for the operator's ServiceAccount (403); let it act for the Google service account that its annotation iam.gke.io/gcp-service-account names (roles/iam.workloadIdentityUser)";

describe("logins at clouds", { concurrency: 1 }, () => {
  for (const { name, host, identities, trouble, want } of [
    {
      name: "ECR, no identity",
      host: cloudHosts.ecr,
      identities: () => ({ googleMetadata: nowhere }),
      want: `unauthorized: HOST asks for a user and password; ${awsRemedy}`,
    },
    {
      name: "ECR, a role that does not trust the service account",
      host: cloudHosts.ecr,
      identities: () => webIdentity(),
      trouble: "no trust",
      want: noRole("403 AccessDenied"),
    },
    {
      name: "ECR, a pod token that has expired",
      host: cloudHosts.ecr,
      identities: () => webIdentity({ lifeSeconds: -60 }),
      want: noRole("400 ExpiredTokenException"),
    },
    {
      name: "ECR, a pod token for another audience",
      host: cloudHosts.ecr,
      identities: () => webIdentity({ audience: "api://AzureADTokenExchange" }),
      want: noRole("400 InvalidIdentityToken"),
    },
    {
      name: "ECR, a role that may not log in",
      host: cloudHosts.ecr,
      identities: () => webIdentity(),
      trouble: "no login",
      want: `identity: ${cloudHosts.ecrApi} gives the operator no login (400 AccessDeniedException); allow its IAM role ecr:GetAuthorizationToken`,
    },
    {
      name: "ECR, a role that may not pull",
      host: cloudHosts.ecr,
      identities: () => webIdentity(),
      trouble: "no right",
      want: `unauthorized: HOST denies access (403): DENIED: not authorized to perform: ecr:BatchGetImage; ${awsRemedy}`,
    },
    {
      name: "ECR, no Pod Identity association",
      host: cloudHosts.ecr,
      identities: () => podIdentity(),
      trouble: "no trust",
      want: noAgent,
    },
    {
      name: "ECR, an agent elsewhere",
      host: cloudHosts.ecr,
      identities: () => podIdentity("http://agent.example.com/v1/credentials"),
      want: "identity: AWS_CONTAINER_CREDENTIALS_FULL_URI of the pod is no address of an agent on this node",
    },
    {
      name: "ECR, no token file",
      host: cloudHosts.ecr,
      identities: () => ({
        aws: { kind: "web-identity", roleArn, tokenFile: "/nowhere/token", region: "eu-west-1" } as const,
        googleMetadata: nowhere,
      }),
      want: "identity: the token of this pod cannot be read from /nowhere/token (ENOENT); restart the operator's pod",
    },
    {
      name: "ACR, no identity",
      host: cloudHosts.acr,
      identities: () => ({ googleMetadata: nowhere }),
      want: `unauthorized: HOST gives no token (401): UNAUTHORIZED; ${azureRemedy}`,
    },
    {
      name: "ACR, no federated credential",
      host: cloudHosts.acr,
      identities: () => azureIdentity(),
      trouble: "no trust",
      want: noEntra("AADSTS700213"),
    },
    {
      name: "ACR, a pod token that has expired",
      host: cloudHosts.acr,
      identities: () => azureIdentity({ lifeSeconds: -60 }),
      want: noEntra("AADSTS700024"),
    },
    {
      name: "ACR, a pod token for another audience",
      host: cloudHosts.acr,
      identities: () => azureIdentity({ audience: "sts.amazonaws.com" }),
      want: noEntra("AADSTS700212"),
    },
    {
      name: "ACR, an identity that the registry does not let in",
      host: cloudHosts.acr,
      identities: () => azureIdentity(),
      trouble: "no login",
      want: `identity: HOST does not let in the Azure identity ${azureClient.clientId} (401); assign it the role AcrPull on this registry`,
    },
    {
      name: "ACR, an identity that may not pull",
      host: cloudHosts.acr,
      identities: () => azureIdentity(),
      trouble: "no right",
      want: `unauthorized: HOST denies access (403): DENIED: requested access to the resource is denied; ${azureRemedy}`,
    },
    {
      name: "ACR, tokens of another host",
      host: cloudHosts.acr,
      identities: () => azureIdentity(),
      trouble: "other realm",
      want: `unauthorized: HOST wants tokens fetched from ${cloudHosts.storage}, and a login of its cloud is sent to no other host`,
    },
    {
      name: "Artifact Registry, no metadata server",
      host: cloudHosts.google,
      identities: () => ({ googleMetadata: nowhere }),
      want: `unauthorized: HOST denies access (403): DENIED: Unauthenticated request; ${googleRemedy}`,
    },
    {
      name: "Artifact Registry, a service account that may not be used",
      host: cloudHosts.google,
      identities: () => ({ googleMetadata: clouds.metadata }),
      trouble: "no trust",
      want: noGoogle,
    },
    {
      name: "Artifact Registry, an account that may not pull",
      host: cloudHosts.google,
      identities: () => ({ googleMetadata: clouds.metadata }),
      trouble: "no right",
      want: `unauthorized: HOST denies access (403): DENIED: requested access to the resource is denied; ${googleRemedy}`,
    },
  ] satisfies readonly {
    name: string;
    host: string;
    identities: () => CloudIdentities;
    trouble?: CloudTrouble;
    want: string;
  }[]) {
    test(`${name}: says what to do, the same each time, and no secret`, async () => {
      clouds.trouble = trouble;
      const way = cloudWay(host, identities());
      const agent = new URL(clouds.metadata).host;
      try {
        await using registry = registryOf(way.deps);
        const first = await outcomeOf(use("resolve", way, registry));
        const second = await outcomeOf(use("resolve", way, registry));
        assert.equal(first.replaceAll(host, "HOST").replaceAll(agent, "AGENT"), want.replaceAll(host, "HOST"));
        assert.equal(second, first);
        assert.deepEqual(leaksIn(first), []);
        assert.deepEqual(strayed(clouds), []);
      } finally {
        clouds.trouble = undefined;
      }
    });
  }

  test("a clock that is an hour late: is told", async () => {
    const clock = { ...systemClock, nowMs: () => systemClock.nowMs() - 3_600_000 };
    const { deps, ...way } = cloudWay(cloudHosts.ecr, webIdentity());
    assert.deepEqual(await outcomes({ ...way, deps: { ...deps, clock } }, ["resolve"]), [
      `identity: ${cloudHosts.ecrApi} gives the operator no login (400 InvalidSignatureException); check the clock of the operator's node`,
    ]);
  });

  for (const { name, metadata } of [
    { name: "no metadata server", metadata: () => nowhere },
    { name: "an account that may not be used", metadata: () => clouds.metadata },
  ]) {
    test(`a public repository is read with ${name}`, async () => {
      clouds.trouble = "no trust";
      clouds.servesEveryone = true;
      try {
        const way = cloudWay(cloudHosts.google, { googleMetadata: metadata() });
        assert.deepEqual(await outcomes(way, ["resolve", "pull"]), ["yes", "yes"]);
      } finally {
        clouds.trouble = undefined;
        clouds.servesEveryone = false;
      }
    });
  }

  test("an identity that has come right is used by the next request", async () => {
    const way = cloudWay(cloudHosts.google, { googleMetadata: clouds.metadata });
    await using registry = registryOf(way.deps);
    clouds.trouble = "no trust";
    assert.match(await outcomeOf(use("resolve", way, registry)), /^identity: /);
    clouds.trouble = undefined;
    assert.equal(await outcomeOf(use("resolve", way, registry)), "yes");
  });

  for (const { name, host, identities } of cloudWays()) {
    test(`${name}: one login serves all until shortly before its end, or until it is refused`, async () => {
      let laterMs = 0;
      const clock = {
        ...systemClock,
        nowMs: () => systemClock.nowMs() + laterMs,
        monotonicMs: () => systemClock.monotonicMs() + laterMs,
      };
      const way = cloudWay(host, identities());
      await using registry = registryOf({ ...way.deps, clock });
      const logins = async (what: () => Promise<unknown>): Promise<number> => {
        const from = clouds.requests.length;
        await what();
        return clouds.requests.slice(from).filter(isLogin).length;
      };
      assert.equal(await logins(() => Promise.all(uses.map(() => use("resolve", way, registry)))), 1);
      assert.equal(await logins(() => use("pull", way, registry)), 0);
      clouds.revoke();
      assert.equal(await logins(() => use("resolve", way, registry)), 1, "the registry has forgotten it");
      laterMs = 58 * 60_000;
      assert.equal(
        await logins(() => use("resolve", way, registry)),
        0,
        "Google's, the shortest, has two minutes left",
      );
      // AWS refuses a signature of such a time, which shows that another one was asked for.
      laterMs = 13 * 3_600_000;
      assert.equal(await logins(() => outcomeOf(use("resolve", way, registry))), 1);
    });
  }

  test("a pull secret for the host comes first, and no cloud is asked", async () => {
    const access = config(cloudHosts.ecr, { username: "AWS", password: "of a pull secret" });
    const from = clouds.requests.length;
    const [outcome] = await outcomes(cloudWay(cloudHosts.ecr, webIdentity(), access));
    assert.equal(outcome, "unauthorized: HOST refuses access (401): check the pull secret");
    assert.deepEqual([...new Set(clouds.requests.slice(from).map(({ host }) => host))], [cloudHosts.ecr]);
  });

  test("no other registry gets a login of a cloud", async () => {
    const identities = { ...webIdentity(), ...azureIdentity(), googleMetadata: clouds.metadata };
    const from = clouds.requests.length;
    for (const host of [basic.host, bearer.host]) {
      const found = await outcomes({ host, access: { insecure: true }, deps: { identities } });
      assert.ok(
        found.every((outcome) => outcome.startsWith("unauthorized: ")),
        found.join(),
      );
    }
    assert.deepEqual(clouds.requests.slice(from), []);
  });

  test("plain HTTP to a host of a cloud gets no login", async () => {
    await using proxy = await startForwardProxy({ [`${cloudHosts.ecr}:80`]: basic.host });
    const deps = { proxy: { http: `http://${proxy.host}` }, identities: webIdentity() };
    const from = clouds.requests.length;
    const [outcome] = await outcomes({ host: cloudHosts.ecr, access: { insecure: true }, deps });
    assert.match(outcome ?? "", /^unauthorized: HOST asks for a user and password; /);
    assert.deepEqual(clouds.requests.slice(from), []);
  });

  test("no secret of all these logins stands in what was told", () => {
    assert.ok(clouds.secrets.length > 80, `${clouds.secrets.length} secrets`);
    assert.deepEqual(told.flatMap(leaksIn), []);
    assert.ok(told.length > 40, `${told.length} messages`);
  });
});

/** The secrets that a text has, by name. */
function leaksIn(text: string): readonly string[] {
  const passwords = [user.password, base64(`${user.username}:${user.password}`), "of a pull secret", "of-the-proxy"];
  const secrets = [...clouds.secrets, ...passwords.map((value) => ({ name: "password", value }))];
  return secrets.filter(({ value }) => text.includes(value)).map(({ name }) => `${name} stands in: ${text}`);
}

/** The request in which the identity itself is shown. */
function isLogin({ host, line }: CloudRequest): boolean {
  return host === cloudHosts.ecrApi || line === "POST /oauth2/exchange" || line.includes("computeMetadata");
}

function headersOfStorage(requests: readonly CloudRequest[]): readonly string[] {
  const seen = requests.filter(({ host }) => host === cloudHosts.storage);
  assert.ok(seen.length > 0);
  return [...new Set(seen.flatMap(({ headers }) => Object.keys(headers)))].toSorted();
}

type ForwardProxy = AsyncDisposable & {
  readonly host: string;
  /** "host:port" of every request and tunnel. */
  readonly asked: readonly string[];
  readonly logins: readonly (string | undefined)[];
};

/** A proxy as in HTTP_PROXY that knows where these names are: "registry.test:80" -> "127.0.0.1:4711". */
async function startForwardProxy(names: Readonly<Record<string, string>>): Promise<ForwardProxy> {
  const asked: string[] = [];
  const logins: (string | undefined)[] = [];
  const proxy = createServer((incoming, response) => {
    const { method = "", url = "", headers } = incoming;
    const { hostname, port, pathname, search } = new URL(url);
    const name = `${hostname}:${port === "" ? "80" : port}`;
    asked.push(name);
    logins.push(headers["proxy-authorization"]);
    const { "proxy-authorization": _, ...rest } = headers;
    const there = httpRequest(`http://${names[name]}${pathname}${search}`, { method, headers: rest }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    there.on("error", () => response.destroy());
    incoming.pipe(there);
  });
  proxy.on("connect", ({ url = "", headers }, socket) => {
    asked.push(url);
    logins.push(headers["proxy-authorization"]);
    const [host = "", port] = (names[url] ?? "").split(":");
    const there = connect(Number(port), host, () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      there.pipe(socket).pipe(there);
    });
    there.on("error", () => socket.destroy());
    socket.on("error", () => there.destroy());
  });
  await listening(proxy);
  return { host: hostOf(proxy), asked, logins, [Symbol.asyncDispose]: () => stopped(proxy) };
}

async function listening<S extends Server>(server: S): Promise<S> {
  await once(server.listen(0, "127.0.0.1"), "listening");
  return server;
}

async function stopped(server: ReturnType<typeof createServer>): Promise<void> {
  const end = once(server, "close");
  server.closeAllConnections();
  server.close();
  await end;
}

function hostOf(server: Server): string {
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function row(name: string, outcome: readonly string[]): string {
  return [name, ...outcome.map((text) => (text === "yes" ? "yes" : "refused"))].join(" | ");
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}
