import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { outcomeAnnotation } from "../../scripts/control-plane/stages.ts";
import { conditionFaults } from "../../src/api/reasons.ts";
import { readStatus } from "../../src/controllers/flux-instance/status.ts";
import { loadRelease } from "../../src/distribution/load.ts";
import type { ComponentName, Release } from "../../src/distribution/release.ts";
import { fieldsOf, listOf, textOf } from "../../src/kube/fields.ts";
import { deploymentKind, podKind } from "../../src/kube/kinds.ts";
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
import { startImageMirror, type ImageMirror } from "../support/rebuilt-images.ts";
import { recordObjects } from "../support/record-objects.ts";
import { htpasswd, pushImage, startRegistry, type RegistryProcess, reader as login } from "../support/registry.ts";
import { runInProcess } from "../support/run-cli.ts";
import { tarGzOf } from "../support/tarball.ts";
import { startWireProxy, type WireProxy } from "../support/wire-proxy.ts";

const signal = AbortSignal.timeout(580_000);
const version = "2.9.4";
const components: readonly ComponentName[] = ["source-controller", "kustomize-controller", "notification-controller"];
const instanceKind = { group: "fluxcd.controlplane.io", version: "v1", kind: "FluxInstance" };

let cluster: FluxCluster;
let registry: RegistryProcess;
let wire: WireProxy;
let mirror: ImageMirror;
/** The registry's host as the operator reaches it. */
let host: string;
let folder: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "digests-"));
  [cluster, registry] = await Promise.all([startFluxCluster(), startRegistry({ kind: "open" }, signal)]);
  wire = await startWireProxy({ server: `http://${registry.host}` });
  host = wire.server.replace("http://", "");
  mirror = await startImageMirror({ host: registry.host, registry: `${host}/flux`, version, components }, signal);
});
after(async () => {
  await mirror?.[Symbol.asyncDispose]();
  await wire?.stop();
  await registry?.[Symbol.asyncDispose]();
  await cluster?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

async function when(what: string, wanted: (instance: KubeObject) => boolean): Promise<KubeObject> {
  const instance = await cluster.instanceWhen(what, wanted);
  assert.deepEqual(conditionFaults(readStatus(instance["status"]).conditions), []);
  return instance;
}

const says = (type: string, beginning: string) => (instance: KubeObject) =>
  condition(instance, type)?.startsWith(beginning) === true;

/** The digest of a component's image as status shows it. */
function appliedDigest(instance: KubeObject, component: ComponentName): string {
  const found = listOf(statusOf(instance)["components"])
    .map(fieldsOf)
    .find(({ name }) => name === component);
  return textOf(found?.["digest"]);
}

const runs = (component: ComponentName, digest: string) => (instance: KubeObject) =>
  isReady(instance) && appliedDigest(instance, component) === digest;

const isCurrent = (instance: KubeObject) => isReady(instance) && says("UpToDate", "True/")(instance);

const heldBack = (instance: KubeObject) => isReady(instance) && says("UpToDate", "False/ArtifactFailed: ")(instance);

/** The pod templates by name. */
async function templates(): Promise<{ readonly [name: string]: string }> {
  const { items } = await cluster.client.list(deploymentKind, { namespace }, signal);
  return Object.fromEntries(
    items.map((item) => [item.metadata.name, JSON.stringify(fieldsOf(item["spec"])["template"])]),
  );
}

/** The Deployments whose pod template `change` has changed. */
async function changedBy(change: () => Promise<unknown>): Promise<readonly string[]> {
  const before = await templates();
  await change();
  const now = await templates();
  return Object.keys(now).filter((name) => now[name] !== before[name]);
}

function historyOf(instance: KubeObject): readonly string[] {
  return listOf(statusOf(instance)["history"])
    .map(fieldsOf)
    .map(({ lastReconciledStatus, digest }) => `${textOf(lastReconciledStatus)} ${textOf(digest)}`);
}

function revisionDigest(instance: KubeObject, field = "lastAppliedRevision"): string {
  return textOf(statusOf(instance)[field]).split("@")[1] ?? "";
}

/** Waits until the registry has been asked again, for every image. */
async function polled(): Promise<void> {
  const deadline = AbortSignal.timeout(60_000);
  const before = wire.requests.length;
  while (wire.requests.length < before + 2 * components.length) await systemClock.sleep(20, deadline);
}

function spec(parts: JsonObject = {}): JsonObject {
  const distribution = { version, registry: `${host}/flux`, digests: "Registry", artifactInsecure: true, ...parts };
  return { distribution, components: [...components] };
}

const admission = "/apis/admissionregistration.k8s.io/v1";

type PodChange = {
  readonly name: string;
  /** Which pods, in CEL. */
  readonly condition: string;
  /** What is laid over them, in CEL. */
  readonly expression: string;
  /** The image of a pod that is changed, and what the change shows by. */
  readonly probe: { readonly app?: string; readonly image: string; readonly shows: string };
};

/** Has the API server change new pods, as an admission webhook may; resolves when it does. */
async function changePods({ name, condition: expression, ...change }: PodChange): Promise<AsyncDisposable> {
  const { rest } = cluster.plane;
  const resourceRules = [{ apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["pods"] }];
  await rest.create(`${admission}/mutatingadmissionpolicies`, {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "MutatingAdmissionPolicy",
    metadata: { name },
    spec: {
      failurePolicy: "Fail",
      reinvocationPolicy: "Never",
      matchConstraints: { resourceRules },
      matchConditions: [{ name: "these", expression }],
      mutations: [{ patchType: "ApplyConfiguration", applyConfiguration: { expression: change.expression } }],
    },
  });
  await rest.create(`${admission}/mutatingadmissionpolicybindings`, {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "MutatingAdmissionPolicyBinding",
    metadata: { name },
    spec: { policyName: name },
  });
  const { app = "", image, shows } = change.probe;
  const probe = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "probe", labels: { app } },
    spec: { containers: [{ name: "manager", image }] },
  };
  const isChanged = async (): Promise<boolean> => {
    const { body } = await rest.request("POST", "/api/v1/namespaces/default/pods?dryRun=All", { body: probe });
    return JSON.stringify(body).includes(shows);
  };
  while (!(await isChanged())) await systemClock.sleep(50, signal);
  return {
    [Symbol.asyncDispose]: async () => {
      await rest.delete(`${admission}/mutatingadmissionpolicybindings/${name}`);
      await rest.delete(`${admission}/mutatingadmissionpolicies/${name}`);
      while (await isChanged()) await systemClock.sleep(50, signal);
    },
  };
}

