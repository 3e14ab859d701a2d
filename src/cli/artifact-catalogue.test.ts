import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { artifactFiles } from "../../test/support/artifact-of.ts";
import { runInProcess } from "../../test/support/run-cli.ts";
import { tarGzOf } from "../../test/support/tarball.ts";
import { loadRelease } from "../distribution/load.ts";
import type { Release } from "../distribution/release.ts";

const folder = mkdtempSync(join(tmpdir(), "flux-operator-artifact-"));
after(() => rmSync(folder, { recursive: true }));
const at = (name: string): string => join(folder, name);

const input = JSON.stringify({
  apiVersion: "fluxcd.controlplane.io/v1",
  kind: "FluxInstance",
  metadata: { name: "flux", namespace: "flux-system" },
  spec: { distribution: { version: "2.9.x", registry: "ghcr.io/fluxcd" }, components: ["source-controller"] },
});

const build = (args: readonly string[], env = {}) =>
  runInProcess(["build", "instance", "-f", "-", ...args], { input, env });
const diff = (args: readonly string[], env = {}) =>
  runInProcess(["diff", "instance", "-f", "-", ...args], { input, env });

before(async () => {
  const small = onlySource(loadRelease("2.9.4"));
  // A release that no operator has built in.
  const young = { ...small, version: "2.9.99" };
  writeFolder("whole", artifactFiles(small));
  writeFolder("young", artifactFiles(small, young));
  writeFolder("old", artifactFiles({ ...small, version: "2.2.3" }));
  writeFolder("broken", new Map([...artifactFiles(small)].filter(([path]) => path !== "flux/v2.9.4/rbac.yaml")));
  writeFolder("empty", new Map([["README.md", new TextEncoder().encode("nothing")]]));
  writeFileSync(at("whole.tgz"), await tarGzOf(Object.fromEntries(artifactFiles(small))));
  writeFileSync(at("damaged.tgz"), "no tarball");
  writeFolder("docker", new Map([["config.json", new TextEncoder().encode('{"auths": [')]]));
});

for (const place of ["whole", "whole.tgz"]) {
  test(`build instance --distribution ${place} prints what the embedded release of that version gives`, async () => {
    const [embedded, fromArtifact] = [await build([]), await build(["--distribution", at(place)])];
    assert.equal(embedded.exitCode, 0, embedded.stderr);
    assert.deepEqual(fromArtifact, embedded);
  });
}

test("build instance --distribution takes a release that is not built in", async () => {
  const { exitCode, stdout, stderr } = await build(["--distribution", at("young")]);
  assert.deepEqual({ exitCode, stderr }, { exitCode: 0, stderr: "" });
  assert.match(stdout, /app\.kubernetes\.io\/version: v2\.9\.99\n/);
});

test("build instance warns that the artifact of the spec is not read, unless it is told which one to read", async () => {
  const { spec, ...instance } = JSON.parse(input);
  const named = { ...spec, distribution: { ...spec.distribution, artifact: "oci://registry.example/flux" } };
  const text = JSON.stringify({ ...instance, spec: named });
  const run = (args: readonly string[]) =>
    runInProcess(["build", "instance", "-f", "-", ...args], { input: text, env: {} });
  const { exitCode, stderr } = await run([]);
  const warning =
    "spec.distribution.artifact is not read here, the embedded releases are: for those of the artifact add --distribution oci://registry.example/flux";
  assert.equal(exitCode, 0);
  assert.ok(stderr.includes(warning), stderr);
  assert.ok(!(await run(["--distribution", at("whole")])).stderr.includes("is not read here"));
});

