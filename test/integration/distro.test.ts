import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { request } from "undici";
import { loadRelease } from "../../src/distribution/load.ts";
import type { Release } from "../../src/distribution/release.ts";
import type { JsonObject } from "../../src/kube/object.ts";
import { artifactFiles } from "../support/artifact-of.ts";
import { ociIndex, ociManifest, openRepository, pushBlob, pushManifest } from "../support/push-content.ts";
import { startRegistry, type RegistryProcess } from "../support/registry.ts";
import { runInProcess, type CliRun } from "../support/run-cli.ts";
import { pushSignatures, signTag } from "../support/signatures.ts";
import { tarGzOf } from "../support/tarball.ts";
import { startTokenServer, type TokenServer } from "../support/token-server.ts";

const root = join(import.meta.dirname, "../..");
const signal = AbortSignal.timeout(280_000);
const components = ["source-controller", "kustomize-controller", "helm-controller", "notification-controller"] as const;
const signer = generateKeyPairSync("ec", { namedCurve: "P-256" });
const layerType = "application/vnd.oci.image.layer.v1.tar+gzip";
const configType = "application/vnd.oci.image.config.v1+json";

let folder: string;
let vendor: RegistryProcess;
let tokens: TokenServer;
/** Demands a token that allows to push. */
let closed: RegistryProcess;
/** Where the images of `releaseHere` are described. */
let manifests: string;
const digests = new Map<string, string>();

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "distro-"));
  tokens = await startTokenServer({ users: { pusher: "correct horse" }, refreshTokens: [], open: [] });
  const { realm, service, issuer, jwks } = tokens;
  [vendor, closed] = await Promise.all([
    startRegistry({ kind: "open" }, signal),
    startRegistry({ kind: "token", realm, service, issuer, jwks }, signal),
  ]);
  for (const [at, component] of components.entries()) digests.set(component, await pushVendorImage(component, at));
  manifests = join(folder, "manifests");
  const files = artifactFiles(releaseHere());
  for (const [path, content] of files) {
    await mkdir(dirname(join(manifests, path)), { recursive: true });
    await writeFile(join(manifests, path), content);
  }
  await pushArtifact(await tarGzOf(Object.fromEntries(files)));
});
after(async () => {
  await Promise.all([vendor, closed, tokens].map((server) => server?.[Symbol.asyncDispose]()));
  await rm(folder, { recursive: true, force: true });
});

/** Flux 2.9.4 with the images that the vendor of this test has. */
function releaseHere(): Release {
  const images = [...digests].map(([component, digest]) => [component, { tag: "v1.0.0", digest }]);
  return { ...loadRelease("2.9.4"), images: { "upstream-alpine": Object.fromEntries(images) } };
}

/** An image for two platforms, signed as cosign v2 does, with an SBOM that refers to it as OCI 1.1 says. */
async function pushVendorImage(component: string, at: number, path = "fluxcd", version = "v1.0.0"): Promise<string> {
  const repository = openRepository(vendor.host, `${path}/${component}`);
  const platforms = [];
  for (const architecture of ["amd64", "arm64"]) {
    const config = await pushBlob(repository, configType, Buffer.from(JSON.stringify({ os: "linux", architecture })));
    // Bytes that do not compress, so that a copy takes its time.
    const layer = await pushBlob(
      repository,
      layerType,
      Buffer.alloc(300_000 + at, `${component}${architecture}${path}${version}`),
    );
    const manifest = { schemaVersion: 2, mediaType: ociManifest, config, layers: [layer] };
    platforms.push({ ...(await pushManifest(repository, manifest)), platform: { os: "linux", architecture } });
  }
  const index = await pushManifest(
    repository,
    { schemaVersion: 2, mediaType: ociIndex, manifests: platforms },
    version,
  );
  const tag = index.digest.replace(":", "-");
  const empty = await pushBlob(repository, "application/vnd.oci.empty.v1+json", Buffer.from("{}"));
  const attached = { schemaVersion: 2, mediaType: ociManifest, config: empty, layers: [empty] };
  await pushSignatures({ host: vendor.host, repository: `${path}/${component}` }, [
    signTag({ key: signer.privateKey, digest: index.digest }),
  ]);
  const sbom = await pushManifest(repository, { ...attached, artifactType: "application/spdx+json", subject: index });
  await pushManifest(repository, { schemaVersion: 2, mediaType: ociIndex, manifests: [sbom] }, tag);
  return index.digest;
}