/** Lets every pod with that image crash. */
async function letCrash(digest: string): Promise<AsyncDisposable> {
  return await changePods({
    name: "crash",
    condition: `object.spec.containers.exists(c, c.image.endsWith("${digest}"))`,
    expression: `Object{metadata: Object.metadata{annotations: {"${outcomeAnnotation}": "crash-loop"}}}`,
    probe: { image: `probe@${digest}`, shows: "crash-loop" },
  });
}

/** Has the pods of a controller run another image than its Deployment says. */
async function replaceImage(component: ComponentName, image: string): Promise<AsyncDisposable> {
  return await changePods({
    name: "replace-image",
    condition: `has(object.metadata.labels) && "app" in object.metadata.labels && object.metadata.labels["app"] == "${component}"`,
    expression: `Object{spec: Object.spec{containers: [Object.spec.containers{name: "manager", image: "${image}"}]}}`,
    probe: { app: component, image: "probe:v1", shows: image },
  });
}

/** Deletes the pods of a controller, and waits for one that runs `image`. */
async function restartPods(component: ComponentName, image: string): Promise<void> {
  const selection = { namespace, labelSelector: `app=${component}` };
  const { items } = await cluster.client.list(podKind, selection, signal);
  for (const { metadata } of items)
    await cluster.client.delete({ gvk: podKind, key: { namespace, name: metadata.name } }, {}, signal);
  const old = new Set(items.map(({ metadata }) => metadata.uid));
  await cluster.objectWhen(podKind, `a pod with ${image}`, ({ metadata, status }) => {
    const statuses = listOf(fieldsOf(status)["containerStatuses"]).map(fieldsOf);
    const isNew = metadata.labels?.["app"] === component && !old.has(metadata.uid);
    return isNew && statuses.some(({ imageID, ready }) => textOf(imageID).endsWith(image) && ready === true);
  });
}

