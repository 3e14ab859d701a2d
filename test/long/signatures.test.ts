import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createPublicKey, generateKeyPairSync, X509Certificate } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { request } from "undici";
import { goTool } from "../../scripts/go-tool.ts";
import { fieldsOf, listOf } from "../../src/kube/fields.ts";
import type { JsonObject } from "../../src/kube/object.ts";
import { Registry } from "../../src/oci/registry.ts";
import { SignatureChecks } from "../../src/oci/signatures/signature-checks.ts";
import type { TrustInput } from "../../src/oci/signatures/trust-input.ts";
import { systemClock } from "../../src/std/clock.ts";
import { ReasonedError } from "../../src/std/errors.ts";
import { ociManifest, pushManifest } from "../support/push-content.ts";
import {
  copyImage,
  pushImage,
  pushIndex,
  startReferrersRegistry,
  startRegistry,
  type RegistryProcess,
} from "../support/registry.ts";
import {
  identityToken,
  startSigstoreServices,
  type Parts,
  type SigstoreServices,
} from "../support/sigstore-services.ts";
import { tarGzOf } from "../support/tarball.ts";

const run = promisify(execFile);
const signal = AbortSignal.timeout(580_000);
const issuer = "https://token.actions.example.com";
const subject = "https://git.example.com/org/app/.github/workflows/release.yml@refs/tags/v1";

const pairs = {
  p256: generateKeyPairSync("ec", { namedCurve: "P-256" }),
  p384: generateKeyPairSync("ec", { namedCurve: "P-384" }),
  p521: generateKeyPairSync("ec", { namedCurve: "P-521" }),
  rsa: generateKeyPairSync("rsa", { modulusLength: 3072 }),
  ed25519: generateKeyPairSync("ed25519"),
  theirs: generateKeyPairSync("ec", { namedCurve: "P-256" }),
};
type KeyName = keyof typeof pairs;
const keyNames = Object.keys(pairs) as KeyName[];