async function pushArtifact(tarball: Buffer): Promise<void> {
  const repository = openRepository(vendor.host, "vendor/manifests");
  const config = await pushBlob(repository, "application/vnd.cncf.flux.config.v1+json", Buffer.from("{}"));
  const layer = await pushBlob(repository, "application/vnd.cncf.flux.content.v1.tar+gzip", tarball);
  await pushManifest(repository, { schemaVersion: 2, mediaType: ociManifest, config, layers: [layer] }, "v2.9.4");
}

/** Flags that choose the images of the vendor of this test. */
function chosen(): readonly string[] {
  return ["--distribution", manifests, "--from", `${vendor.host}/fluxcd`, "--from-insecure"];
}

async function distro(args: readonly string[], password = "correct horse"): Promise<CliRun> {
  const config = await mkdtemp(join(folder, "docker-"));
  const auth = Buffer.from(`pusher:${password}`).toString("base64");
  await writeFile(join(config, "config.json"), JSON.stringify({ auths: { [closed.host]: { auth } } }));
  return await runInProcess(["distro", ...args], { env: { DOCKER_CONFIG: config } });
}

/** All that a registry has below a path, as what a client reads by tag: "source-controller:v1.0.0" -> digest. */
async function contents(host: string, path: string): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  for (const component of [...components, "manifests"]) {
    const at = openRepository(host, `${path}${component}`);
    const { body } = await request(`${at}/tags/list`);
    const { tags = [] } = (await body.json()) as { readonly tags?: readonly string[] };
    for (const tag of tags) {
      const accept = `${ociManifest}, ${ociIndex}`;
      const head = await request(`${at}/manifests/${tag}`, { method: "HEAD", headers: { accept } });
      await head.body.dump();
      found.set(`${component}:${tag}`, String(head.headers["docker-content-digest"]));
    }
  }
  return found;
}

async function vendorContents(): Promise<ReadonlyMap<string, string>> {
  const images = await contents(vendor.host, "fluxcd/");
  return new Map([...images, ...(await contents(vendor.host, "vendor/"))]);
}

function sorted(found: ReadonlyMap<string, string>): readonly (readonly [string, string])[] {
  return [...found].toSorted(([left], [right]) => (left < right ? -1 : 1));
}

const artifact = (): string => `oci://${vendor.host}/vendor/manifests:v2.9.4`;
/** Three of four images have two platforms; all have a signature and an SBOM. */
const perImage = ["v1.0.0", ".sig", "index of referrers"].length;

/** Flags with the keys of those who sign here, and of a stranger. */
async function keyFlags(who: "signer" | "stranger"): Promise<readonly string[]> {
  const { publicKey } = who === "signer" ? signer : generateKeyPairSync("ec", { namedCurve: "P-256" });
  const path = join(folder, `${who}.pub`);
  await writeFile(path, publicKey.export({ type: "spki", format: "pem" }));
  return ["--key", path];
}

describe("distro verify", { concurrency: 1 }, () => {
  test("finds the signatures of all images good, also in a mirror", async () => {
    await using mine = await startRegistry({ kind: "open" }, signal);
    const done = await distro(["mirror", ...chosen(), "--to", `${mine.host}/flux`, "--to-insecure"]);
    assert.equal(done.exitCode, 0, done.stderr);
    for (const place of [`${vendor.host}/fluxcd`, `${mine.host}/flux`]) {
      const from = ["--distribution", manifests, "--from", place, "--from-insecure"];
      const { exitCode, stdout, stderr } = await distro(["verify", ...from, ...(await keyFlags("signer"))]);
      assert.equal(exitCode, 0, stderr);
      assert.deepEqual(
        stdout.trim().split("\n").toSorted(),
        [...digests].map(([component, digest]) => `oci://${place}/${component}@${digest}: verified`).toSorted(),
      );
    }
  });

  for (const { name, args, want } of [
    {
      name: "a key that has signed nothing here",
      args: async () => [...chosen(), "--component", "helm-controller", ...(await keyFlags("stranger"))],
      want: /^error: Cannot trust oci:\/\/.*helm-controller@sha256:[0-9a-f]{64}: no signature of it is good: .*: it is of none of the keys .*stranger\.pub; have it signed/,
    },
    {
      name: "an artifact without a signature",
      args: async () => ["--artifact", artifact(), "--from-insecure", ...(await keyFlags("signer"))],
      want: /^error: Cannot trust oci:\/\/.*\/vendor\/manifests@sha256:[0-9a-f]{64}: it has no signature; have it signed/,
    },
    {
      name: "a trust in anybody",
      args: async () => chosen(),
      want: /^error: Any signature would do: give --key, or --issuer and --subject\n$/,
    },
    {
      name: "a key that cannot be read",
      args: async () => [...chosen(), "--key", join(folder, "none.pub")],
      want: /^error: --key .*none\.pub: ENOENT/,
    },
  ]) {
    test(`refuses ${name}`, async () => {
      const { exitCode, stdout, stderr } = await distro(["verify", ...(await args())]);
      assert.deepEqual({ exitCode, stdout }, { exitCode: 1, stdout: "" });
      assert.match(stderr.replace(/^warning: .*\n/gm, ""), want);
    });
  }
});

