import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Release } from "../../src/distribution/release.ts";
import type { KubeObject } from "../../src/kube/object.ts";
import { artifactFiles } from "../support/artifact-of.ts";
import {
  condition,
  isReady,
  namespace,
  startFluxCluster,
  statusOf,
  type FluxCluster,
} from "../support/flux-cluster.ts";
import { base } from "../support/next-minor.ts";
import { pushImage, startRegistry, type RegistryProcess } from "../support/registry.ts";
import { pushSignatures, signBundle, signTag, type MadeSignature } from "../support/signatures.ts";
import { tarGzOf } from "../support/tarball.ts";
import { startWireProxy, type WireProxy } from "../support/wire-proxy.ts";

const signal = AbortSignal.timeout(580_000);
const repository = "org/manifests";
const ours = generateKeyPairSync("ec", { namedCurve: "P-256" });
const theirs = generateKeyPairSync("ec", { namedCurve: "P-256" });
const key = ours.privateKey;

let folder: string;
let cluster: FluxCluster;
let registry: RegistryProcess;
let wire: WireProxy;
/** Host of the registry as the operator reaches it. */
let host: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "signatures-"));
  [cluster, registry] = await Promise.all([startFluxCluster(), startRegistry({ kind: "open" }, signal)]);
  wire = await startWireProxy({ server: `http://${registry.host}` });
  host = wire.server.replace("http://", "");
});
after(async () => {
  await wire?.stop();
  await registry?.[Symbol.asyncDispose]();
  await cluster?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

function releaseOf(version: string): Release {
  return { ...base, version };
}

function signatureRequests(): number {
  return wire.requests.filter(({ path }) => path.includes("sha256-") || path.includes("/referrers/")).length;
}

function polls(): number {
  return wire.requests.filter(({ method, path }) => method === "HEAD" && path.includes("/manifests/")).length;
}

/** Pushes an artifact with these versions, unsigned, under the tag that the instance has. */
async function push(...versions: readonly string[]): Promise<string> {
  const releases = versions.map(releaseOf);
  const tarball = join(folder, "artifact.tgz");
  await writeFile(tarball, await tarGzOf(Object.fromEntries(artifactFiles(...releases))));
  return await pushImage({ tarball, to: `${registry.host}/${repository}:latest` }, signal);
}

async function sign(...signatures: readonly MadeSignature[]): Promise<void> {
  await pushSignatures({ host: registry.host, repository }, signatures);
}

/** Puts the public key into the Secret that the instance names. */
async function trust(publicKey: KeyObject): Promise<void> {
  const pem = publicKey.export({ format: "pem", type: "spki" });
  const metadata = { name: "cosign-keys", namespace };
  await cluster.apply({ apiVersion: "v1", kind: "Secret", metadata, stringData: { "cosign.pub": pem } });
}

const runs = (version: string) => (instance: KubeObject) =>
  isReady(instance) && statusOf(instance)["lastAppliedVersion"] === version;

const isCurrent = (instance: KubeObject) =>
  isReady(instance) && condition(instance, "UpToDate")?.startsWith("True/") === true;

/** What runs is left alone, and UpToDate tells. */
const heldBack = (instance: KubeObject) =>
  isReady(instance) && condition(instance, "UpToDate")?.startsWith("False/VerificationFailed: ") === true;

const says = (type: string, beginning: string) => (instance: KubeObject) =>
  condition(instance, type)?.startsWith(beginning) === true;

const remedy =
  "sign it with a key of Secret flux-system/cosign-keys, copy its signatures along with it, or change spec.distribution.verify";

function addressOf(digest: string): string {
  return `oci://${host}/${repository}@${digest}`;
}

describe("a FluxInstance with a signed artifact", () => {
  let digest: string;

  test("refuses an unsigned one, and pulls nothing of it", async () => {
    digest = await push("2.10.0");
    await trust(ours.publicKey);
    await cluster.apply({
      apiVersion: "fluxcd.controlplane.io/v1",
      kind: "FluxInstance",
      metadata: { name: "flux", namespace, annotations: { "fluxcd.controlplane.io/reconcileArtifactEvery": "1s" } },
      spec: {
        distribution: {
          version: "2.x",
          registry: "ghcr.io/fluxcd",
          artifact: `oci://${host}/${repository}:latest`,
          artifactInsecure: true,
          verify: { provider: "cosign", secretRef: { name: "cosign-keys" } },
        },
        components: ["source-controller", "kustomize-controller", "notification-controller"],
      },
    });
    const instance = await cluster.instanceWhen("refused", says("Ready", "False/"));
    const want = `False/VerificationFailed: Cannot trust ${addressOf(digest)}: it has no signature; ${remedy}`;
    assert.equal(condition(instance, "Ready"), want);
    assert.equal(condition(instance, "Stalled"), undefined);
    assert.deepEqual(
      wire.requests.filter(({ path }) => path.includes("/blobs/")),
      [],
    );
  });

  test("installs it as soon as it is signed", async () => {
    await sign(signTag({ key, digest }));
    const instance = await cluster.instanceWhen("installed", runs("2.10.0"));
    assert.equal(statusOf(instance)["lastArtifactRevision"], digest);
    assert.equal(condition(instance, "UpToDate"), "True/UpToDate: Version 2.10.0 is the latest");
  });

  test("asks for no signature of a digest again", async () => {
    const [signatures, before] = [signatureRequests(), polls()];
    await cluster.reconcile();
    await cluster.reconcile();
    assert.ok(polls() > before);
    assert.equal(signatureRequests(), signatures);
  });

  test("leaves what runs alone when an unsigned one comes under the same tag, and goes on when it is signed", async () => {
    const next = await push("2.10.0", "2.10.1");
    const instance = await cluster.instanceWhen("held back", heldBack);
    const want = `False/VerificationFailed: Cannot trust ${addressOf(next)}: it has no signature; ${remedy}`;
    assert.equal(condition(instance, "UpToDate"), want);
    assert.deepEqual(
      [statusOf(instance)["lastAppliedVersion"], statusOf(instance)["lastArtifactRevision"]],
      ["2.10.0", digest],
    );
    await sign(signBundle({ key, digest: next }));
    await cluster.instanceWhen("upgraded", runs("2.10.1"));
    digest = next;
  });

  test("tells why a signature is not good, and leaves what runs alone", async () => {
    const next = await push("2.10.1", "2.10.2");
    await sign(signTag({ key: theirs.privateKey, digest: next }));
    const begins = `False/VerificationFailed: Cannot trust ${addressOf(next)}: no signature of it is good: `;
    const instance = await cluster.instanceWhen("held back", says("UpToDate", begins));
    assert.ok(heldBack(instance));
    assert.equal(
      condition(instance, "UpToDate")
        ?.slice(begins.length)
        .replace(/^sha256:[0-9a-f]{12} /, ""),
      `(tag .sig): it is of none of the keys cosign.pub of Secret flux-system/cosign-keys; ${remedy}`,
    );
    assert.equal(statusOf(instance)["lastAppliedVersion"], "2.10.1");
  });

  test("looks at it again when the key is replaced", async () => {
    await trust(theirs.publicKey);
    await cluster.instanceWhen("upgraded", runs("2.10.2"));
  });

  test("leaves what runs alone when its signature is of no key any more, also after a restart", async () => {
    await trust(ours.publicKey);
    const instance = await cluster.instanceWhen("held back", heldBack);
    assert.equal(statusOf(instance)["lastAppliedVersion"], "2.10.2");
    await cluster.restartOperator();
    await cluster.reconcile();
    const later = await cluster.instanceWhen("held back", heldBack);
    assert.equal(statusOf(later)["lastAppliedVersion"], "2.10.2");
    await trust(theirs.publicKey);
    await cluster.instanceWhen("current", isCurrent);
  });

  test("says which Secret is not there, and leaves what runs alone", async () => {
    await cluster.plane.rest.delete(`/api/v1/namespaces/${namespace}/secrets/cosign-keys`);
    const instance = await cluster.instanceWhen("held back", heldBack);
    assert.equal(
      condition(instance, "UpToDate"),
      "False/VerificationFailed: Cannot verify signatures: there is no Secret flux-system/cosign-keys; create it " +
        "(kubectl create secret generic cosign-keys -n flux-system --from-file=cosign.pub), or change spec.distribution.verify.secretRef",
    );
    await trust(theirs.publicKey);
    await cluster.instanceWhen("current", isCurrent);
  });
});
