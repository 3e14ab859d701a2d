import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { cp, mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { goTool } from "../../scripts/go-tool.ts";
import { publishedPath } from "../../scripts/manifests/operator.ts";
import type { ReleasedImage } from "../../scripts/release/release.ts";
import { fieldsOf, listOf, textOf } from "../../src/kube/fields.ts";
import type { JsonValue } from "../../src/kube/object.ts";
import { operatorVersion } from "../../src/std/version.ts";
import { parseKubeYaml, parseKubeYamlDocuments } from "../../src/std/yaml.ts";
import { containersOf } from "../../src/kube/pod-template.ts";
import { helmDone, helmVersions, objectsIn } from "../support/helm.ts";
import { startRegistry } from "../support/registry.ts";

const run = promisify(execFile);
const root = join(import.meta.dirname, "../..");
const never = new AbortController().signal;
const version = "7.8.9";

type Ended = { readonly exitCode: number; readonly stdout: string; readonly stderr: string };

/** Runs a program to its end, whatever that is. */
async function ended(program: string, args: readonly string[], options: object = {}): Promise<Ended> {
  const { promise, resolve } = Promise.withResolvers<Ended>();
  execFile(program, args, { maxBuffer: 1e8, encoding: "utf8", ...options }, (error, stdout, stderr) =>
    resolve({ exitCode: error === null ? 0 : Number(error.code ?? 1), stdout, stderr }),
  );
  return await promise;
}

let folder: string;
/** Two clones of one commit, in which the working tree of this checkout is committed. */
let clones: readonly [string, string];
/** The folder of a release, with what is unpacked of it beside it. */
let released: string;
let unpacked: string;
let commit: string;

async function git(cwd: string, ...args: readonly string[]): Promise<string> {
  const identity = ["-c", "user.name=test", "-c", "user.email=test@example.com"];
  return (await run("git", [...identity, ...args], { cwd, maxBuffer: 1e8 })).stdout.trim();
}

async function release(clone: string, ...args: readonly string[]): Promise<Ended> {
  return await ended(process.execPath, ["scripts/release.ts", ...args], { cwd: clone });
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "release-test-"));
  const original = join(folder, "original");
  const listed = await git(root, "ls-files", "--cached", "--others", "--exclude-standard", "-z");
  for (const path of listed.split("\0").filter((path) => path !== "")) {
    await mkdir(dirname(join(original, path)), { recursive: true });
    await cp(join(root, path), join(original, path)).catch((error: NodeJS.ErrnoException) => {
      // Deleted, and not committed yet.
      if (error.code !== "ENOENT") throw error;
    });
  }
  await git(original, "init", "--quiet");
  await git(original, "add", ".");
  await git(original, "commit", "--quiet", "--message=all");
  commit = await git(original, "rev-parse", "HEAD");
  clones = [join(folder, "a"), join(folder, "below/another/name")];
  for (const clone of clones) {
    await git(folder, "clone", "--quiet", original, clone);
    await symlink(join(root, "node_modules"), join(clone, "node_modules"));
  }
  released = join(folder, "released");
  const { exitCode, stderr } = await release(clones[0], `--version=${version}`, "--dry-run", `--output=${released}`);
  assert.equal(exitCode, 0, stderr);
  unpacked = join(folder, "unpacked");
  for (const name of (await readdir(released)).filter((name) => /\.(tar|tar\.gz|tgz)$/.test(name))) {
    await mkdir(join(unpacked, name), { recursive: true });
    await run("tar", ["--extract", `--file=${join(released, name)}`, `--directory=${join(unpacked, name)}`]);
  }
});
after(() => rm(folder, { recursive: true, force: true }));

async function digestsIn(place: string): Promise<ReadonlyMap<string, string>> {
  const names = (await readdir(place)).toSorted();
  const digests = names.map(async (name): Promise<[string, string]> => {
    const content = await readFile(join(place, name));
    return [name, createHash("sha256").update(content).digest("hex")];
  });
  return new Map(await Promise.all(digests));
}

async function jsonIn(name: string): Promise<JsonValue> {
  return JSON.parse(await readFile(join(released, name), "utf8")) as JsonValue;
}

async function imagesIn(): Promise<readonly ReleasedImage[]> {
  return (await jsonIn("images.json")) as unknown as readonly ReleasedImage[];
}

test("two releases of one commit in two folders are equal to the byte, and nothing gets in that is not committed", async () => {
  const [, clone] = clones;
  await writeFile(join(clone, "packaging/charts/flux-operator/templates/stray.yaml"), "stray: true\n");
  await writeFile(join(clone, "packaging/yaml/instance.yaml"), "stray: true\n");
  const again = join(folder, "again");
  const { exitCode, stdout } = await release(clone, `--version=${version}`, "--dry-run", `--output=${again}`);
  assert.equal(exitCode, 0);
  assert.match(
    stdout,
    /^Left out, since it is not committed:\n M packaging\/yaml\/instance\.yaml\n\?\? packaging.*stray\.yaml$/m,
  );
  assert.deepEqual(await digestsIn(again), await digestsIn(released));
});

