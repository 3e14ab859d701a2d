import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Release } from "../../src/distribution/release.ts";
import { textOf } from "../../src/kube/fields.ts";
import { deploymentKind } from "../../src/kube/kinds.ts";
import type { KubeObject } from "../../src/kube/object.ts";
import { containersOf } from "../../src/kube/pod-template.ts";
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
  return await pushReleases(...versions.map(releaseOf));
}

async function pushReleases(...releases: readonly Release[]): Promise<string> {
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

const components = ["kustomize-controller", "notification-controller", "source-controller"] as const;
type Digests = { readonly [component in (typeof components)[number]]: string };

/** A release with images of these digests. */
function withImages(version: string, digests: Digests): Release {
  const table = base.images["upstream-alpine"] ?? {};
  const images = Object.fromEntries(
    components.flatMap((name) => {
      const image = table[name];
      return image === undefined ? [] : [[name, { ...image, digest: digests[name] }]];
    }),
  );
  return { ...base, version, images: { ...base.images, "upstream-alpine": images } };
}

function digestsOf(digit: string): Digests {
  const [kustomize = "", notification = "", source = ""] = ["a", "b", "c"].map(
    (letter) => `sha256:${(digit + letter).repeat(32)}`,
  );
  return {
    "kustomize-controller": kustomize,
    "notification-controller": notification,
    "source-controller": source,
  };
}

/** Signatures need no image beside them, and no kubelet pulls here. */
async function signImages(digests: Digests, names: readonly (typeof components)[number][] = components): Promise<void> {
  for (const name of names) {
    const image = { host: registry.host, repository: `fluxcd/${name}` };
    await pushSignatures(image, [signBundle({ key: theirs.privateKey, digest: digests[name] })]);
  }
}

async function imageOf(name: string): Promise<string> {
  const [container] = containersOf(await cluster.client.get(deploymentKind, { namespace, name }, signal));
  return textOf(container?.["image"]);
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
        components,
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

  test("tells that images which run already are not signed, and leaves them alone", async () => {
    digest = await pushReleases(withImages("2.10.3", digestsOf("1")));
    await sign(signTag({ key: theirs.privateKey, digest }));
    const distribution = { registry: `${host}/fluxcd`, variant: "upstream-alpine" };
    await cluster.patchInstance({ spec: { distribution } });
    await cluster.instanceWhen("upgraded", runs("2.10.3"));
    await cluster.patchInstance({ spec: { distribution: { verify: { images: true } } } });
    const instance = await cluster.instanceWhen("told", heldBack);
    assert.equal(
      condition(instance, "UpToDate")?.replace(/:v[0-9.]+@/, ":TAG@"),
      `False/VerificationFailed: Cannot trust oci://${host}/fluxcd/kustomize-controller:TAG@${digestsOf("1")["kustomize-controller"]}: ` +
        `it has no signature; ${remedy}; likewise 2 more images`,
    );
    await signImages(digestsOf("1"));
    await cluster.reconcile();
    await cluster.instanceWhen("current", isCurrent);
  });

  test("applies nothing of an artifact with an unsigned image, and goes on when all are signed", async () => {
    const running = await imageOf("source-controller");
    digest = await pushReleases(withImages("2.10.4", digestsOf("2")));
    await sign(signTag({ key: theirs.privateKey, digest }));
    await signImages(digestsOf("2"), ["kustomize-controller", "notification-controller"]);
    // The operator may have looked before all that is signed was signed.
    const begins = `False/VerificationFailed: Cannot trust oci://${host}/fluxcd/source-controller:`;
    const instance = await cluster.instanceWhen("held back", says("UpToDate", begins));
    assert.ok(heldBack(instance));
    assert.match(condition(instance, "UpToDate") ?? "", /@sha256:(2c){32}: it has no signature; sign it/);
    assert.equal(await imageOf("source-controller"), running);
    await signImages(digestsOf("2"), ["source-controller"]);
    await cluster.instanceWhen("upgraded", runs("2.10.4"));
    assert.match(await imageOf("source-controller"), /@sha256:(2c){32}$/);
  });

  test("applies no changed spec whose images are not signed", async () => {
    const before = statusOf(await cluster.instance())["lastAppliedRevision"];
    await cluster.patchInstance({ spec: { distribution: { variant: "enterprise-alpine" } } });
    const instance = await cluster.instanceWhen("refused", says("Ready", "False/VerificationFailed: "));
    assert.equal(statusOf(instance)["lastAppliedRevision"], before);
    assert.match(await imageOf("source-controller"), /@sha256:(2c){32}$/);
    await cluster.patchInstance({ spec: { distribution: { variant: "upstream-alpine" } } });
    await cluster.instanceWhen("current", isCurrent);
  });

  test("applies no sidecar of a patch that is not signed, and takes it when it is", async () => {
    const sidecar = `sha256:${"5c".repeat(32)}`;
    const image = `${host}/fluxcd/sidecar:v1@${sidecar}`;
    const value = { name: "sidecar", image };
    const patch = JSON.stringify([{ op: "add", path: "/spec/template/spec/containers/-", value }]);
    const target = { kind: "Deployment", name: "source-controller" };
    await cluster.patchInstance({ spec: { kustomize: { patches: [{ patch, target }] } } });
    const instance = await cluster.instanceWhen("refused", says("Ready", "False/VerificationFailed: "));
    assert.match(
      condition(instance, "Ready") ?? "",
      /\/fluxcd\/sidecar:v1@sha256:(5c){32}: it has no signature; sign it/,
    );
    const repository = "fluxcd/sidecar";
    await pushSignatures({ host: registry.host, repository }, [
      signBundle({ key: theirs.privateKey, digest: sidecar }),
    ]);
    await cluster.instanceWhen("current", isCurrent);
    const deployment = await cluster.client.get(deploymentKind, { namespace, name: "source-controller" }, signal);
    assert.equal(containersOf(deployment)[1]?.["image"], image);
  });
});
