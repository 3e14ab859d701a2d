import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import type { SecureContextOptions } from "node:tls";
import { promisify } from "node:util";
import { createAuthority, issueCertificate } from "../../scripts/control-plane/certificates.ts";
import { fipsModule, fipsModuleAbsent } from "../../scripts/fips/module.ts";
import { fipsOpensslConf } from "../../scripts/image/fips-conf.ts";
import { operatorRun } from "../../scripts/image/operator-run.ts";
import { unconfigured } from "../../src/client/openssl-config.ts";
import { sha256Digest } from "../../src/std/digest.ts";
import { isReady, manifest, startFluxCluster, statusOf } from "../support/flux-cluster.ts";
import { freePort } from "../support/flux-process.ts";

// What is the case without a FIPS provider is in test/integration/fips.test.ts.

const run = promisify(execFile);
const root = resolve(import.meta.dirname, "../..");
const absent = fipsModuleAbsent();
const skip = absent ?? false;

let folder: string;
/** A folder of ours with the module, and what makes a process use it. */
let provider: string;
let fips: { readonly OPENSSL_CONF: string; readonly OPENSSL_MODULES: string };
let moduleDigest: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "fips-"));
  if (absent !== undefined) return;
  provider = await fipsModule(new AbortController().signal);
  moduleDigest = sha256Digest(await readFile(join(provider, "fips.so")));
  const conf = join(folder, "openssl.cnf");
  await writeFile(conf, fipsOpensslConf(provider));
  fips = { OPENSSL_CONF: conf, OPENSSL_MODULES: provider };
});
after(() => rm(folder, { recursive: true }));

type Ended = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

/** Runs our Node in the checkout with nothing in its environment but what is given. */
async function node(args: readonly string[], env: { readonly [name: string]: string }): Promise<Ended> {
  return await ended(process.execPath, args, {
    PATH: process.env["PATH"] ?? "",
    HOME: process.env["HOME"] ?? "",
    ...env,
  });
}

