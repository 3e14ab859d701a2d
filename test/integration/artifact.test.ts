import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { outcomeAnnotation } from "../../scripts/control-plane/stages.ts";
import { conditionFaults } from "../../src/api/reasons.ts";
import { readStatus } from "../../src/controllers/flux-instance/status.ts";
import type { Release } from "../../src/distribution/release.ts";
import { fieldsOf, listOf, textOf } from "../../src/kube/fields.ts";
import { deploymentKind } from "../../src/kube/kinds.ts";
import type { JsonObject, KubeObject } from "../../src/kube/object.ts";
import { systemClock } from "../../src/std/clock.ts";
import { artifactFiles } from "../support/artifact-of.ts";
import {
  condition,
  isReady,
  namespace,
  startFluxCluster,
  statusOf,
  type FluxCluster,
} from "../support/flux-cluster.ts";
import { base as nextMinor, changedArgs } from "../support/next-minor.ts";
import { officialAbsent, readOfficialArtifact } from "../support/official-artifact.ts";
import {
  htpasswd,
  pushImage,
  startRegistry,
  type PushOptions,
  type RegistryProcess,
  reader as login,
} from "../support/registry.ts";
import { tarGzOf } from "../support/tarball.ts";
import { startTlsFront } from "../support/tls-front.ts";
import { startWireProxy, type WireProxy } from "../support/wire-proxy.ts";

const signal = AbortSignal.timeout(580_000);
const repository = "org/manifests";
const components = ["source-controller", "kustomize-controller", "notification-controller"];

type Files = ReadonlyMap<string, Uint8Array | string>;

let folder: string;
let cluster: FluxCluster;
let registry: RegistryProcess;
let wire: WireProxy;
/** Host of the registry as the operator reaches it. */
let host: string;
let official: Files;