test("a release of a checkout with changes, another version and no section in the changelog names all three, and writes nothing", async () => {
  const [, clone] = clones;
  await writeFile(join(clone, "stray"), "");
  const output = join(folder, "refused");
  const { exitCode, stderr } = await release(clone, `--version=${version}`, `--output=${output}`);
  const reasons = stderr.trim().split("\n");
  assert.equal(exitCode, 1);
  assert.equal(reasons.length, 3, stderr);
  for (const [index, expression] of [/not committed/, /package\.json/, /CHANGELOG/].entries())
    assert.match(reasons[index] ?? "", expression);
  await assert.rejects(readdir(output), { code: "ENOENT" });
});

test("checksums.txt lists every file but itself, as sha256sum does", async () => {
  const { stdout } = await run("sha256sum", ["--check", "checksums.txt"], { cwd: released });
  const names = (await readdir(released)).filter((name) => name !== "checksums.txt");
  assert.deepEqual(stdout.trim().split("\n").toSorted(), names.map((name) => `${name}: OK`).toSorted());
});

test("the provenance names the commit, and every file and image that is released", async () => {
  const { subject, predicate } = fieldsOf(await jsonIn("provenance.json"));
  const digests = await digestsIn(released);
  const files = [...digests].filter(([name]) => !["provenance.json", "checksums.txt"].includes(name));
  const images = (await imagesIn()).map(({ reference, digest }) => [reference, digest.replace("sha256:", "")]);
  assert.deepEqual(
    listOf(subject)
      .map(fieldsOf)
      .map(({ name, digest }) => [name, fieldsOf(digest)["sha256"]]),
    [...files, ...images],
  );
  const [source] = listOf(fieldsOf(fieldsOf(predicate)["buildDefinition"])["resolvedDependencies"]);
  assert.deepEqual(fieldsOf(source)["digest"], { gitCommit: commit });
});

/** The content, that of a compressed layer unpacked; of Node's own, which is large, as it is. */
function readable(content: Buffer): Buffer {
  if (content.length > 5e6) return content;
  const [first, second] = content;
  if (first === 0x1f && second === 0x8b) return gunzipSync(content);
  return first === 0x28 && second === 0xb5 ? zstdDecompressSync(content) : content;
}

test("no file of a release has the version of the checkout in place of its own", async () => {
  assert.notEqual(operatorVersion, version);
  const old = new RegExp(`\\b${operatorVersion.replaceAll(".", "\\.")}\\b`);
  const found: string[] = [];
  for (const place of [released, unpacked]) {
    const entries = await readdir(place, { recursive: true, withFileTypes: true });
    for (const entry of entries.filter((one) => one.isFile())) {
      const path = join(entry.parentPath, entry.name);
      if (old.test(readable(await readFile(path)).toString("latin1"))) found.push(path);
    }
  }
  assert.deepEqual(found, []);
  const install = parseKubeYamlDocuments(await readFile(join(released, "install.yaml"), "utf8"));
  const deployment = install.map(fieldsOf).find(({ kind }) => kind === "Deployment");
  const { image } = containersOf(deployment as never)[0] ?? {};
  assert.equal(image, `ghcr.io/controlplaneio-fluxcd/flux-operator:v${version}`);
});

for (const helm of helmVersions)
  test(`${helm} installs both charts from the folder, with the image of the release`, async () => {
    const flags = ["-n", "flux-system", "--kube-version=1.33.0"];
    const template = async (chart: string): Promise<ReturnType<typeof objectsIn>> =>
      objectsIn(await helmDone(helm, ["template", "flux", join(released, `${chart}-${version}.tgz`), ...flags]));
    const operator = await template("flux-operator");
    const images = operator.filter(({ kind }) => kind === "Deployment").flatMap(containersOf);
    assert.deepEqual(
      images.map(({ image }) => image),
      [`ghcr.io/controlplaneio-fluxcd/flux-operator:v${version}`],
    );
    const instance = await template("flux-instance");
    assert.ok(instance.some(({ kind }) => kind === "FluxInstance"));
    const shown = await helmDone(helm, ["show", "chart", join(released, `flux-operator-${version}.tgz`)]);
    const { version: chartVersion, appVersion } = fieldsOf(parseKubeYaml(shown));
    assert.deepEqual([chartVersion, appVersion], [version, `v${version}`]);
  });