describe("distro mirror", { concurrency: 1 }, () => {
  test("copies images and artifact with what is attached, and every digest stays the same", async () => {
    await using mine = await startRegistry({ kind: "open" }, signal);
    const args = ["mirror", ...chosen(), "--artifact", artifact(), "--to", `${mine.host}/flux`, "--to-insecure"];
    const first = await distro(args);
    assert.equal(first.exitCode, 0, first.stderr);
    const wanted = await vendorContents();
    assert.equal(wanted.size, components.length * perImage + 1);
    assert.deepEqual(sorted(await contents(mine.host, "flux/")), sorted(wanted));
    assert.match(
      first.stdout,
      /^127\.0\.0\.1:\d+\/flux: 5 images with 8 attachments, \d\.\d MB copied in \d+\.\d s\n$/,
    );
    assert.match(first.stderr, /warning: the upstream-alpine images of Flux 2\.9\.4 lack image-reflector-controller\n/);
    assert.match(first.stderr, /\[1\/5\] 127\.0\.0\.1:\d+\/.*@sha256:[0-9a-f]{64} copied/);
    const again = await distro(args);
    assert.equal(again.exitCode, 0, again.stderr);
    assert.match(again.stdout, /5 images with 8 attachments, 0\.0 MB copied/);
    assert.equal(again.stderr.match(/ was there/g)?.length, 5, again.stderr);
  });

  test("goes on where it was killed", async (t) => {
    await using mine = await startRegistry({ kind: "open" }, signal);
    const args = ["distro", "mirror", ...chosen(), "--parallel", "1", "--to", `${mine.host}/flux`, "--to-insecure"];
    const first = spawn(join(root, "bin/flux-operator"), args, { stdio: ["ignore", "ignore", "pipe"], detached: true });
    const exited = once(first, "exit");
    for await (const line of createInterface(first.stderr)) if (line.startsWith("[2/")) break;
    process.kill(-(first.pid ?? 0), "SIGKILL");
    await exited;
    const half = await contents(mine.host, "flux/");
    assert.ok(half.size >= 2 * perImage && half.size < components.length * perImage, `${half.size} tags`);
    const second = await distro(args.slice(1));
    assert.equal(second.exitCode, 0, second.stderr);
    const there = second.stderr.match(/ was there/g)?.length ?? 0;
    t.diagnostic(second.stdout);
    assert.ok(there >= 2, second.stderr);
    assert.deepEqual(sorted(await contents(mine.host, "flux/")), sorted(await contents(vendor.host, "fluxcd/")));
  });

  test("logs in with what docker's config.json has, with one token that may push", async () => {
    const from = [...chosen(), "--component", "helm-controller"];
    const done = await distro(["mirror", ...from, "--to", `${closed.host}/flux`, "--to-insecure"]);
    assert.equal(done.exitCode, 0, done.stderr);
    const scopes = new Set(tokens.requests.map(({ parameters }) => parameters["scope"]));
    assert.deepEqual([...scopes], ["repository:flux/helm-controller:pull,push"]);
  });

  for (const { name, args, password, want } of [
    {
      name: "a login that is refused",
      args: () => ["--to", `${closed.host}/flux`, "--to-insecure"],
      password: "wrong",
      want: /^error: 127.*helm-controller:v1\.0\.0: Cannot push oci:\/\/.*\/flux\/helm-controller.*: localhost:\d+ gives no token \(401\).*; credentials are those of auths in .*config\.json, credential helpers are not asked; repeat the command to go on\n$/m,
    },
    {
      name: "TLS where the registry speaks plain HTTP",
      args: () => ["--to", `${closed.host}/flux`],
      want: /does not speak TLS.*--to-insecure.*; repeat the command to go on/,
    },
    {
      name: "an index of which one platform is missing, by a registry that takes none",
      args: () => ["--to", `${vendor.host}/partial`, "--to-insecure", "--platform", "linux/amd64"],
      want: /MANIFEST_BLOB_UNKNOWN.*; it takes no index of which platforms are missing: copy all platforms/,
    },
    {
      name: "a file that is no bundle",
      args: () => ["--to", `${vendor.host}/x`, "--bundle", join(root, "package.json")],
      want: /^error: --bundle .*package\.json: it is no file that distro bundle has written\n$/,
    },
  ]) {
    test(`refuses ${name}, and says what to do`, async () => {
      const from = args().includes("--bundle") ? [] : [...chosen(), "--component", "helm-controller"];
      const { exitCode, stdout, stderr } = await distro(["mirror", ...from, ...args()], password);
      assert.deepEqual({ exitCode, stdout }, { exitCode: 1, stdout: "" });
      assert.match(stderr, want);
      assert.doesNotMatch(stderr, /correct horse|wrong\b.*password/);
    });
  }

  test("refuses an image that is not the one that the release names", async () => {
    const other = join(folder, "other");
    const release = releaseHere();
    const image = { tag: "v1.0.0", digest: `sha256:${"0".repeat(64)}` };
    const files = artifactFiles({ ...release, images: { "upstream-alpine": { "helm-controller": image } } });
    for (const [path, content] of files) {
      await mkdir(dirname(join(other, path)), { recursive: true });
      await writeFile(join(other, path), content);
    }
    const from = ["--distribution", other, "--from", `${vendor.host}/fluxcd`, "--from-insecure"];
    const args = ["--component", "helm-controller", "--to", `${vendor.host}/other`, "--to-insecure"];
    const { exitCode, stderr } = await distro(["mirror", ...from, ...args]);
    assert.equal(exitCode, 1);
    assert.match(stderr, /helm-controller:v1\.0\.0: there is no sha256:0{64}/);
  });
});