let folder: string;
let cosignPath: string;
let cosign2Path: string;
/** One registry without the referrers API, one with it. */
let registries: { readonly tags: RegistryProcess; readonly referrers: RegistryProcess };
let sigstore: SigstoreServices;
/** Another instance, and one whose log is an hour ahead of its CA. */
let stranger: SigstoreServices;
let late: SigstoreServices;
let registry: Registry;
/** Hosts to which this process has opened connections while it verified. */
const contacted = new Set<string>();

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "signatures-"));
  cosignPath = await goTool("cosign", signal);
  cosign2Path = await goTool("cosign-2", signal);
  const [tags, referrers] = await Promise.all([
    startRegistry({ kind: "open" }, signal),
    startReferrersRegistry(signal),
  ]);
  registries = { tags, referrers };
  sigstore = await startSigstoreServices();
  stranger = await startSigstoreServices();
  late = await startSigstoreServices({ skewMs: 3_600_000 });
  registry = new Registry({ clock: systemClock, random: Math.random, userAgent: "flux-operator/test" });
  for (const name of keyNames) await importKey(name);
});
after(async () => {
  await registry?.close();
  for (const started of [sigstore, stranger, late, registries?.tags, registries?.referrers])
    await started?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

async function cosign(...args: readonly string[]): Promise<void> {
  const env = { PATH: process.env["PATH"], HOME: folder, COSIGN_PASSWORD: "secret" };
  await run(cosignPath, [...args], { env, cwd: folder, signal });
}

/** cosign 2, which knows the services by a certificate and a key in files. */
async function cosign2(...args: readonly string[]): Promise<void> {
  const { certificateAuthorities, tlogs } = JSON.parse(sigstore.trustedRoot({ tlog: 1 }));
  const ca = new X509Certificate(Buffer.from(certificateAuthorities[0].certChain.certificates[0].rawBytes, "base64"));
  const log = Buffer.from(tlogs[0].publicKey.rawBytes, "base64");
  const env = {
    PATH: process.env["PATH"],
    HOME: folder,
    COSIGN_PASSWORD: "secret",
    // Nobody: it would ask the public instance for what the files below have.
    TUF_MIRROR: "http://127.0.0.1:1",
    SIGSTORE_ROOT_FILE: await file("ca.pem", ca.toString()),
    SIGSTORE_REKOR_PUBLIC_KEY: await file("log.pub", pem(createPublicKey({ key: log, format: "der", type: "spki" }))),
  };
  await run(cosign2Path, [...args], { env, cwd: folder, signal });
}

async function file(name: string, text: string): Promise<string> {
  await writeFile(join(folder, name), text);
  return join(folder, name);
}

async function importKey(name: KeyName): Promise<void> {
  const path = await file(`${name}.pem`, pem(pairs[name].privateKey));
  await cosign("import-key-pair", "--yes", "--key", path, "--output-key-prefix", name);
}

function pem(key: KeyObject): string {
  return key.export({ format: "pem", type: key.type === "public" ? "spki" : "pkcs8" });
}

/** An image as a case has it: its address without tag, and its digest. */
type Image = { readonly repository: string; readonly digest: string };

let images = 0;

async function push(host: string): Promise<Image> {
  images += 1;
  const tarball = await file("layer.tgz", "");
  await writeFile(tarball, await tarGzOf({ [`file-${images}`]: "content" }));
  const repository = `${host}/org/app-${images}`;
  return { repository, digest: await pushImage({ tarball, to: `${repository}:v1` }, signal) };
}

type Form = "tag" | "bundle";
const formFlags = { tag: ["--new-bundle-format=false"], bundle: [] } as const;

function address({ repository, digest }: Image): string {
  return `${repository}@${digest}`;
}

/** Signs with a key, and without any service unless `parts` say which. */
async function signWithKey(image: Image, form: Form, key: KeyName, parts: Parts = {}): Promise<void> {
  const services = form === "tag" ? tagServices(sigstore, parts) : await bundleServices(sigstore, parts);
  const flags = ["--yes", "--allow-http-registry", "--key", `${key}.key`, ...services, ...formFlags[form]];
  await cosign("sign", ...flags, address(image));
}

const withLog: Parts = { tlog: 1, ctlog: true };
const withBoth: Parts = { tlog: 1, tsa: true, ctlog: true };

async function signKeyless(image: Image, form: Form, parts: Parts = withLog, services = sigstore): Promise<void> {
  const flags = form === "tag" ? tagServices(services, parts) : await bundleServices(services, parts);
  const identity = ["--fulcio-url", services.url, "--identity-token", identityToken(issuer, subject)];
  const own = form === "tag" ? identity : identity.slice(2);
  await cosign("sign", "--yes", "--allow-http-registry", ...flags, ...own, ...formFlags[form], address(image));
}

async function signWithCosign2(
  image: Image,
  how: { readonly key: KeyName } | { readonly tsa: boolean },
): Promise<void> {
  const flags = ["sign", "--yes", "--allow-http-registry"];
  if ("key" in how) return await cosign2(...flags, "--key", `${how.key}.key`, "--tlog-upload=false", address(image));
  const stamp = how.tsa ? ["--timestamp-server-url", `${sigstore.url}/api/v1/timestamp`] : [];
  const services = ["--fulcio-url", sigstore.url, "--rekor-url", sigstore.url, ...stamp];
  const signer = ["--identity-token", identityToken(issuer, subject), "--insecure-skip-verify"];
  await cosign2(...flags, ...services, ...signer, address(image));
}

async function bundleServices(services: SigstoreServices, parts: Parts): Promise<readonly string[]> {
  const root = await file("signing-root.json", services.trustedRoot({ ...parts, ctlog: true }));
  return ["--signing-config", await file("signing.json", services.signingConfig(parts)), "--trusted-root", root];
}

function tagServices({ url }: SigstoreServices, { tlog, tsa = false }: Parts): readonly string[] {
  return [
    "--use-signing-config=false",
    ...(tlog === undefined ? ["--tlog-upload=false"] : ["--rekor-url", url]),
    ...(tsa ? ["--timestamp-server-url", `${url}/api/v1/timestamp`] : []),
  ];
}

const remedy = "sign it";

function trustKeys(...names: readonly KeyName[]): TrustInput {
  return { keys: names.map((name) => ({ name: `${name}.pub`, text: pem(pairs[name].publicKey) })), remedy };
}

function trustSigner(parts: Parts = withLog, identity = { issuer: `^${issuer}$`, subject: "/org/app/" }): TrustInput {
  return {
    trustedRoot: { name: "trusted_root.json", text: sigstore.trustedRoot(parts) },
    identities: [identity],
    remedy,
  };
}

function noteSocket(message: unknown): void {
  const { socket } = message as { readonly socket?: Socket };
  socket?.once("connect", () => contacted.add(`${socket.remoteAddress}:${socket.remotePort}`));
}

/** "good", or why not, with what differs between runs left out. */
async function verdict({ repository, digest }: Image, trust: TrustInput): Promise<string> {
  const checks = new SignatureChecks(registry);
  subscribe("net.client.socket", noteSocket);
  try {
    await checks.check({ reference: `oci://${repository}@${digest}`, digest }, trust, { insecure: true }, signal);
    return "good";
  } catch (error) {
    if (!(error instanceof ReasonedError)) throw error;
    assert.deepEqual([error.reason, error.retry], ["VerificationFailed", "backoff"]);
    const begins = `Cannot trust oci://${repository}@${digest}: `;
    assert.ok(error.message.startsWith(begins) && error.message.endsWith(`; ${remedy}`), error.message);
    return error.message
      .slice(begins.length, -remedy.length - 2)
      .replaceAll(/sha256:[0-9a-f]{12}(?= \()/g, "X")
      .replaceAll(/sha256:[0-9a-f]{64}/g, "DIGEST")
      .replaceAll(/\d{4}-\d\d-\d\dT[0-9:.]+Z/g, "TIME");
  } finally {
    unsubscribe("net.client.socket", noteSocket);
  }
}

/** With which hash cosign signs where the curve is longer, and does not know it when it verifies. */
const hashOf: { readonly [entry: string]: string } = { "p384.pub": "sha384", "p521.pub": "sha512" };

/** What cosign itself says, as the oracle. */
async function accepts(image: Image, trust: TrustInput, form: Form): Promise<boolean> {
  const { keys = [], trustedRoot, identities = [] } = trust;
  const root = trustedRoot === undefined ? [] : ["--trusted-root", await file("root.json", trustedRoot.text)];
  const withoutLog = trustedRoot === undefined || trustedRoot.text.includes('"tlogs":[]');
  const logs = withoutLog ? ["--insecure-ignore-tlog=true"] : [];
  const certificates = trustedRoot?.text.includes('"ctlogs":[]') === true ? ["--insecure-ignore-sct=true"] : [];
  const stamps = trustedRoot?.text.includes('"timestampAuthorities":[]') === false ? ["--use-signed-timestamps"] : [];
  const [identity] = identities;
  const signers =
    identity === undefined
      ? []
      : ["--certificate-oidc-issuer-regexp", identity.issuer, "--certificate-identity-regexp", identity.subject];
  const flags = [...root, ...logs, ...certificates, ...stamps, ...signers, ...formFlags[form], "--allow-http-registry"];
  for (const key of keys.length === 0 ? [undefined] : keys) {
    const hash = hashOf[key?.name ?? ""] ?? "sha256";
    const own =
      key === undefined ? [] : ["--key", await file("verify.pub", key.text), "--signature-digest-algorithm", hash];
    try {
      await cosign("verify", ...own, ...flags, address(image));
      return true;
    } catch {
      signal.throwIfAborted();
    }
  }
  return false;
}

type Case = {
  readonly name: string;
  readonly form: Form;
  /** Whether it stands in the registry that has the referrers API. */
  readonly api?: boolean;
  readonly sign: (image: Image, form: Form) => Promise<void>;
  readonly trust: () => TrustInput | Promise<TrustInput>;
  /** "good", or why it is refused. */
  readonly want: string;
  /** Why cosign says otherwise. */
  readonly differs?: string;
};

const refused = (form: Form, why: string): string =>
  `no signature of it is good: X (${form === "tag" ? "tag .sig" : form}): ${why}`;
const forms: readonly Form[] = ["tag", "bundle"];

const byKey: readonly Case[] = forms.flatMap((form): readonly Case[] => [
  ...(["p256", "p384", "p521", "rsa"] as const).map((key) => ({
    name: `a key (${key})`,
    form,
    sign: (image: Image) => signWithKey(image, form, key),
    trust: () => trustKeys(key),
    want: "good",
  })),
  {
    name: "the second of two keys",
    form,
    sign: (image) => signWithKey(image, form, "p256"),
    trust: () => trustKeys("theirs", "p256"),
    want: "good",
  },
  {
    name: "another key",
    form,
    sign: (image) => signWithKey(image, form, "theirs"),
    trust: () => trustKeys("p256"),
    want: refused(form, "it is of none of the keys p256.pub"),
  },
  {
    name: "a key and a log of the root",
    form,
    sign: (image) => signWithKey(image, form, "p256", { tlog: 1 }),
    trust: () => ({ ...trustSigner(), identities: [], ...trustKeys("p256") }),
    want: "good",
  },
  {
    name: "a key without the log that the root asks for",
    form,
    sign: (image) => signWithKey(image, form, "p256"),
    trust: () => ({ ...trustSigner(), identities: [], ...trustKeys("p256") }),
    want: refused(
      form,
      "it has no log entry and no timestamp that the trusted root could vouch for; sign with --signing-config",
    ),
  },
  {
    name: "a key and a log of another root",
    form,
    sign: (image) => signWithKey(image, form, "p256", { tlog: 1 }),
    trust: () => ({
      ...trustKeys("p256"),
      trustedRoot: { name: "trusted_root.json", text: stranger.trustedRoot(withLog) },
    }),
    want: refused(form, "no log of the trusted root vouches for it (inclusion promise could not be verified)"),
  },
  {
    name: "one good signature beside a bad one",
    form,
    sign: async (image) => {
      await signWithKey(image, form, "theirs");
      await signWithKey(image, form, "p256");
    },
    trust: () => trustKeys("p256"),
    want: "good",
  },
  {
    name: "no signature",
    form,
    sign: async () => {},
    trust: () => trustKeys("p256"),
    want: "it has no signature",
  },
]);

const keyless: readonly Case[] = forms.flatMap((form): readonly Case[] => [
  {
    name: "a certificate and a log",
    form,
    sign: (image) => signKeyless(image, form),
    trust: () => trustSigner(),
    want: "good",
  },
  {
    name: "a certificate, a log and a timestamp",
    form,
    sign: (image) => signKeyless(image, form, withBoth),
    trust: () => trustSigner(withBoth),
    want: "good",
  },
  {
    name: "a certificate and a timestamp, where the root has no log",
    form,
    sign: (image) => signKeyless(image, form, { tsa: true, ctlog: true }),
    trust: () => trustSigner({ tsa: true, ctlog: true }),
    want: "good",
  },
  {
    name: "another issuer",
    form,
    sign: (image) => signKeyless(image, form),
    trust: () => trustSigner(withLog, { issuer: "^https://accounts.example.com$", subject: ".*" }),
    want: refused(
      form,
      `its signer is subject "${subject}" of issuer "${issuer}", whom matchOIDCIdentity does not name`,
    ),
  },
  {
    name: "another subject",
    form,
    sign: (image) => signKeyless(image, form),
    trust: () => trustSigner(withLog, { issuer: ".*", subject: "^https://git.example.com/org/app$" }),
    want: refused(
      form,
      `its signer is subject "${subject}" of issuer "${issuer}", whom matchOIDCIdentity does not name`,
    ),
  },
  {
    name: "a CA of another root",
    form,
    sign: (image) => signKeyless(image, form, withLog, stranger),
    trust: () => trustSigner(),
    want: refused(
      form,
      "its certificate is not vouched for by the trusted root (Failed to verify certificate chain: no valid certificate path found)",
    ),
  },
  {
    name: "a CA that the root had until yesterday",
    form,
    sign: (image) => signKeyless(image, form),
    trust: () => {
      const end = new Date(Date.now() - 86_400_000).toISOString();
      const text = sigstore.trustedRoot(withLog, { start: "2020-01-01T00:00:00Z", end });
      return { ...trustSigner(), trustedRoot: { name: "trusted_root.json", text } };
    },
    want: refused(
      form,
      "it was made at TIME, when no CA of the trusted root was valid; use the trusted root of that time",
    ),
  },
  {
    name: "no log entry, where the root has a log",
    form,
    sign: (image) => signKeyless(image, form, { tsa: true, ctlog: true }),
    trust: () => trustSigner(withBoth),
    want: refused(form, "no log of the trusted root vouches for it (expected 1 tlog entries, got 0)"),
  },
  {
    name: "a key, where a signer is trusted",
    form,
    sign: (image) => signWithKey(image, form, "p256"),
    trust: () => trustSigner(),
    want: refused(form, "it was made with a key, and only signers with a certificate are trusted"),
  },
  {
    name: "a signer, where a key is trusted",
    form,
    sign: (image) => signKeyless(image, form),
    trust: () => trustKeys("p256"),
    want: refused(form, "it is of none of the keys p256.pub"),
  },
]);

/** A trusted root with one part of another instance. */
function mixedRoot(part: "ctlogs" | "timestampAuthorities", parts: Parts): TrustInput {
  const [own, foreign] = [sigstore, stranger].map((services) => JSON.parse(services.trustedRoot(parts)));
  return {
    ...trustSigner(),
    trustedRoot: { name: "trusted_root.json", text: JSON.stringify({ ...own, [part]: foreign[part] }) },
  };
}

function at(name: string): string {
  return join(folder, name);
}

async function openssl(...args: readonly string[]): Promise<void> {
  await run("openssl", [...args], { signal });
}

/** A certificate for the key p256 by a CA that openssl is; resolves to its path. */
async function ownCertificate(usage: string): Promise<string> {
  if (!existsSync(at("own-ca.pem"))) {
    const ca = ["-x509", "-key", at("p384.pem"), "-subj", "/CN=own-ca", "-days", "2", "-out", at("own-ca.pem")];
    await openssl("req", ...ca, "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=keyCertSign");
  }
  const extensions = await file("leaf.ext", `extendedKeyUsage=${usage}\nsubjectAltName=email:release@example.com\n`);
  await openssl("req", "-new", "-key", at("p256.pem"), "-subj", "/CN=release", "-out", at("leaf.csr"));
  const signer = ["-CA", at("own-ca.pem"), "-CAkey", at("p384.pem"), "-CAcreateserial", "-days", "1"];
  await openssl("x509", "-req", "-in", at("leaf.csr"), ...signer, "-extfile", extensions, "-out", at(`${usage}.pem`));
  return at(`${usage}.pem`);
}

async function signWithOwnCertificate(image: Image, form: Form): Promise<void> {
  const certificate = await ownCertificate("codeSigning");
  const services = form === "tag" ? tagServices(sigstore, { tlog: 1 }) : await bundleServices(sigstore, { tlog: 1 });
  // With a chain cosign 3 makes bundles that are against their format, and that it does not find itself.
  const chain = form === "tag" ? ["--certificate-chain", join(folder, "own-ca.pem")] : [];
  const own = ["--key", "p256.key", "--certificate", certificate, ...chain];
  await file("signing-root.json", await ownRoot());
  await cosign("sign", "--yes", "--allow-http-registry", ...own, ...services, ...formFlags[form], address(image));
}

/** Puts another certificate into the only signature at the tag. */
async function replaceCertificate(image: Image, certificate: string): Promise<void> {
  const repository = `http://${image.repository.replace("/", "/v2/")}`;
  const tag = `${tagOf(image)}.sig`;
  const { body } = await request(`${repository}/manifests/${tag}`, { headers: { accept: ociManifest } });
  const manifest = (await body.json()) as JsonObject & { readonly mediaType: string };
  const [layer] = listOf(manifest["layers"]).map(fieldsOf);
  const pem = await readFile(certificate, "utf8");
  const annotations = { ...fieldsOf(layer?.["annotations"]), "dev.sigstore.cosign/certificate": pem };
  await pushManifest(repository, { ...manifest, layers: [{ ...layer, annotations }] }, tag);
}

async function trustOwnCa(): Promise<TrustInput> {
  const identities = [{ issuer: ".*", subject: "^release@example.com$" }];
  return { trustedRoot: { name: "trusted_root.json", text: await ownRoot() }, identities, remedy };
}

/** The root with the CA of openssl, which has no log of certificates. */
async function ownRoot(): Promise<string> {
  const root = JSON.parse(sigstore.trustedRoot({ tlog: 1 }));
  const rawBytes = new X509Certificate(await readFile(join(folder, "own-ca.pem"))).raw.toString("base64");
  const [authority] = root.certificateAuthorities;
  return JSON.stringify({
    ...root,
    certificateAuthorities: [{ ...authority, certChain: { certificates: [{ rawBytes }] } }],
  });
}

const special: readonly Case[] = [
  ...forms.map((form) => ({
    name: "a log of certificates that the root does not list",
    form,
    sign: (image: Image) => signKeyless(image, form),
    trust: () => mixedRoot("ctlogs", withLog),
    want: refused(form, "its certificate is not vouched for by the trusted root (SCT verification failed)"),
  })),
  ...forms.map((form) => ({
    name: "a timestamp authority that the root does not list",
    form,
    sign: (image: Image) => signKeyless(image, form, withBoth),
    trust: () => mixedRoot("timestampAuthorities", withBoth),
    want: refused(
      form,
      "its timestamp is not of a timestamp authority of the trusted root (timestamp could not be verified)",
    ),
  })),
  ...forms.map((form) => ({
    name: "a certificate of a CA of one's own",
    form,
    sign: (image: Image) => signWithOwnCertificate(image, form),
    trust: trustOwnCa,
    want: "good",
  })),
  {
    name: "a certificate of the same key for servers",
    form: "tag",
    sign: async (image) => {
      const certificate = await ownCertificate("serverAuth");
      await signWithOwnCertificate(image, "tag");
      await replaceCertificate(image, certificate);
    },
    trust: trustOwnCa,
    want: refused("tag", "its certificate is not for signing code"),
  },
  ...[
    { name: "cosign 2", sign: (image: Image) => signWithCosign2(image, { key: "ed25519" }) },
    { name: "cosign 3", sign: (image: Image) => signWithKey(image, "tag", "ed25519") },
  ].map(({ name, sign }): Case => ({
    name: `a key (Ed25519) with which ${name} signs so that it cannot verify it itself`,
    form: "tag",
    sign,
    trust: () => trustKeys("ed25519"),
    want: refused("tag", "it is of none of the keys ed25519.pub"),
  })),
  {
    name: "a tag signature of another image that was copied over",
    form: "tag",
    sign: async (image) => {
      const other = await push(registries.tags.host);
      await signWithKey(other, "tag", "p256");
      await copyImage(`${other.repository}:${tagOf(other)}.sig`, `${image.repository}:${tagOf(image)}.sig`, signal);
    },
    trust: () => trustKeys("p256"),
    want: refused("tag", "it is the signature of another image, DIGEST"),
  },
  {
    name: "a bundle of another image that was copied over",
    form: "bundle",
    sign: async (image) => {
      const other = await push(registries.tags.host);
      await signWithKey(other, "bundle", "p256");
      await copyImage(`${other.repository}:${tagOf(other)}`, `${image.repository}:${tagOf(image)}`, signal);
    },
    trust: () => trustKeys("p256"),
    want: refused("bundle", "it is the signature of another image, DIGEST"),
  },
  {
    name: "a bundle, found by the referrers API",
    form: "bundle",
    api: true,
    sign: (image) => signKeyless(image, "bundle"),
    trust: () => trustSigner(),
    want: "good",
  },
  {
    name: "a bundle of another key, found by the referrers API",
    form: "bundle",
    api: true,
    sign: (image) => signWithKey(image, "bundle", "theirs"),
    trust: () => trustKeys("p256"),
    want: refused("bundle", "it is of none of the keys p256.pub"),
  },
  {
    name: "a tag signature in a registry that has the referrers API",
    form: "tag",
    api: true,
    sign: (image) => signWithKey(image, "tag", "p256"),
    trust: () => trustKeys("p256"),
    want: "good",
  },
  {
    name: "a bundle with an entry of the second version of the log",
    form: "bundle",
    sign: (image) => signKeyless(image, "bundle", { tlog: 2, tsa: true, ctlog: true }),
    trust: () => trustSigner({ tlog: 2, tsa: true, ctlog: true }),
    want: "good",
  },
  {
    name: "a log of the second version, which tells no time, without a timestamp",
    form: "bundle",
    sign: (image) => signKeyless(image, "bundle", { tlog: 2, tsa: true, ctlog: true }),
    trust: () => trustSigner({ tlog: 2, ctlog: true }),
    want: refused(
      "bundle",
      "nothing tells when it was made: it has no log entry and no timestamp that the trusted root could vouch for",
    ),
  },
  {
    name: "a certificate that had expired when the log saw the signature",
    form: "tag",
    sign: (image) => signKeyless(image, "tag", withLog, late),
    trust: () => ({ ...trustSigner(), trustedRoot: { name: "trusted_root.json", text: late.trustedRoot(withLog) } }),
    want: refused("tag", "it was made at TIME, when its certificate was not valid (TIME to TIME)"),
  },
  {
    name: "statements about the image by the same key",
    form: "bundle",
    sign: async (image) => {
      const predicate = await file("predicate.json", '{"scanned": true}');
      const flags = ["--yes", "--allow-http-registry", "--key", "p256.key", ...(await bundleServices(sigstore, {}))];
      await cosign("attest", ...flags, "--type", "custom", "--predicate", predicate, address(image));
    },
    trust: () => trustKeys("p256"),
    want: "it has no signature",
    differs: "cosign takes any statement of the signer for a signature",
  },
  {
    name: "garbage at the tag of signatures",
    form: "tag",
    sign: async (image) => await copyImage(`${image.repository}:v1`, `${image.repository}:${tagOf(image)}.sig`, signal),
    trust: () => trustKeys("p256"),
    want: "no signature of it is good: sha256-TAG....sig: a layer is not of type application/vnd.dev.cosign.simplesigning.v1+json",
  },
  {
    name: "an index of platforms",
    form: "bundle",
    sign: (image) => signWithKey(image, "bundle", "p256"),
    trust: () => trustKeys("p256"),
    want: "good",
  },
];

const byCosign2: readonly Case[] = [
  ...(["p256", "p384", "p521", "rsa"] as const).map((key): Case => ({
    name: `a key (${key}) by cosign 2`,
    form: "tag",
    sign: (image) => signWithCosign2(image, { key }),
    trust: () => trustKeys(key),
    want: "good",
  })),
  {
    name: "another key by cosign 2",
    form: "tag",
    sign: (image) => signWithCosign2(image, { key: "theirs" }),
    trust: () => trustKeys("p256"),
    want: refused("tag", "it is of none of the keys p256.pub"),
  },
  {
    name: "a certificate and a log by cosign 2",
    form: "tag",
    sign: (image) => signWithCosign2(image, { tsa: false }),
    trust: () => trustSigner(),
    want: "good",
  },
  {
    name: "a certificate, a log and a timestamp by cosign 2",
    form: "tag",
    sign: (image) => signWithCosign2(image, { tsa: true }),
    trust: () => trustSigner(withBoth),
    want: "good",
  },
];

function tagOf({ digest }: Image): string {
  return digest.replace(":", "-");
}

async function imageFor({ name, api = false }: Case): Promise<Image> {
  const { host } = api ? registries.referrers : registries.tags;
  const image = await push(host);
  if (name !== "an index of platforms") return image;
  return { ...image, digest: await pushIndex([`${image.repository}:v1`], `${image.repository}:index`, signal) };
}

describe("signatures of a real cosign", () => {
  for (const each of [...byKey, ...keyless, ...byCosign2, ...special]) {
    const { name, form, sign, trust, want, differs } = each;
    const how = want === "good" ? "takes" : "refuses";
    test(`verification ${how} ${name} (${form})${differs === undefined ? ", as cosign does" : ""}`, async () => {
      const image = await imageFor(each);
      await sign(image, form);
      const trusted = await trust();
      const said = await verdict(image, trusted);
      assert.equal(said.replace(/sha256-[0-9a-f]{12}/, "sha256-TAG"), want);
      assert.equal(await accepts(image, trusted, form), (want === "good") === (differs === undefined));
    });
  }

  test("verification has spoken to the registries and to nobody else", () => {
    const known = new Set([registries.tags.host, registries.referrers.host]);
    assert.deepEqual(new Set([...contacted].map((host) => host.replace("::ffff:", ""))), known);
  });
});