test("the OLM bundle is valid, and names the images by the digests of the release", async () => {
  const olm = join(unpacked, `flux-operator-olm-${version}.tar.gz`, `flux-operator-olm-${version}`);
  const { stdout } = await run(await goTool("olm-validate", never), [join(olm, "bundle")]);
  assert.deepEqual(JSON.parse(stdout), { errors: [], warnings: [] });
  const [operator, bundle] = await imagesIn();
  const csv = parseKubeYaml(
    await readFile(join(olm, "bundle/manifests/flux-operator.clusterserviceversion.yaml"), "utf8"),
  );
  const { relatedImages, version: csvVersion } = fieldsOf(fieldsOf(csv)["spec"]);
  const [first] = listOf(relatedImages).map(fieldsOf);
  assert.deepEqual([textOf(csvVersion), first?.["image"]], [version, `${operator?.reference}@${operator?.digest}`]);
  const catalog = parseKubeYamlDocuments(await readFile(join(olm, "catalog/flux-operator/catalog.yaml"), "utf8"));
  assert.equal(fieldsOf(catalog[2])["image"], `${bundle?.reference}@${bundle?.digest}`);
});

const launcherRows = [
  {
    name: "tells its version",
    node: process.execPath,
    args: ["--version"],
    want: { exitCode: 0, says: new RegExp(`^${version}`) },
  },
  {
    name: "lists the releases that it has inside",
    node: process.execPath,
    args: ["list", "versions"],
    want: { exitCode: 0, says: /^2\.9\.4$/m },
  },
  {
    name: "refuses an older Node",
    node: "old-node",
    args: [],
    want: { exitCode: 2, says: /needs Node 26 or newer, and .*old-node is v25\.9\.0/ },
  },
  {
    name: "refuses what is no Node",
    node: "absent",
    args: [],
    want: { exitCode: 2, says: /needs Node 26 or newer, and .*absent is none/ },
  },
];
for (const { name, node, args, want } of launcherRows)
  test(`the command line of a release ${name}`, async () => {
    await writeFile(join(folder, "old-node"), "#!/bin/sh\necho v25.9.0\n", { mode: 0o755 });
    const cli = join(unpacked, `flux-operator-cli-${version}.tar.gz`, `flux-operator-cli-${version}/bin/flux-operator`);
    const link = join(folder, "flux-operator");
    await rm(link, { force: true });
    await symlink(cli, link);
    const env = {
      PATH: process.env["PATH"],
      HOME: folder,
      FLUX_OPERATOR_NODE: node.startsWith("/") ? node : join(folder, node),
    };
    const { exitCode, stdout, stderr } = await ended(link, args, { env });
    assert.equal(exitCode, want.exitCode, stderr);
    assert.match(stdout + stderr, want.says);
  });

async function publish(place: string, host: string): Promise<Ended> {
  const flags = [`--folder=${place}`, `--registry=${host}/flux`, "--insecure"];
  return await ended(process.execPath, ["scripts/release/publish.ts", ...flags], { cwd: root });
}

test("a real registry takes images, modules and charts with the digests that are printed, and cosign signs each", async () => {
  await using registry = await startRegistry({ kind: "open" }, never);
  const { exitCode, stdout, stderr } = await publish(released, registry.host);
  assert.equal(exitCode, 0, stderr);
  const crane = await goTool("crane", never);
  const lines = stdout.trim().split("\n");
  const images = (await imagesIn()).map(({ reference, digest }) => `${reference}@${digest}`);
  assert.deepEqual(
    lines.slice(0, 5),
    images.map((one) => one.replace(publishedPath, `${registry.host}/flux`)),
  );
  assert.deepEqual(
    lines.slice(5).map((line) => line.split("@")[0]),
    ["flux-instance", "flux-operator"].map((chart) => `${registry.host}/flux/charts/${chart}:${version}`),
  );
  for (const line of lines) {
    const [reference = "", digest] = line.split("@");
    assert.equal((await run(crane, ["digest", reference, "--insecure"])).stdout.trim(), digest);
  }
  await signAll(lines);
});

/** As the workflow signs, but with a key, and without the log that is public. */
async function signAll(references: readonly string[]): Promise<void> {
  const cosign = await goTool("cosign", never);
  const options = { cwd: folder, env: { ...process.env, COSIGN_PASSWORD: "" } };
  await run(cosign, ["generate-key-pair"], options);
  const local = ["--allow-insecure-registry", "--allow-http-registry"];
  const sign = [
    "sign",
    "--yes",
    "--recursive",
    "--key=cosign.key",
    "--tlog-upload=false",
    "--use-signing-config=false",
  ];
  const verify = ["verify", "--key=cosign.pub", "--insecure-ignore-tlog"];
  for (const reference of references) {
    await assert.rejects(run(cosign, [...verify, ...local, reference], options));
    await run(cosign, [...sign, ...local, reference], options);
    await run(cosign, [...verify, ...local, reference], options);
  }
}

test("a folder with a file that was changed is not published", async () => {
  const changed = join(folder, "changed");
  await cp(released, changed, { recursive: true });
  await writeFile(join(changed, "install.yaml"), "changed: true\n");
  await using registry = await startRegistry({ kind: "open" }, never);
  const { exitCode, stdout, stderr } = await publish(changed, registry.host);
  assert.deepEqual([exitCode, stdout], [1, ""]);
  assert.match(stderr, /Cannot publish install\.yaml: it is not the file that checksums\.txt lists/);
});