before(async () => {
  if (officialAbsent !== undefined) return;
  folder = await mkdtemp(join(tmpdir(), "artifact-"));
  official = readOfficialArtifact();
  [cluster, registry] = await Promise.all([startFluxCluster(), startRegistry({ kind: "open" }, signal)]);
  wire = await startWireProxy({ server: `http://${registry.host}` });
  host = wire.server.replace("http://", "");
});
after(async () => {
  if (officialAbsent !== undefined) return;
  await wire?.stop();
  await registry?.[Symbol.asyncDispose]();
  await cluster?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

/** The official artifact with these versions only. */
function only(...versions: readonly string[]): Files {
  return new Map([...official].filter(([path]) => versions.some((version) => path.split("/")[1] === `v${version}`)));
}

function withRelease(files: Files, release: Release): Files {
  return new Map([...files, ...artifactFiles(release)]);
}

async function push(
  files: Files,
  { to = `${registry.host}/${repository}:latest`, ...options }: Partial<PushOptions> = {},
): Promise<string> {
  const tarball = join(folder, "artifact.tgz");
  await writeFile(tarball, await tarGzOf(Object.fromEntries(files)));
  return await pushImage({ tarball, to, ...options }, signal);
}

function distribution(parts: JsonObject = {}): JsonObject {
  const artifact = `oci://${host}/${repository}:latest`;
  return { version: "2.8.x", registry: "ghcr.io/fluxcd", artifact, artifactInsecure: true, ...parts };
}

async function when(what: string, wanted: (instance: KubeObject) => boolean): Promise<KubeObject> {
  const instance = await cluster.instanceWhen(what, wanted);
  assert.deepEqual(conditionFaults(readStatus(instance["status"]).conditions), []);
  return instance;
}

const runs = (version: string) => (instance: KubeObject) =>
  isReady(instance) && statusOf(instance)["lastAppliedVersion"] === version;

const says = (type: string, beginning: string) => (instance: KubeObject) =>
  condition(instance, type)?.startsWith(beginning) === true;

/** What users see when something about the artifact is wrong and what runs is not touched by it. */
const heldBack = (reason: string) => (instance: KubeObject) =>
  isReady(instance) && says("UpToDate", `False/${reason}: `)(instance);

const isCurrent = (instance: KubeObject) => isReady(instance) && says("UpToDate", "True/")(instance);

/** Deletes a managed Deployment and waits until there is another one. */
async function assertRepairs(): Promise<void> {
  const key = { namespace, name: "source-controller" };
  const before = await cluster.client.get(deploymentKind, key, signal);
  await cluster.client.delete({ gvk: deploymentKind, key }, {}, signal);
  await cluster.objectWhen(
    deploymentKind,
    "repaired",
    ({ metadata }) => metadata.name === key.name && metadata.uid !== before.metadata.uid,
  );
}

const admission = "/apis/admissionregistration.k8s.io/v1";

/** Lets the API server refuse ServiceAccounts of that version of Flux, as a policy of the cluster may. */
async function refuseVersion(version: string): Promise<void> {
  const { rest } = cluster.plane;
  const rules = [
    { apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE", "UPDATE"], resources: ["serviceaccounts"] },
  ];
  const expression = `!has(object.metadata.labels) || !("app.kubernetes.io/version" in object.metadata.labels) || object.metadata.labels["app.kubernetes.io/version"] != "v${version}"`;
  const validations = [{ expression, message: `not ${version}` }];
  await rest.create(`${admission}/validatingadmissionpolicies`, {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "ValidatingAdmissionPolicy",
    metadata: { name: "no-release" },
    spec: { failurePolicy: "Fail", matchConstraints: { resourceRules: rules }, validations },
  });
  await rest.create(`${admission}/validatingadmissionpolicybindings`, {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "ValidatingAdmissionPolicyBinding",
    metadata: { name: "no-release" },
    spec: { policyName: "no-release", validationActions: ["Deny"] },
  });
  const metadata = { name: "probe", labels: { "app.kubernetes.io/version": `v${version}` } };
  const probe = { apiVersion: "v1", kind: "ServiceAccount", metadata };
  const path = "/api/v1/namespaces/default/serviceaccounts?dryRun=All";
  while ((await rest.request("POST", path, { body: probe })).status < 400) await systemClock.sleep(50, signal);
}

async function allowVersions(): Promise<void> {
  await cluster.plane.rest.delete(`${admission}/validatingadmissionpolicybindings/no-release`);
}

async function imageOf(name: string): Promise<string> {
  const deployment = await cluster.client.get(deploymentKind, { namespace, name }, signal);
  const podSpec = fieldsOf(fieldsOf(fieldsOf(deployment["spec"])["template"])["spec"]);
  return textOf(fieldsOf(listOf(podSpec["containers"])[0])["image"]);
}

describe("a FluxInstance with an artifact", { skip: officialAbsent ?? false }, () => {
  let digest: string;
  let generation: number | undefined;

  test("installs from the tag, and says which artifact that was", async () => {
    digest = await push(only("2.8.0", "2.8.3"));
    await cluster.apply({
      apiVersion: "fluxcd.controlplane.io/v1",
      kind: "FluxInstance",
      metadata: {
        name: "flux",
        namespace,
        annotations: { "fluxcd.controlplane.io/reconcileArtifactEvery": "1s" },
      },
      spec: { distribution: distribution(), components, cluster: { networkPolicy: true } },
    });
    const instance = await when("installed", runs("2.8.3"));
    generation = instance.metadata.generation;
    assert.equal(statusOf(instance)["lastArtifactRevision"], digest);
    assert.equal(condition(instance, "UpToDate"), "True/UpToDate: Version 2.8.3 is the latest");
  });

  test("asks for the digest, and writes nothing while that stays", async () => {
    const polls = () => wire.requests.filter(({ method, path }) => method === "HEAD" && path.includes("/manifests/"));
    await cluster.reconcile();
    const [writes, asked] = [(await cluster.writes()).length, polls().length];
    await cluster.reconcile();
    assert.ok(polls().length > asked);
    // The echo of the request.
    assert.equal((await cluster.writes()).length, writes + 1);
    assert.equal(wire.requests.filter(({ path }) => path.includes("/blobs/")).length, 1);
  });

  test("stays Ready and repairs what was deleted while the registry is away", async () => {
    wire.inject({ fault: { kind: "reset" }, times: Number.POSITIVE_INFINITY });
    const instance = await when("without registry", heldBack("ArtifactFailed"));
    assert.equal(
      condition(instance, "UpToDate"),
      `False/ArtifactFailed: Cannot resolve oci://${host}/${repository}:latest: ${host} closed the connection; ` +
        "see spec.distribution.artifact, artifactCertSecretRef for a CA and artifactInsecure for plain HTTP",
    );
    await assertRepairs();
    wire.heal();
    await when("back at the registry", isCurrent);
  });

  test("stays Ready and repairs what was deleted also when it starts while the registry is away", async () => {
    wire.inject({ fault: { kind: "answer", status: 503 }, times: Number.POSITIVE_INFINITY });
    await cluster.restartOperator();
    const instance = await when("without registry", heldBack("ArtifactFailed"));
    assert.equal(statusOf(instance)["lastArtifactRevision"], digest);
    await assertRepairs();
    wire.heal();
    await when("back at the registry", isCurrent);
  });

  test("stays Ready and repairs what was deleted while the API server refuses the release that the tag brings", async () => {
    await refuseVersion("2.8.8");
    digest = await push(only("2.8.0", "2.8.3", "2.8.8"));
    const instance = await when("refused", heldBack("BuildFailed"));
    assert.match(condition(instance, "UpToDate") ?? "", /: not 2\.8\.8 .*nothing was changed$/);
    assert.equal(statusOf(instance)["lastAppliedVersion"], "2.8.3");
    await assertRepairs();
    assert.ok(heldBack("BuildFailed")(await cluster.instance()));
  });

  test("takes a patch release in when the tag moves, without a new generation", async () => {
    await allowVersions();
    const instance = await when("upgraded", runs("2.8.8"));
    assert.equal(instance.metadata.generation, generation);
    assert.equal(statusOf(instance)["lastArtifactRevision"], digest);
  });

  test("takes rebuilt images in under the same version, and tells from which artifact", async () => {
    const rebuilt = `sha256:${"f".repeat(64)}`;
    const files = new Map(
      [...only("2.8.3", "2.8.8")].map(([path, content]) => {
        if (!path.startsWith("flux-images/v2.8.8/")) return [path, content];
        return [
          path,
          Buffer.from(content)
            .toString("utf8")
            .replaceAll(/sha256:[0-9a-f]{64}/g, rebuilt),
        ];
      }),
    );
    digest = await push(files);
    const instance = await when("patched", (object) => statusOf(object)["lastArtifactRevision"] === digest);
    assert.equal(statusOf(instance)["lastAppliedVersion"], "2.8.8");
    assert.equal(instance.metadata.generation, generation);
    assert.match(await imageOf("source-controller"), /@sha256:f{64}$/);
    await cluster.told(`Progressing: Applying Flux 2.8.8 as artifact ${digest}`);
    await cluster.told(`ReconciliationSucceeded: Flux 2.8.8 applied from artifact ${digest}`);
  });

  test("stays Ready and repairs what was deleted while the artifact is broken, and takes a repaired one in", async () => {
    const broken = new Map([...only("2.8.8")].filter(([path]) => path !== "flux/v2.8.8/rbac.yaml"));
    await push(broken);
    const instance = await when("with a broken artifact", heldBack("ArtifactFailed"));
    assert.match(condition(instance, "UpToDate") ?? "", /flux\/v2\.8\.8\/rbac\.yaml is missing; push a whole artifact/);
    assert.equal(statusOf(instance)["lastArtifactRevision"], digest);
    await assertRepairs();
    digest = await push(only("2.8.3", "2.8.8"));
    await when("repaired", (object) => isCurrent(object) && statusOf(object)["lastArtifactRevision"] === digest);
    const told = await cluster.told("flux/v2.8.8/rbac.yaml is missing");
    assert.equal(told.length, 1);
    assert.match(told[0] ?? "", /^ArtifactFailed: /);
  });

  test("stops waiting for health when another artifact comes", async () => {
    const patch = [
      { op: "add", path: "/spec/template/metadata/annotations", value: { [outcomeAnnotation]: "never-ready" } },
    ];
    const target = { kind: "Deployment", name: "kustomize-controller" };
    await cluster.patchInstance({ spec: { kustomize: { patches: [{ target, patch: JSON.stringify(patch) }] } } });
    const isIll = ({ metadata, ...deployment }: KubeObject) =>
      metadata.name === target.name && fieldsOf(deployment["status"])["unavailableReplicas"] === 1;
    await cluster.objectWhen(deploymentKind, "rolled out", isIll);
    await when("waiting", says("Ready", "Unknown/Progressing: "));
    // Beside the releases, so that the same revision is wanted as before.
    digest = await push(new Map([...only("2.8.3", "2.8.8"), ["README.md", "another artifact"]]));
    await when("interrupted", says("Ready", "False/HealthCheckCanceled: "));
    await cluster.patchInstance({ spec: { kustomize: null } });
    await when("well", (object) => isCurrent(object) && statusOf(object)["lastArtifactRevision"] === digest);
  });

  test("leaves alone what runs when the next minor is not understood, and takes one in that is", async () => {
    await cluster.patchInstance({ spec: { distribution: { version: "2.x" } } });
    await when("at the open range", runs("2.8.8"));
    const strange = changedArgs((args) => args.filter((arg) => !textOf(arg).startsWith("--watch-all-namespaces")));
    await push(withRelease(only("2.8.8"), strange));
    const instance = await when("held back", heldBack("NeedsNewerOperator"));
    const status = statusOf(instance);
    assert.deepEqual(
      [status["lastAppliedVersion"], status["latestVersion"], status["lastArtifactRevision"]],
      ["2.8.8", "2.10.0", digest],
    );
    assert.match(condition(instance, "UpToDate") ?? "", /2\.10\.0.*--watch-all-namespaces/);
    await assertRepairs();
    digest = await push(withRelease(only("2.8.8"), nextMinor));
    const upgraded = await when("upgraded", runs("2.10.0"));
    assert.equal(statusOf(upgraded)["lastArtifactRevision"], digest);
  });

  test("wakes a spec that was stalled for want of a release when the artifact gets it", async () => {
    await cluster.patchInstance({ spec: { distribution: { version: "2.11.x" } } });
    await when("stalled", says("Stalled", "True/NeedsNewerOperator: "));
    digest = await push(withRelease(only("2.8.8"), { ...nextMinor, version: "2.11.0" }));
    await when("awake", runs("2.11.0"));
    await cluster.patchInstance({ spec: { distribution: { version: "2.x" } } });
    await when("at the open range", runs("2.11.0"));
  });

  test("refuses an artifact that a changed spec names and that is not there, and takes it once it is", async () => {
    const before = await cluster.instance();
    const artifact = `oci://${host}/${repository}:next`;
    await cluster.patchInstance({ spec: { distribution: { artifact } } });
    const refused = await when("refused", says("Ready", "False/ArtifactFailed: "));
    assert.equal(condition(refused, "Stalled"), undefined);
    assert.match(condition(refused, "Ready") ?? "", /does not have it \(404\)/);
    assert.equal(statusOf(refused)["lastAppliedRevision"], statusOf(before)["lastAppliedRevision"]);
    const release = { ...nextMinor, version: "2.11.0" };
    digest = await push(withRelease(only("2.8.8"), release), { to: `${registry.host}/${repository}:next` });
    await when("there", (object) => isCurrent(object) && statusOf(object)["lastArtifactRevision"] === digest);
  });

  test("shows the registry the credentials of artifactPullSecret", async () => {
    await using closed = await startRegistry({ kind: "htpasswd", htpasswd }, signal);
    const release = { ...nextMinor, version: "2.11.0" };
    digest = await push(withRelease(new Map(), release), { to: `${closed.host}/${repository}:v1`, login });
    const artifact = `oci://${closed.host}/${repository}:v1`;
    await cluster.patchInstance({ spec: { distribution: { artifact, artifactPullSecret: "artifact-auth" } } });
    const refused = await when("refused", says("Ready", "False/ArtifactFailed: "));
    assert.match(condition(refused, "Ready") ?? "", /there is no Secret flux-system\/artifact-auth; create it/);
    const auth = Buffer.from(`${login.username}:${login.password}`).toString("base64");
    await cluster.apply({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "artifact-auth", namespace },
      type: "kubernetes.io/dockerconfigjson",
      stringData: { ".dockerconfigjson": JSON.stringify({ auths: { [closed.host]: { auth } } }) },
    });
    await when("let in", isReady);
  });

  test("trusts the registry by the CA of artifactCertSecretRef", async () => {
    await using front = await startTlsFront(registry.host);
    const artifact = `oci://${front.host}/${repository}:next`;
    const secure = { artifact, artifactPullSecret: null, artifactInsecure: null };
    await cluster.patchInstance({ spec: { distribution: secure } });
    const refused = await when("refused", says("Ready", "False/ArtifactFailed: Cannot resolve"));
    assert.match(
      condition(refused, "Ready") ?? "",
      /is not trusted .*; give the CA that signed it; see .*artifactCertSecretRef/,
    );
    await cluster.apply({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "artifact-ca", namespace },
      stringData: { "ca.crt": front.caPem },
    });
    await cluster.patchInstance({ spec: { distribution: { artifactCertSecretRef: { name: "artifact-ca" } } } });
    await when("trusted", isReady);
  });

  test("goes back to the embedded releases, and forgets the artifact", async () => {
    const embedded = { version: "2.9.4", source: "Embedded", artifact: null, artifactCertSecretRef: null };
    await cluster.patchInstance({ spec: { distribution: embedded } });
    const instance = await when("embedded", runs("2.9.4"));
    assert.equal(statusOf(instance)["lastArtifactRevision"], undefined);
    const requests = wire.requests.length;
    await cluster.reconcile();
    assert.equal(wire.requests.length, requests);
  });
});
