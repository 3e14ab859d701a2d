import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { KubeObject } from "../../src/kube/object.ts";
import { fieldsOf, textOf } from "../../src/kube/fields.ts";
import { artifactFiles } from "../support/artifact-of.ts";
import { writeBundleOf } from "../support/bundle-of.ts";
import {
  condition,
  isReady,
  namespace,
  startFluxCluster,
  statusOf,
  type FluxCluster,
} from "../support/flux-cluster.ts";
import { base } from "../support/next-minor.ts";
import { signTag } from "../support/signatures.ts";

const ours = generateKeyPairSync("ec", { namedCurve: "P-256" });
const theirs = generateKeyPairSync("ec", { namedCurve: "P-256" });

const statements = {
  author: "vendor@example.com",
  last_updated: "2026-06-30T12:00:00Z",
  statements: [
    { vulnerability: { name: "CVE-1" }, products: [{ "@id": "pkg:oci/source-controller" }], status: "fixed" },
  ],
};

let folder: string;
let cluster: FluxCluster;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "mounted-bundle-"));
  cluster = await startFluxCluster({ args: [`--bundles=${folder}`] });
  const pem = ours.publicKey.export({ format: "pem", type: "spki" });
  const metadata = { name: "cosign-keys", namespace };
  await cluster.apply({ apiVersion: "v1", kind: "Secret", metadata, stringData: { "cosign.pub": pem } });
});
after(async () => {
  await cluster?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

/** Writes a bundle with the artifact of one release, beside the one that is mounted. */
async function makeBundle(version: string, { privateKey } = ours): Promise<{ path: string; digest: string }> {
  const path = join(folder, `${version}.tar`);
  const files = {
    ...Object.fromEntries(artifactFiles({ ...base, version })),
    "flux-vex/v2.9.json": JSON.stringify({ "@context": "https://openvex.dev/ns/v0.2.0", ...statements }),
  };
  const signatures = (digest: string) => [signTag({ key: privateKey, digest })];
  const [digest = ""] = await writeBundleOf(path, [{ files, signatures }]);
  return { path, digest };
}

const mounted = () => join(folder, "flux.tar");

const runs = (version: string) => (instance: KubeObject) =>
  isReady(instance) &&
  statusOf(instance)["lastAppliedVersion"] === version &&
  condition(instance, "UpToDate")?.startsWith("True/") === true;

const heldBack = (reason: string) => (instance: KubeObject) =>
  isReady(instance) && condition(instance, "UpToDate")?.startsWith(`False/${reason}: `) === true;

async function eventsOf(reason: string): Promise<readonly string[]> {
  const events = await cluster.plane.rest.list(`/api/v1/namespaces/${namespace}/events`);
  return events.filter((event) => event["reason"] === reason).map((event) => textOf(event["message"]));
}

describe("a FluxInstance with a bundle that is mounted into the operator's pod", { concurrency: 1 }, () => {
  test("says what is missing while the volume has no such bundle", async () => {
    await cluster.apply({
      apiVersion: "fluxcd.controlplane.io/v1",
      kind: "FluxInstance",
      metadata: {
        name: "flux",
        namespace,
        annotations: { "fluxcd.controlplane.io/reconcileArtifactEvery": "1s" },
      },
      spec: {
        distribution: {
          version: "*",
          registry: "ghcr.io/fluxcd",
          artifact: "bundle://flux.tar",
          verify: { provider: "cosign", secretRef: { name: "cosign-keys" } },
        },
        components: ["source-controller"],
      },
    });
    const instance = await cluster.instanceWhen(
      "refused",
      (object) => condition(object, "Ready")?.startsWith("False/") === true,
    );
    assert.equal(
      condition(instance, "Ready"),
      `False/ArtifactFailed: Cannot read bundle://flux.tar: the operator's pod has no ${mounted()}; mount the volume with the bundle there, or correct the name of spec.distribution.artifact`,
    );
  });

  test("installs from it when it is there, with its signature verified", async () => {
    const { path, digest } = await makeBundle("2.9.3");
    await rename(path, mounted());
    const instance = await cluster.instanceWhen("installed", runs("2.9.3"));
    assert.equal(statusOf(instance)["lastArtifactRevision"], digest);
    assert.equal(statusOf(instance)["lastSeenArtifact"], `bundle://flux.tar@${digest}`);
    const { digest: _, ...told } = fieldsOf(statusOf(instance)["vulnerabilities"]);
    assert.deepEqual(told, { source: "Artifact", statements: 1, updated: "2026-06-30T12:00:00Z" });
  });

  test("leaves what runs alone while another bundle is copied, and takes it when it is whole", async () => {
    const { path, digest } = await makeBundle("2.9.4");
    const whole = await readFile(path);
    await writeFile(mounted(), whole.subarray(0, whole.length / 2));
    await cluster.instanceWhen("held back", heldBack("ArtifactFailed"));
    await writeFile(mounted(), whole);
    await cluster.instanceWhen("upgraded", runs("2.9.4"));
    assert.deepEqual(await eventsOf("NewVersion"), ["Flux 2.9.4 is available"]);
    assert.deepEqual(await eventsOf("NewDigest"), [`New digest: bundle://flux.tar@${digest}`]);
  });

  test("refuses a bundle that somebody else has signed", async () => {
    const { path } = await makeBundle("2.9.5", theirs);
    await rename(path, mounted());
    const instance = await cluster.instanceWhen("refused", heldBack("VerificationFailed"));
    assert.match(
      condition(instance, "UpToDate") ?? "",
      /^False\/VerificationFailed: Cannot trust bundle:\/\/flux\.tar@sha256:/,
    );
    assert.equal(statusOf(instance)["lastAppliedVersion"], "2.9.4");
  });

  test("runs on after a restart without the volume", async () => {
    await rm(mounted());
    await cluster.restartOperator();
    const instance = await cluster.instanceWhen("held back", heldBack("ArtifactFailed"));
    assert.equal(statusOf(instance)["lastAppliedVersion"], "2.9.4");
    assert.equal((await eventsOf("NewDigest")).length, 1);
  });

  test("is no way to other files of the pod", async () => {
    for (const artifact of ["bundle:///etc/passwd", "bundle://../flux.tar"]) {
      await cluster.patchInstance({ spec: { distribution: { artifact } } });
      const instance = await cluster.instanceWhen(
        "refused",
        (object) =>
          statusOf(object)["observedGeneration"] === object.metadata.generation &&
          condition(object, "Ready")?.includes(JSON.stringify(artifact)) === true,
      );
      assert.match(condition(instance, "Ready") ?? "", /^False\/BuildFailed: Cannot read the address "bundle:/);
    }
  });
});
