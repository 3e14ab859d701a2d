import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fluxInstanceCrd } from "../../src/api/crd.ts";
import { fieldsOf, listOf } from "../../src/kube/fields.ts";
import { systemClock } from "../../src/std/clock.ts";
import { startControlPlane, type ControlPlane } from "../support/control-plane.ts";
import { runInProcess, type CliRun } from "../support/run-cli.ts";
import { tarGzOf } from "../support/tarball.ts";
import { instancePath } from "../support/crash/world.ts";

const instancesPath = instancePath.slice(0, instancePath.lastIndexOf("/"));

let plane: ControlPlane;
let folder: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "cli-vulnerabilities-"));
  plane = await startControlPlane({ variant: "light" });
  await plane.rest.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", fluxInstanceCrd());
  await plane.rest.create("/api/v1/namespaces", {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: "flux-system" },
  });
  // A definition is served a moment after it was created.
  const deadline = AbortSignal.timeout(30_000);
  while ((await plane.rest.request("GET", instancesPath)).status !== 200) await systemClock.sleep(25, deadline);
});
after(async () => {
  await plane?.stop();
  await rm(folder, { recursive: true, force: true });
});

async function get(...args: readonly string[]): Promise<CliRun> {
  return await runInProcess(["get", "vulnerabilities", "--kubeconfig", plane.kubeconfigPath, ...args]);
}

test("get vulnerabilities says that there is no instance, and that it has installed nothing", async () => {
  const none = await get();
  assert.deepEqual(none, {
    exitCode: 1,
    stdout: "",
    stderr: "error: FluxInstance flux-system/flux is not there: name another one, or see whether its operator runs\n",
  });
  await plane.rest.create(instancesPath, {
    apiVersion: "fluxcd.controlplane.io/v1",
    kind: "FluxInstance",
    metadata: { name: "flux" },
    spec: { distribution: { version: "2.7.x", registry: "ghcr.io/fluxcd" } },
  });
  assert.match((await get()).stderr, /^error: FluxInstance flux-system\/flux has not installed anything yet/);
});

test("get vulnerabilities tells what is said of the images that run, as text and as OpenVEX", async () => {
  const digest = `sha256:${"a".repeat(64)}`;
  const components = ["source-controller", "helm-controller"].map((name) => ({
    name,
    repository: `ghcr.io/fluxcd/${name}`,
    tag: "v1.7.4",
    digest,
  }));
  await plane.rest.patch(`${instancePath}/status`, { status: { lastAppliedVersion: "2.7.5", components } });
  const text = await get();
  assert.equal(text.exitCode, 0, text.stderr);
  assert.match(
    text.stderr,
    /^Flux 2\.7\.5: \d+ statements of flux-enterprise@control-plane\.io, changed last on 2026-06-02\n$/,
  );
  const [head, ...rows] = text.stdout.trim().split("\n");
  assert.match(head ?? "", /^VULNERABILITY +STATUS +ABOUT +JUSTIFICATION$/);
  assert.ok(
    rows.some((row) => /^CVE-2025-66506 +not_affected +source-controller +vulnerable_code/.test(row)),
    text.stdout,
  );
  assert.ok(!text.stdout.includes("notification-controller"), "it does not run");
  const openvex = fieldsOf(JSON.parse((await get("-o", "openvex")).stdout));
  const statements = listOf(openvex["statements"]).map(fieldsOf);
  assert.equal(statements.length, rows.length);
  assert.ok(JSON.stringify(statements).includes(`pkg:oci/source-controller@sha256%3A${"a".repeat(64)}`));
});

test("get vulnerabilities takes the statements of an artifact", async () => {
  const vex = {
    "@context": "https://openvex.dev/ns/v0.2.0",
    author: "vendor@example.com",
    timestamp: "2026-11-01T00:00:00Z",
    statements: [
      { vulnerability: { name: "CVE-2026-1" }, products: [{ "@id": "pkg:oci/helm-controller" }], status: "fixed" },
    ],
  };
  const artifact = join(folder, "artifact.tgz");
  await writeFile(artifact, await tarGzOf({ "flux-vex/v2.7.json": JSON.stringify(vex) }));
  const { stdout, stderr } = await get("--distribution", artifact);
  assert.equal(stderr, "Flux 2.7.5: 1 statement of vendor@example.com, changed last on 2026-11-01\n");
  assert.match(stdout, /\nCVE-2026-1 +fixed +helm-controller\n$/);
  await writeFile(artifact, await tarGzOf({ "flux-vex/v2.6.json": JSON.stringify(vex) }));
  assert.match(
    (await get("--distribution", artifact)).stderr,
    /^error: --distribution .*artifact\.tgz: it has no flux-vex\/v2\.7\.json\n$/,
  );
});