describe("a FluxInstance with the digests of the registry", () => {
  let generation: number | undefined;
  /** The digests that were pushed after the installation. */
  const pushed: string[] = [];

  async function rebuild(component: ComponentName): Promise<string> {
    const digest = await mirror.rebuild(component);
    pushed.push(digest);
    return digest;
  }

  test("pins every image to the digest of the index that its tag names", async () => {
    const built = await mirror.rebuild("source-controller");
    await cluster.apply({
      apiVersion: "fluxcd.controlplane.io/v1",
      kind: "FluxInstance",
      metadata: {
        name: "flux",
        namespace,
        annotations: {
          "fluxcd.controlplane.io/reconcileArtifactEvery": "1s",
          "fluxcd.controlplane.io/reconcileTimeout": "30s",
        },
      },
      spec: spec(),
    });
    const instance = await when("installed", isCurrent);
    generation = instance.metadata.generation;
    assert.equal(appliedDigest(instance, "source-controller"), built);
    for (const component of components) assert.match(appliedDigest(instance, component), /^sha256:[0-9a-f]{64}$/);
    assert.match(
      (await templates())["source-controller"] ?? "",
      new RegExp(`${mirror.imageOf("source-controller")}@${built}"`),
    );
    assert.equal(condition(instance, "UpToDate"), `True/UpToDate: Version ${version} is the latest`);
  });

  test("asks with one HEAD for each image, and writes nothing while none is new", async (t) => {
    await cluster.reconcile();
    const [writes, asked] = [(await cluster.writes()).length, wire.requests.length];
    await polled();
    const seen = wire.requests.slice(asked).map(({ method, path }) => `${method} ${path}`);
    const wanted = components.map((component) => {
      const [, repository, tag] = /^[^/]+\/(.+):([^:]+)$/.exec(mirror.imageOf(component)) ?? [];
      return `HEAD /v2/${repository}/manifests/${tag}`;
    });
    assert.deepEqual(new Set(seen), new Set(wanted));
    const counts = wanted.map((request) => seen.filter((one) => one === request).length);
    assert.ok(Math.max(...counts) - Math.min(...counts) <= 1, `${counts.join(", ")} requests`);
    assert.equal((await cluster.writes()).length, writes);
    const each = components.length;
    t.diagnostic(`${each} requests for each poll of ${each} images: ${each * 6} in an hour of polls every 10 minutes`);
  });

  test("rolls a rebuilt image out under the same version, with plan, events and history", async () => {
    const record = recordObjects(cluster.client, instanceKind);
    let digest = "";
    const changed = await changedBy(async () => {
      digest = await rebuild("kustomize-controller");
      await when("rebuilt", runs("kustomize-controller", digest));
    });
    assert.deepEqual(changed, ["kustomize-controller"]);
    const instance = await when("current", isCurrent);
    assert.equal(instance.metadata.generation, generation);
    assert.equal(historyOf(instance)[0], `ReconciliationSucceeded ${revisionDigest(instance)}`);
    const plans = (await record.stop()).map((object) => fieldsOf(statusOf(object)["plan"]));
    const plan = plans.find(({ revision }) => revision === statusOf(instance)["lastAppliedRevision"]);
    assert.deepEqual(
      [plan?.["from"], plan?.["to"], plan?.["added"], plan?.["changed"], plan?.["removed"]],
      [version, version, 0, 1, 0],
    );
    const image = listOf(plan?.["images"]).map(fieldsOf)[1];
    assert.deepEqual(image, { name: mirror.imageOf("kustomize-controller"), digest });
    const progressing = await cluster.told("rebuilt images");
    assert.deepEqual(progressing, [`Progressing: Applying rebuilt images of Flux ${version}: kustomize-controller`]);
    await cluster.told("ReconciliationSucceeded");
  });

  test("keeps a rebuilt image waiting while upgrades are paused, and repairs what runs", async () => {
    await cluster.patchInstance({ spec: { upgrade: { paused: true } } });
    const before = await when("paused", isCurrent);
    const digest = await rebuild("source-controller");
    const waiting = await when("waiting", says("UpToDate", "False/UpgradePaused: "));
    assert.equal(
      condition(waiting, "UpToDate"),
      `False/UpgradePaused: A rebuilt Flux ${version} (same version, other images) waits until spec.upgrade.paused is removed`,
    );
    assert.equal(fieldsOf(statusOf(waiting)["plan"])["changed"], 1);
    const key = { namespace, name: "source-controller" };
    const { metadata } = await cluster.client.get(deploymentKind, key, signal);
    await cluster.client.delete({ gvk: deploymentKind, key }, {}, signal);
    await cluster.objectWhen(deploymentKind, "repaired", (object) => object.metadata.uid !== metadata.uid, key);
    const repaired = await cluster.reconcile();
    assert.equal(appliedDigest(repaired, "source-controller"), appliedDigest(before, "source-controller"));
    await cluster.told(`NewDigest: New digest: ${mirror.imageOf("source-controller")}@${digest}`);
    const rebuilt = await rebuild("source-controller");
    await cluster.told(rebuilt);
    await cluster.patchInstance({ spec: { upgrade: null } });
    await when("rebuilt", runs("source-controller", rebuilt));
  });

  test("rolls a rebuilt image back that crashes, does not retry it, and takes the next one", async () => {
    const before = await when("current", isCurrent);
    const good = appliedDigest(before, "notification-controller");
    // The digest is known only when it has been pushed, and must not be seen before its pods crash.
    wire.inject({ fault: { kind: "answer", status: 503 }, times: Number.POSITIVE_INFINITY });
    const bad = await rebuild("notification-controller");
    const crash = await letCrash(bad);
    wire.heal();
    const instance = await when("rolled back", says("Ready", "True/RolledBack: "));
    assert.equal(appliedDigest(instance, "notification-controller"), good);
    assert.equal(statusOf(instance)["lastAppliedRevision"], statusOf(before)["lastAppliedRevision"]);
    assert.match(
      condition(instance, "UpToDate") ?? "",
      /^False\/UpgradeFailed: A rebuilt Flux 2\.9\.4 \(images of notification-controller\) failed: .*crash/,
    );
    assert.match(historyOf(instance).join("\n"), /^RolledBack .*\nUpgradeFailed /);
    const writes = (await cluster.writes()).length;
    await polled();
    assert.equal((await cluster.writes()).length, writes);
    // What failed is known also to an operator that starts while the registry is away.
    wire.inject({ fault: { kind: "reset" }, times: Number.POSITIVE_INFINITY });
    await cluster.restartOperator();
    const told = condition(instance, "UpToDate");
    await when("without registry", (object) => condition(object, "UpToDate") !== told);
    wire.heal();
    const back = await when("back", (object) => condition(object, "UpToDate") === told);
    assert.equal(condition(back, "Ready"), condition(instance, "Ready"));
    assert.equal(appliedDigest(back, "notification-controller"), good);
    const next = await rebuild("notification-controller");
    await when("the next one", runs("notification-controller", next));
    await when("current", isCurrent);
    await crash[Symbol.asyncDispose]();
  });

  test("tells that pods run another image than was applied, and takes the manifest of a platform for the same", async () => {
    const component = "source-controller";
    const first = appliedDigest(await when("current", isCurrent), component);
    const applied = await rebuild(component);
    await when("rebuilt", runs(component, applied));
    const repository = mirror.imageOf(component).replace(/:[^:]+$/, "");
    for (const { digest, warning } of [
      { digest: mirror.manifestOf(component), warning: undefined },
      {
        digest: first,
        warning:
          `True/ImageDiffers: pods run other images than were applied: ${component} runs ${first.slice(0, 19)} instead of ${applied.slice(0, 19)}; ` +
          "look for an admission webhook that changes images, or for a mirror in the configuration of the nodes",
      },
      { digest: `sha256:${"0".repeat(64)}`, warning: undefined },
    ]) {
      const webhook = await replaceImage(component, `${repository}@${digest}`);
      await restartPods(component, digest);
      assert.equal(condition(await cluster.reconcile(), "Warning"), warning);
      await webhook[Symbol.asyncDispose]();
    }
    await restartPods(component, applied);
    assert.equal(condition(await cluster.reconcile(), "Warning"), undefined);
    assert.equal((await cluster.told("pods run other images")).length, 1);
  });

  test("stays Ready while the registry is away, then answers garbage, and is current when it is back", async () => {
    const record = recordObjects(cluster.client, instanceKind);
    await when("current", isCurrent);
    const garbage = { "content-type": "text/html", "docker-content-digest": "sha256:none" };
    for (const { name, fault } of [
      { name: "closes connections", fault: { kind: "reset" } },
      { name: "answers 503", fault: { kind: "answer", status: 503 } },
      { name: "answers garbage", fault: { kind: "answer", status: 200, headers: garbage, body: "<html>" } },
      { name: "does not know the tag", fault: { kind: "answer", status: 404 } },
    ] as const) {
      wire.inject({ fault, times: Number.POSITIVE_INFINITY });
      const away = await when(`while the registry ${name}`, heldBack);
      assert.match(condition(away, "UpToDate") ?? "", /^False\/ArtifactFailed: Cannot resolve oci:/);
      wire.heal();
      await when("back", isCurrent);
    }
    const ready = (await record.stop()).map((object) => condition(object, "Ready")?.split(":")[0]);
    assert.deepEqual(new Set(ready), new Set(["True/ReconciliationSucceeded"]));
  });

  test("runs with the same digests when it starts while the registry is away, and changes nothing", async () => {
    const before = await when("current", isCurrent);
    wire.inject({ fault: { kind: "reset" }, times: Number.POSITIVE_INFINITY });
    const changed = await changedBy(async () => {
      await cluster.restartOperator();
      await when("without registry", heldBack);
    });
    assert.deepEqual(changed, []);
    const after = await cluster.instance();
    assert.equal(statusOf(after)["lastAppliedRevision"], statusOf(before)["lastAppliedRevision"]);
    wire.heal();
    await when("back", isCurrent);
  });

  test("tells each new digest once, also across failures of the registry and restarts", async () => {
    const events = await cluster.plane.rest.list(`/api/v1/namespaces/${namespace}/events`);
    const told = events.filter(({ reason }) => reason === "NewDigest");
    const digests = told.flatMap((event) => textOf(event["message"]).match(/sha256:[0-9a-f]{64}/g) ?? []);
    assert.deepEqual(
      told.map(({ count }) => count),
      told.map(() => 1),
    );
    assert.deepEqual(digests.toSorted(), pushed.toSorted());
  });

  test("leaves the registry alone for as long as its Retry-After says", async () => {
    await polled();
    wire.inject({ fault: { kind: "answer", status: 429, headers: { "retry-after": "3" } } });
    const before = wire.requests.length;
    const deadline = AbortSignal.timeout(60_000);
    while (wire.requests.length === before) await systemClock.sleep(5, deadline);
    const [limitedMs, limited] = [systemClock.monotonicMs(), wire.requests.length];
    while (wire.requests.length === limited) await systemClock.sleep(5, deadline);
    assert.ok(systemClock.monotonicMs() - limitedMs >= 2_900, "asked again too early");
    assert.ok(isCurrent(await cluster.instance()));
  });

  test("refuses a version whose images are not there, and leaves alone what runs", async () => {
    const before = await cluster.instance();
    await cluster.patchInstance({ spec: { distribution: { version: "2.9.3" } } });
    const refused = await when("refused", says("Ready", "False/ArtifactFailed: "));
    assert.match(condition(refused, "Ready") ?? "", /does not have it \(404\)/);
    assert.equal(condition(refused, "Stalled"), undefined);
    assert.equal(statusOf(refused)["lastAppliedRevision"], statusOf(before)["lastAppliedRevision"]);
    await cluster.patchInstance({ spec: { distribution: { version } } });
    await when("as before", isCurrent);
  });

  test("shows the registry of the images the credentials of imagePullSecret", async () => {
    await using closed = await startRegistry({ kind: "htpasswd", htpasswd }, signal);
    const place = { host: closed.host, registry: `${closed.host}/flux`, version, components };
    await using images = await startImageMirror({ ...place, login }, signal);
    const digest = await images.rebuild("source-controller");
    const distribution = { registry: place.registry, imagePullSecret: "images-auth" };
    await cluster.patchInstance({ spec: { distribution } });
    const refused = await when("refused", says("Ready", "False/ArtifactFailed: "));
    assert.match(
      condition(refused, "Ready") ?? "",
      /asks for a user and password; give a pull secret that has them; it is the Secret of spec\.distribution\.imagePullSecret/,
    );
    const auth = Buffer.from(`${login.username}:${login.password}`).toString("base64");
    await cluster.apply({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "images-auth", namespace },
      type: "kubernetes.io/dockerconfigjson",
      stringData: { ".dockerconfigjson": JSON.stringify({ auths: { [closed.host]: { auth } } }) },
    });
    await when("let in", runs("source-controller", digest));
    await cluster.patchInstance({ spec: { distribution: { registry: `${host}/flux`, imagePullSecret: null } } });
    await when("as before", isCurrent);
  });
});