test("build instance says that it verifies no signatures", async () => {
  const { spec, ...instance } = JSON.parse(input);
  const verify = { provider: "cosign", images: true, secretRef: { name: "keys" } };
  const text = JSON.stringify({ ...instance, spec: { ...spec, distribution: { ...spec.distribution, verify } } });
  const { exitCode, stderr } = await runInProcess(["build", "instance", "-f", "-"], { input: text, env: {} });
  const warning =
    "spec.distribution.verify is not carried out here: the operator verifies signatures before it applies";
  assert.equal(exitCode, 0);
  assert.ok(stderr.includes(warning), stderr);
});

const secret = "oci://user:hunter2@registry.example/flux";

for (const { name, args, env = {}, want } of [
  {
    name: "a path that is not there",
    args: ["--distribution", at("nowhere")],
    want: `error: --distribution: Cannot read ${at("nowhere")}: it does not exist; give the path of a folder or tarball in the layout of the official artifact, or an oci:// address\n`,
  },
  {
    name: "a damaged tarball",
    args: ["--distribution", at("damaged.tgz")],
    want: /^error: --distribution: Cannot read \S+damaged\.tgz: .*; give the path of a folder or tarball /,
  },
  {
    name: "a folder without a release",
    args: ["--distribution", at("empty")],
    want: /^error: --distribution \S+\/empty: Cannot read the artifact: it has no manifests of Flux at flux\/v<version>/,
  },
  {
    name: "a release with a file missing",
    args: ["--distribution", at("broken")],
    want: /^error: standard input: Cannot read the artifact: flux\/v2\.9\.4\/rbac\.yaml is missing; push a whole artifact/,
  },
  {
    name: "a version that exists and the artifact has not",
    args: ["--distribution", at("old")],
    want: /^error: standard input: Cannot find a release for version range "2\.9\.x": .*artifact/,
  },
  {
    name: "an address with credentials, which it does not repeat",
    args: ["--distribution", secret],
    want: /^error: --distribution: Cannot read the OCI address "oci:\/\/\.\.\.": credentials belong in a pull secret/,
  },
  {
    name: "a Docker configuration that is no JSON",
    args: ["--distribution", "oci://registry.example/flux"],
    env: { DOCKER_CONFIG: at("docker") },
    want: /^error: --distribution: Cannot .*it is no JSON.*; credentials are those of auths in \S+\/docker\/config\.json, credential helpers are not asked\n$/,
  },
  {
    name: "a Docker configuration that cannot be read",
    args: ["--distribution", "oci://registry.example/flux"],
    env: { DOCKER_CONFIG: at("damaged.tgz") },
    want: /^error: Cannot read credentials from \S+damaged\.tgz\/config\.json: ENOTDIR.*; correct DOCKER_CONFIG\n$/,
  },
  {
    name: "plain HTTP to a folder",
    args: ["--distribution", at("whole"), "--distribution-insecure"],
    want: "error: --distribution-insecure is only for an oci:// address after --distribution: leave it out\n",
  },
]) {
  test(`build and diff instance refuse ${name}, with their own exit codes and the same words`, async () => {
    const [built, compared] = [await build(args, env), await diff(args, env)];
    assert.deepEqual({ exitCode: built.exitCode, stdout: built.stdout }, { exitCode: 1, stdout: "" });
    assert.deepEqual(compared, { exitCode: 2, stdout: "", stderr: built.stderr });
    if (typeof want === "string") assert.equal(built.stderr, want);
    else assert.match(built.stderr, want);
    assert.doesNotMatch(built.stderr, /hunter2/);
  });
}

/** Of one component, because the schemas of all take long to write and to read. */
function onlySource({ version, components, rbac, policies, images }: Release): Release {
  const { "source-controller": source = [] } = components;
  const tables = Object.entries(images).map(([variant, table]) => {
    const image = table["source-controller"];
    return [variant, image === undefined ? {} : { "source-controller": image }];
  });
  return { version, components: { "source-controller": source }, rbac, policies, images: Object.fromEntries(tables) };
}

function writeFolder(name: string, files: ReadonlyMap<string, Uint8Array>): void {
  for (const [path, content] of files) {
    const file = join(folder, name, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
  }
}
