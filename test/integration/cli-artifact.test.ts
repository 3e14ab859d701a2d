import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { loadRelease } from "../../src/distribution/load.ts";
import type { JsonObject } from "../../src/kube/object.ts";
import { artifactFiles } from "../support/artifact-of.ts";
import { startImageMirror } from "../support/rebuilt-images.ts";
import { htpasswd, pushImage, startRegistry, type RegistryProcess, reader as login } from "../support/registry.ts";
import { runInProcess, type CliRun } from "../support/run-cli.ts";
import { tarGzOf } from "../support/tarball.ts";

const signal = AbortSignal.timeout(280_000);
const instance = {
  apiVersion: "fluxcd.controlplane.io/v1",
  kind: "FluxInstance",
  metadata: { name: "flux", namespace: "flux-system" },
  spec: { distribution: { version: "2.9.4", registry: "ghcr.io/fluxcd" } },
};

let folder: string;
let registry: RegistryProcess;
let digest: string;
let embedded: CliRun;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "cli-artifact-"));
  registry = await startRegistry({ kind: "htpasswd", htpasswd }, signal);
  const tarball = join(folder, "artifact.tgz");
  await writeFile(tarball, await tarGzOf(Object.fromEntries(artifactFiles(loadRelease("2.9.4")))));
  digest = await pushImage({ tarball, to: `${registry.host}/org/manifests:v1`, login }, signal);
  embedded = await build([]);
});

after(async () => {
  await registry?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

for (const { name, place, env } of [
  { name: "a tag, with DOCKER_CONFIG", place: () => ":v1", env: (config: string) => ({ DOCKER_CONFIG: config }) },
  { name: "a digest, with ~/.docker", place: () => `@${digest}`, env: (_: string, home: string) => ({ HOME: home }) },
]) {
  test(`build instance --distribution pulls ${name}, and prints what the embedded release gives`, async () => {
    const home = await mkdtemp(join(folder, "home-"));
    const config = await dockerConfig(join(home, ".docker"), login.password);
    const address = `oci://${registry.host}/org/manifests${place()}`;
    const built = await build(["--distribution", address, "--distribution-insecure"], env(config, home));
    assert.equal(built.stderr, `--distribution ${address}: pulled ${digest}\n`);
    assert.deepEqual({ ...built, stderr: "" }, embedded);
  });
}

for (const { name, place, flags, password, want } of [
  {
    name: "without credentials",
    place: () => `${registry.host}/org/manifests:v1`,
    flags: ["--distribution-insecure"],
    password: undefined,
    want: /^error: --distribution: Cannot pull oci:\S+: .* asks for a user and password; .*; credentials are those of auths in \S+config\.json, credential helpers are not asked\n$/,
  },
  {
    name: "with the wrong password",
    place: () => `${registry.host}/org/manifests:v1`,
    flags: ["--distribution-insecure"],
    password: "wrong",
    want: /^error: --distribution: Cannot pull oci:\S+: .*401.*; credentials are those of auths in /,
  },
  {
    name: "of a tag that is not there",
    place: () => `${registry.host}/org/manifests:v2`,
    flags: ["--distribution-insecure"],
    password: login.password,
    want: /^error: --distribution: Cannot pull oci:\S+: .*404.*; check repository and tag\n$/,
  },
  {
    name: "over TLS from a registry that has none",
    place: () => `${registry.host}/org/manifests:v1`,
    flags: [],
    password: login.password,
    want: /^error: --distribution: Cannot pull oci:\S+: .* does not speak TLS; .*; --distribution-insecure allows plain HTTP\n$/,
  },
]) {
  test(`build instance --distribution ends with 1 ${name}`, async () => {
    const env = { DOCKER_CONFIG: await dockerConfig(await mkdtemp(join(folder, "docker-")), password) };
    const { exitCode, stdout, stderr } = await build(["--distribution", `oci://${place()}`, ...flags], env);
    assert.deepEqual({ exitCode, stdout }, { exitCode: 1, stdout: "" });
    assert.match(stderr, want);
  });
}

test("build instance --distribution goes through the proxies of the environment", async () => {
  const asked: (string | undefined)[] = [];
  const proxy = createServer(({ method, url }, response) => {
    asked.push(`${method} ${url}`);
    response.writeHead(404).end();
  });
  await once(proxy.listen(0, "127.0.0.1"), "listening");
  const address = proxy.address();
  if (address === null || typeof address === "string") throw new Error("the proxy has no port");
  const url = `http://127.0.0.1:${address.port}`;
  for (const env of [{ HTTP_PROXY: url }, { HTTP_PROXY: "", http_proxy: url, NO_PROXY: "other.example" }]) {
    const args = ["--distribution", "oci://registry.example/org/manifests", "--distribution-insecure"];
    assert.equal((await build(args, env)).exitCode, 1);
  }
  proxy.close();
  const want = "GET http://registry.example/v2/org/manifests/manifests/latest";
  assert.deepEqual(asked, [want, want]);
});

test("build instance prints the digests of the registry where the spec asks for them, and says which it has not got", async () => {
  await using open = await startRegistry({ kind: "open" }, signal);
  const place = { host: open.host, registry: `${open.host}/flux`, version: "2.9.4" };
  await using mirror = await startImageMirror({ ...place, components: ["source-controller"] }, signal);
  const digest = await mirror.rebuild("source-controller");
  const distribution = { version: "2.9.4", registry: `${open.host}/flux`, digests: "Registry", artifactInsecure: true };
  const specOf = (...components: readonly string[]) => ({ spec: { distribution, components } });
  const built = await build([], {}, { ...instance, ...specOf("source-controller") });
  assert.equal(built.stderr, "");
  assert.ok(built.stdout.includes(`${mirror.imageOf("source-controller")}@${digest}`));
  const half = await build([], {}, { ...instance, ...specOf("source-controller", "helm-controller") });
  assert.match(half.stderr, /not pinned by digest.*Cannot resolve oci:\S+\/flux\/helm-controller:v\S+ .*404/);
  assert.ok(half.stdout.includes(`${mirror.imageOf("source-controller")}@${digest}`));
});

async function build(
  args: readonly string[],
  env: { readonly [name: string]: string } = {},
  document: JsonObject = instance,
): Promise<CliRun> {
  return await runInProcess(["build", "instance", "-f", "-", ...args], { input: JSON.stringify(document), env });
}

/** The folder, with a configuration that logs in to the registry if there is a password. */
async function dockerConfig(path: string, password: string | undefined): Promise<string> {
  await mkdir(path, { recursive: true });
  const auth = Buffer.from(`${login.username}:${password}`).toString("base64");
  const auths = password === undefined ? {} : { [registry.host]: { auth } };
  await writeFile(join(path, "config.json"), JSON.stringify({ auths }));
  return path;
}