/** Two versions in two variants, in a folder for each variant as a mirror has them; components "source-controller" only. */
async function pushVersions(): Promise<{ readonly folder: string; readonly images: readonly string[] }> {
  const images: string[] = [];
  const releases: Release[] = [];
  for (const [version, tag] of [
    ["2.9.3", "v1.9.3"],
    ["2.9.4", "v1.9.4"],
  ] as const) {
    const digestOf = async (variant: string) => {
      const digest = await pushVendorImage("source-controller", 0, `mirror/${variant}`, tag);
      images.push(`${variant}/source-controller:${tag} ${digest}`);
      return { "source-controller": { tag, digest } };
    };
    const variants = {
      "upstream-alpine": await digestOf("upstream-alpine"),
      "enterprise-distroless": await digestOf("enterprise-distroless"),
    };
    releases.push({ ...loadRelease(version), images: variants });
  }
  const path = join(folder, "versions");
  for (const [name, content] of artifactFiles(...releases)) {
    await mkdir(dirname(join(path, name)), { recursive: true });
    await writeFile(join(path, name), content);
  }
  return { folder: path, images };
}

test("distro mirror and distro bundle keep two versions of two variants apart, and what is signed with them", async () => {
  const pushed = await pushVersions();
  const which = ["--version", "2.9.3", "--version", "2.9.4", "--component", "source-controller"];
  const variants = ["--variant", "upstream-alpine", "--variant", "enterprise-distroless"];
  const from = ["--distribution", pushed.folder, "--from", `${vendor.host}/mirror`, "--from-insecure"];
  const file = join(folder, "versions.tar");
  const bundled = await distro(["bundle", ...from, ...which, ...variants, "-f", file]);
  assert.equal(bundled.exitCode, 0, bundled.stderr);
  for (const source of [
    [...from, ...which, ...variants],
    ["--bundle", file],
  ]) {
    await using mine = await startRegistry({ kind: "open" }, signal);
    const done = await distro(["mirror", ...source, "--to", `${mine.host}/flux`, "--to-insecure"]);
    assert.equal(done.exitCode, 0, done.stderr);
    const found = await Promise.all(
      ["upstream-alpine", "enterprise-distroless"].map(async (variant) => {
        const there = await contents(mine.host, `flux/${variant}/`);
        const signatures = [...there.keys()].filter((name) => name.endsWith(".sig"));
        assert.equal(signatures.length, 2, "each version has its signature");
        return [...there].flatMap(([name, digest]) => (/:v/.test(name) ? [`${variant}/${name} ${digest}`] : []));
      }),
    );
    assert.deepEqual(found.flat().toSorted(), [...pushed.images].toSorted());
  }
});