async function ended(program: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<Ended> {
  const child = spawn(program, args, { cwd: root, env, stdio: ["ignore", "pipe", "pipe"] });
  const [[code], stdout, stderr] = await Promise.all([once(child, "exit"), text(child.stdout), text(child.stderr)]);
  return { code: code as number | null, stdout, stderr };
}

describe("the operator with --fips=required", { skip }, () => {
  test("installs, upgrades and uninstalls Flux, and tells its mode in log, metric and probe", async () => {
    const [health, metrics] = [await freePort(), await freePort()];
    const args = ["--fips=required", `--health-addr=127.0.0.1:${health}`, `--metrics-addr=127.0.0.1:${metrics}`];
    // No notification-controller answers here, which is told as an error.
    await using cluster = await startFluxCluster({ args, env: { ...fips, NOTIFICATIONS_DISABLED: "true" } });
    await cluster.apply(await manifest("examples/flux-instance-rfc.yaml"));
    const installed = await cluster.instanceWhen("installed", isReady);
    await cluster.patchInstance({ spec: { distribution: { version: "2.9.x" } } });
    const upgraded = await cluster.instanceWhen("upgraded", isReady);
    assert.deepEqual(
      [installed, upgraded].map((instance) => statusOf(instance)["lastAppliedVersion"]),
      ["2.2.3", "2.9.4"],
    );
    const ready = await fetch(`http://127.0.0.1:${health}/readyz?verbose`);
    assert.equal(ready.status, 200);
    assert.match(await ready.text(), /^\[\+\]fips ok$/m);
    const scraped = await fetch(`http://127.0.0.1:${metrics}/metrics`);
    assert.match(await scraped.text(), /^flux_operator_fips 1$/m);
    const lines = cluster.operator.log().map((line) => JSON.parse(line) as { readonly [field: string]: unknown });
    const line = lines.find(({ msg }) => msg === "OpenSSL's FIPS provider has passed the self-test");
    assert.deepEqual(
      { openssl: line?.["openssl"], module: line?.["module"], digest: line?.["digest"] },
      { openssl: process.versions.openssl, module: join(provider, "fips.so"), digest: moduleDigest },
    );
    assert.deepEqual(
      lines.filter(({ level }) => level === "error"),
      [],
    );
    await cluster.plane.rest.delete("/apis/fluxcd.controlplane.io/v1/namespaces/flux-system/fluxinstances/flux");
    await cluster.gone("FluxInstance/flux-system/flux");
    await cluster.gone("Deployment/flux-system/source-controller");
  });

  for (const { name, mac, says } of [
    { name: "that was not installed", mac: "", says: "it has no module-mac" },
    {
      name: "that is not the one that was installed",
      mac: `module-mac = ${"00:".repeat(31)}00\n`,
      says: "its module-mac is that of another module",
    },
  ])
    test(`does not start with a module ${name}, and says so in one line`, async () => {
      const own = await mkdtemp(join(folder, "wrong-"));
      await copyFile(join(provider, "fips.so"), join(own, "fips.so"));
      await writeFile(join(own, "fipsmodule.cnf"), `[fips_sect]\nactivate = 1\n${mac}`);
      await writeFile(join(own, "openssl.cnf"), fipsOpensslConf(own));
      const env = { OPENSSL_CONF: join(own, "openssl.cnf"), OPENSSL_MODULES: own };
      const operator = [unconfigured, "src/operator/main.ts", "--fips=required", "--kubeconfig=/nowhere"];
      const remedy = `run openssl fipsinstall for ${own}/fips.so and include what it writes`;
      assert.deepEqual(await node(operator, env), {
        code: 2,
        stdout: "",
        stderr: `flux-operator: Cannot start OpenSSL with the configuration in OPENSSL_CONF (${own}/openssl.cnf): ${says}; ${remedy} (docs/fips.md)\n`,
      });
    });
});

describe("the self-test", { skip }, () => {
  test("tells when TLS is not limited, and when the process leaves FIPS mode", async () => {
    const program = `
      import { setFips } from "node:crypto";
      import { fipsFault, requireFips } from "./src/operator/fips.ts";
      const faults = [fipsFault()];
      requireFips(process.env);
      faults.push(fipsFault());
      setFips(false);
      faults.push(fipsFault());
      console.log(JSON.stringify(faults));`;
    const { stdout, stderr } = await node(["--input-type=module", "-e", program], fips);
    assert.equal(stderr, "");
    assert.deepEqual(JSON.parse(stdout), ["TLS is not limited", null, "FIPS algorithms are not the default"]);
  });
});

const gcm = "ECDHE-ECDSA-AES128-GCM-SHA256";
const servers: readonly { readonly name: string; readonly offers: Offer; readonly inFipsMode: string }[] = [
  { name: "TLS 1.3", offers: { minVersion: "TLSv1.3", ecdhCurve: "P-256" }, inFipsMode: "answered" },
  { name: "TLS 1.2 with AES-GCM", offers: { maxVersion: "TLSv1.2", ciphers: gcm }, inFipsMode: "answered" },
  {
    name: "TLS 1.2 with CBC",
    offers: { maxVersion: "TLSv1.2", ciphers: "ECDHE-ECDSA-AES128-SHA256" },
    inFipsMode: "refused",
  },
  {
    name: "ChaCha20",
    offers: { minVersion: "TLSv1.3", ciphers: "TLS_CHACHA20_POLY1305_SHA256" },
    inFipsMode: "refused",
  },
  { name: "X25519", offers: { minVersion: "TLSv1.3", ecdhCurve: "X25519" }, inFipsMode: "refused" },
];
/** What both clients of test/support/tls-client.ts make of a server. */
const both = (result: string): readonly string[] => [result, result];

type Offer = Pick<SecureContextOptions, "minVersion" | "maxVersion" | "ciphers" | "ecdhCurve">;

test(
  "TLS in FIPS mode takes approved suites and groups only, with API servers and registries alike",
  { skip },
  async () => {
    const authority = createAuthority("of a test");
    const { certPem, keyPem } = issueCertificate(authority, { kind: "server", commonName: "s", names: ["127.0.0.1"] });
    const listening = await Promise.all(
      servers.map(async ({ offers }) => {
        const server = createServer({ ...offers, cert: certPem, key: keyPem }, (_, response) => response.end("here"));
        await once(server.listen(0, "127.0.0.1"), "listening");
        return { server, port: (server.address() as AddressInfo).port };
      }),
    );
    const args = servers.map(({ name }, at) => `${name}=${listening[at]?.port}`);
    const env = { CA_PEM: authority.certPem };
    const program = "test/support/tls-client.ts";
    const limited = await node(["--import=./test/support/fips-mode.ts", program, ...args], { ...env, ...fips });
    const free = await node([program, ...args], env);
    for (const { server } of listening) server.close().closeAllConnections();
    assert.deepEqual([limited.stderr, free.stderr], ["", ""]);
    assert.deepEqual(JSON.parse(free.stdout), Object.fromEntries(servers.map(({ name }) => [name, both("answered")])));
    assert.deepEqual(
      JSON.parse(limited.stdout),
      Object.fromEntries(servers.map(({ name, inFipsMode }) => [name, both(inFipsMode)])),
    );
  },
);

describe("in a process in FIPS mode", { skip }, () => {
  for (const { what, files } of [
    { what: "registries", files: ["test/integration/oci.test.ts", "src/oci/**/*.test.ts", "test/oci/*.test.ts"] },
    { what: "signatures", files: ["test/integration/signatures.test.ts"] },
    { what: "mirrors and bundles", files: ["test/integration/distro.test.ts"] },
    { what: "the API server", files: ["test/integration/client.test.ts", "src/client/**/*.test.ts"] },
  ])
    test(`the tests of ${what} pass`, async () => {
      const preloaded = ["./scripts/blocking-output.ts", "./test/support/fips-mode.ts"].map(
        (path) => `--import=${path}`,
      );
      const { code, stdout } = await node(["--test", "--test-force-exit", ...preloaded, ...files], fips);
      assert.match(stdout, /^ℹ pass [1-9]/m);
      assert.equal(code, 0, stdout);
    });
});

const chroots = process.getuid?.() === 0 ? false : "only root can run a program of the image without an engine";
test(
  "the FIPS variant of the image has the provider, and starts with nothing else",
  { skip: absent ?? chroots },
  async () => {
    await run(process.execPath, ["scripts/build-image.ts", `--fips=${provider}`, `--out=${folder}/dist`], {
      cwd: root,
    });
    const rootfs = join(folder, "dist/rootfs", process.arch === "x64" ? "linux-amd64" : "linux-arm64");
    // A container has it, a folder has not; nothing is read of it.
    await mkdir(join(rootfs, "dev"));
    await writeFile(join(rootfs, "dev/null"), "");
    const { start, module } = await readImage(join(folder, "dist/image"));
    assert.deepEqual(
      module?.hashes?.map(({ content }) => `sha256:${content}`),
      [moduleDigest],
    );
    const variant = {
      ...operatorRun,
      Entrypoint: [...operatorRun.Entrypoint, "--fips=required"],
      Env: [...(operatorRun.Env ?? []), "OPENSSL_CONF=/fips/openssl.cnf", "OPENSSL_MODULES=/fips"],
    };
    assert.deepEqual(start, variant);
    const env = Object.fromEntries(variant.Env.map((one) => one.split("=", 2) as [string, string]));
    const operator = (): Promise<Ended> =>
      ended("chroot", [`--userspec=${start.User}`, rootfs, ...start.Entrypoint, "--kubeconfig=/nowhere"], {
        ...env,
        PATH: process.env["PATH"],
      });
    const [, passed, stopped] = (await operator()).stderr.split("\n");
    assert.match(passed ?? "", /"msg":"OpenSSL's FIPS provider has passed the self-test"/);
    assert.match(stopped ?? "", /Cannot read \/nowhere/);
    await rm(join(rootfs, "fips/fips.so"));
    assert.deepEqual(await operator(), {
      code: 2,
      stdout: "",
      stderr:
        "flux-operator: Cannot start OpenSSL with the configuration in OPENSSL_CONF (/fips/openssl.cnf): the module /fips/fips.so does not exist; put it there, or name its folder in OPENSSL_MODULES (docs/fips.md)\n",
    });
  },
);

type Descriptor = { readonly digest: string };
type Manifest = {
  readonly manifests?: readonly Descriptor[];
  readonly config?: Descriptor;
  readonly layers?: readonly Descriptor[];
};
type Run = Pick<typeof operatorRun, "User" | "Entrypoint">;
type Component = { readonly name: string; readonly hashes?: readonly { readonly content: string }[] };

/** How the only image of an OCI layout starts, and what its bill of materials says of the module. */
async function readImage(layout: string): Promise<{ readonly start: Run; readonly module: Component | undefined }> {
  const parsed = async (path: string): Promise<unknown> => JSON.parse(await readFile(join(layout, path), "utf8"));
  const blob = (one: Descriptor | undefined): Promise<unknown> =>
    parsed(`blobs/sha256/${one?.digest.replace("sha256:", "") ?? ""}`);
  const index = (await parsed("index.json")) as Manifest;
  const [image, bill] = ((await blob(index.manifests?.[0])) as Manifest).manifests ?? [];
  const { config } = (await blob(((await blob(image)) as Manifest).config)) as {
    readonly config: Run & { readonly Labels: object };
  };
  const { Labels: _, ...start } = config;
  const { components } = (await blob(((await blob(bill)) as Manifest).layers?.[0])) as {
    readonly components: readonly Component[];
  };
  return { start, module: components.find(({ name }) => name === "fips/fips.so") };
}