/** Pushes an artifact of one release; gives back its address as the operator reaches it. */
async function pushArtifact(release: Release): Promise<string> {
  const tarball = join(folder, "artifact.tgz");
  await writeFile(tarball, await tarGzOf(Object.fromEntries(artifactFiles(release))));
  await pushImage({ tarball, to: `${registry.host}/org/manifests:latest` }, signal);
  return `oci://${host}/org/manifests:latest`;
}

describe("a FluxInstance with a mirror whose variant is not known", () => {
  const implicit = { digests: null, artifact: null, artifactInsecure: null };

  test("says that images are not pinned where the registry cannot be asked, and is Ready", async () => {
    await cluster.patchInstance({ spec: { distribution: { ...implicit, registry: "127.0.0.1:1/flux" } } });
    const instance = await when("not pinned", isCurrent);
    const told = condition(instance, "UpToDate") ?? "";
    const beginning = `True/UpToDate: Version ${version} is the latest; images are not pinned by digest: registry 127.0.0.1:1/flux is not a known one: set spec.distribution.variant to what it mirrors (Cannot resolve oci://127.0.0.1:1/flux/source-controller:`;
    assert.equal(told.slice(0, beginning.length), beginning);
    assert.match(
      told,
      /: no server listens at 127\.0\.0\.1:1; see spec\.distribution\.registry, and artifactCertSecretRef for a CA; likewise /,
    );
    assert.ok(told.endsWith(` (${components.join(", ")})`), told);
  });

  test("refuses that where digests are required", async () => {
    await cluster.patchInstance({ spec: { distribution: { requireDigests: true } } });
    const refused = await when("refused", says("Ready", "False/BuildFailed: "));
    assert.match(
      condition(refused, "Ready") ?? "",
      /requireDigests true cannot be kept, no digest is known for source-controller/,
    );
    await cluster.patchInstance({ spec: { distribution: { requireDigests: null } } });
  });

  test("pins to the registry's digests by itself where it can be asked, here at the artifact's host", async () => {
    const digest = await mirror.rebuild("source-controller");
    const artifact = await pushArtifact(loadRelease(version));
    const distribution = { ...implicit, registry: `${host}/flux`, artifact, artifactInsecure: true };
    await cluster.patchInstance({ spec: { distribution } });
    await when("pinned", runs("source-controller", digest));
    await when("current", isCurrent);
    const next = await mirror.rebuild("source-controller");
    const changed = await changedBy(async () => await when("rebuilt", runs("source-controller", next)));
    assert.deepEqual(changed, ["source-controller"]);
    const { apiVersion, kind, spec } = await cluster.instance();
    const input = JSON.stringify({ apiVersion, kind, metadata: { name: "flux", namespace }, spec });
    const flags = ["--distribution", artifact, "--distribution-insecure", "--kubeconfig", cluster.plane.kubeconfigPath];
    const { exitCode, stdout } = await runInProcess(["diff", "instance", "-f", "-", ...flags], { input });
    assert.deepEqual({ exitCode, stdout }, { exitCode: 0, stdout: "" });
  });

  test("takes the digest of an artifact for a variant, and changes only the Deployment that has another one", async () => {
    const release = loadRelease(version);
    const distribution = { registry: `${host}/flux`, variant: "upstream-alpine", digests: "Catalog" };
    await cluster.patchInstance({ spec: { distribution } });
    const known = release.images["upstream-alpine"]?.["source-controller"];
    assert.ok(known !== undefined);
    await when("of the release", runs("source-controller", known.digest));
    const rebuilt = { ...known, digest: `sha256:${"f".repeat(64)}` };
    const images = { "upstream-alpine": { ...release.images["upstream-alpine"], "source-controller": rebuilt } };
    const changed = await changedBy(async () => {
      await pushArtifact({ ...release, images });
      await when("of the new artifact", runs("source-controller", rebuilt.digest));
    });
    assert.deepEqual(changed, ["source-controller"]);
    await when("current", isCurrent);
  });
});