describe("distro bundle", { concurrency: 1 }, () => {
  let bundle: string;
  before(() => (bundle = join(folder, "flux.tar")));

  test("writes one file, which distro mirror copies to the other side as it was", async () => {
    const written = await distro(["bundle", ...chosen(), "--artifact", artifact(), "-f", bundle]);
    assert.equal(written.exitCode, 0, written.stderr);
    assert.match(written.stdout, /flux\.tar: 5 images with 8 attachments, \d\.\d MB\n$/);
    await using mine = await startRegistry({ kind: "open" }, signal);
    const done = await distro(["mirror", "--bundle", bundle, "--to", `${mine.host}/air/gap`, "--to-insecure"]);
    assert.equal(done.exitCode, 0, done.stderr);
    assert.deepEqual(sorted(await contents(mine.host, "air/gap/")), sorted(await vendorContents()));
  });

  test("has the releases of its artifact for build instance", async () => {
    const input = JSON.stringify({
      apiVersion: "fluxcd.controlplane.io/v1",
      kind: "FluxInstance",
      metadata: { name: "flux", namespace: "flux-system" },
      spec: { distribution: { version: "2.9.4", registry: "ghcr.io/fluxcd" }, components },
    });
    const build = (place: string): Promise<CliRun> =>
      runInProcess(["build", "instance", "-f", "-", "--distribution", place], { input });
    const built = await build(bundle);
    assert.equal(built.exitCode, 0, built.stderr);
    assert.deepEqual(built, await build(manifests));
  });

  for (const { name, damage, want } of [
    {
      name: "that breaks off",
      damage: async (path: string) => truncate(path, (await stat(path)).size / 2),
      want: /it is no file that distro bundle has written/,
    },
    {
      name: "in which a byte was changed",
      damage: async (path: string) => {
        const bytes = await readFile(path);
        bytes[bytes.indexOf("source-controlleramd64fluxcdv1.0.0source-controller")] = 0;
        await writeFile(path, bytes);
      },
      want: /entry "blobs\/sha256\/[0-9a-f]{64}" is not what its name says: it was changed/,
    },
  ]) {
    test(`is refused ${name}`, async () => {
      const copy = join(folder, "damaged.tar");
      await writeFile(copy, await readFile(bundle));
      await damage(copy);
      const args = ["mirror", "--bundle", copy, "--to", `${vendor.host}/damaged`, "--to-insecure"];
      const { exitCode, stderr } = await distro(args);
      assert.equal(exitCode, 1);
      assert.match(stderr, want);
    });
  }

  test("leaves nothing behind where the disk takes no more, and where an image is missing", async () => {
    const nowhere = join(folder, "no-such-folder", "flux.tar");
    const full = await distro(["bundle", ...chosen(), "-f", nowhere]);
    assert.equal(full.exitCode, 1);
    assert.match(full.stderr, /^error: .*it cannot be written: /m);
    const path = join(folder, "missing.tar");
    const missing = await distro(["bundle", ...chosen(), "--artifact", `${artifact()}-none`, "-f", path]);
    assert.equal(missing.exitCode, 1);
    assert.match(missing.stderr, /vendor\/manifests:v2\.9\.4-none: there is no v2\.9\.4-none/);
    for (const name of [path, `${path}.partial`]) await assert.rejects(stat(name), { code: "ENOENT" });
  });
});

test("distro list names images and digests as text and as JSON", async () => {
  const args = ["list", "--distribution", manifests, "--version", "2.9.x", "--component", "helm-controller"];
  const digest = digests.get("helm-controller") ?? "";
  assert.deepEqual((await distro(args)).stdout.split("\n"), [
    `VERSION  VARIANT          IMAGE                                  DIGEST`,
    `2.9.4    upstream-alpine  ghcr.io/fluxcd/helm-controller:v1.0.0  ${digest}`,
    "",
  ]);
  const json: JsonObject[] = JSON.parse((await distro([...args, "-o", "json"])).stdout);
  assert.deepEqual(json, [
    {
      version: "2.9.4",
      variant: "upstream-alpine",
      component: "helm-controller",
      repository: "ghcr.io/fluxcd/helm-controller",
      tag: "v1.0.0",
      digest,
    },
  ]);
});
