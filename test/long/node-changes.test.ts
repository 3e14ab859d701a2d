import assert from "node:assert/strict";
import { mkdir, readdir, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { after, before, describe, test, type TestContext } from "node:test";
import { nodeAbsent } from "../../scripts/control-plane/node/absent.ts";
import { addresses, nodeName, registryHost } from "../../scripts/control-plane/node/addresses.ts";
import { withoutTls } from "../../scripts/control-plane/node/files.ts";
import { pushProgram } from "../../scripts/control-plane/node/images.ts";
import { builtControllers, fluxRegistry, installManifest } from "../../scripts/quickstart/node-images.ts";
import { managedObjects, readInventory } from "../../src/apply/inventory.ts";
import { loadRelease } from "../../src/distribution/load.ts";
import { fieldsOf, listOf, textOf } from "../../src/kube/fields.ts";
import { deploymentKind, podKind } from "../../src/kube/kinds.ts";
import { keyOf, nameObject } from "../../src/kube/object-id.ts";
import type { JsonObject, KubeObject } from "../../src/kube/object.ts";
import { readinessOf } from "../../src/kube/readiness.ts";
import { systemClock } from "../../src/std/clock.ts";
import { pushFluxArtifact } from "../support/flux-artifact.ts";
import { condition, isReady, namespace, statusOf } from "../support/flux-cluster.ts";
import {
  application,
  appPods,
  appRuns,
  fluxInstance,
  insecure,
  instanceKind,
  instanceWhen,
  isCurrent,
  kustomizePatch,
  lastOutcome,
  patchInstance,
  recordHandovers,
  restartsIn,
  restartsOf,
  rolledOut,
  tell,
  withTimeout,
} from "../support/node-flux.ts";
import { kubectl, rebootNode, reserveNode, startNodeWorld, type NodeWorld } from "../support/node-world.ts";
import { recordObjects, untilObject } from "../support/record-objects.ts";
import { htpasswd, copyImage, startRegistry, type RegistryProcess, reader as login } from "../support/registry.ts";
import { sourceKind } from "../support/real-world.ts";
import { pollSource, type Served } from "../support/source-poll.ts";

const absent = nodeAbsent();
const never = new AbortController().signal;
/** Versions of Flux with other tags for both controllers; the third one's kustomize-controller is not in the registry. */
const [installed, upgraded, broken, last] = ["2.9.0", "2.9.1", "2.9.2", "2.9.4"] as const;
const volumeKind = { group: "", version: "v1", kind: "PersistentVolume" };
const pullSecret = "private-registry";
const source = { namespace, name: namespace };
const operator = { namespace, name: "flux-operator" };

let reservation: AsyncDisposable;
let registry: RegistryProcess;
let world: NodeWorld;
/** The pods of the application, once they run. */
let app: readonly string[] = [];

/** Both controllers of that version, as far as the private registry has them. */
async function copyControllers(version: string): Promise<void> {
  const [built, wanted] = [tagsOf(last), tagsOf(version)];
  for (const name of version === broken ? (["source-controller"] as const) : builtControllers) {
    const from = `${fluxRegistry}/${name}:${built[name]}`;
    await copyImage(from, `${registry.host}/fluxcd/${name}:${wanted[name]}`, never, login);
  }
}

function tagsOf(version: string): { readonly [name in (typeof builtControllers)[number]]: string } {
  const images = loadRelease(version).images["upstream-alpine"];
  const tagOf = (name: (typeof builtControllers)[number]): string => images?.[name]?.tag ?? "";
  return { "source-controller": tagOf("source-controller"), "kustomize-controller": tagOf("kustomize-controller") };
}

function dockerConfig(): string {
  const auth = Buffer.from(`${login.username}:${login.password}`).toString("base64");
  return JSON.stringify({ auths: { [registry.host]: { auth } } });
}

/** Where the volume of the artifacts is, on the node as on this machine. */
function volumePath(): string {
  return join(world.plane.folder, "artifacts");
}

/** A class whose volumes are made by hand, and one volume in a folder of the node. */
function volumes(): readonly JsonObject[] {
  const hostname = { key: "kubernetes.io/hostname", operator: "In", values: [nodeName] };
  return [
    {
      apiVersion: "storage.k8s.io/v1",
      kind: "StorageClass",
      metadata: { name: "local" },
      provisioner: "kubernetes.io/no-provisioner",
      volumeBindingMode: "WaitForFirstConsumer",
    },
    {
      apiVersion: "v1",
      kind: "PersistentVolume",
      metadata: { name: "artifacts" },
      spec: {
        storageClassName: "local",
        capacity: { storage: "1Gi" },
        accessModes: ["ReadWriteOnce"],
        persistentVolumeReclaimPolicy: "Retain",
        local: { path: volumePath() },
        nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [hostname] }] } },
      },
    },
  ];
}

/** Asks the operator every second whether it is ready, so that ten updates of it take less than a minute. */
function withQuickProbe(text: string): string {
  const quick = text.replace(/initialDelaySeconds: 5\n +periodSeconds: 10/, "periodSeconds: 1");
  assert.notEqual(quick, text);
  return quick;
}

type Artifact = { readonly revision: string; readonly digest: string; readonly lastUpdateTime: string };

function artifactOf(object: KubeObject): Artifact {
  const artifact = fieldsOf(statusOf(object)["artifact"]);
  const [revision, digest, lastUpdateTime] = ["revision", "digest", "lastUpdateTime"].map((name) =>
    textOf(artifact[name]),
  );
  return { revision: revision ?? "", digest: digest ?? "", lastUpdateTime: lastUpdateTime ?? "" };
}

/** "path inode" of each artifact on the volume. */
async function stored(): Promise<readonly string[]> {
  const names = await readdir(volumePath(), { recursive: true });
  const tarballs = names.filter((name) => /sha256:\w+\.tar\.gz$/.test(name)).toSorted();
  return await Promise.all(
    tarballs.map(async (name) => `${name} ${(await stat(join(volumePath(), name), { bigint: true })).ino}`),
  );
}

async function podsOf(controller: string): Promise<readonly KubeObject[]> {
  const { items } = await world.client.list(podKind, { namespace, labelSelector: `app=${controller}` }, never);
  return items.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
}

/** The uids of the pods of all controllers that were built here. */
async function controllerPods(): Promise<readonly (string | undefined)[]> {
  const pods = await Promise.all(builtControllers.map(podsOf));
  return pods.flat().map(({ metadata }) => metadata.uid);
}

function isGated({ spec }: KubeObject): boolean {
  return listOf(fieldsOf(spec)["schedulingGates"]).length > 0;
}

function hasRestarted(pod: KubeObject): boolean {
  return isDeepStrictEqual(restartsIn(pod), [1]) && readinessOf(pod).status === "Current";
}

/** Waits until the operator's log has those words. */
async function logged(words: string): Promise<void> {
  const deadline = AbortSignal.timeout(30_000);
  const logs = ["logs", "deployment/flux-operator", "-n", namespace];
  while (!(await kubectl(world.plane, logs)).includes(words)) await systemClock.sleep(500, deadline);
}

/** Waits until the instance runs `version` and is healthy. */
async function becomes(version: string, spec: JsonObject = {}): Promise<void> {
  await patchInstance(world, { spec: { distribution: { version }, ...spec } });
  await instanceWhen(world, (object) => isReady(object) && statusOf(object)["lastAppliedVersion"] === version);
}

/** "uid, appliers" of each object in the inventory, by name: who has applied it, which should be the operator and nobody else. */
async function inventory(): Promise<ReadonlyMap<string, string>> {
  const instance = await world.client.get(instanceKind, { namespace, name: "flux" }, never);
  const entries = managedObjects(readInventory(instance["status"]));
  const found = await Promise.all(
    entries.map(async ({ group, kind, version, namespace: inNamespace, name }) => {
      const object = await world.client.get({ group, kind, version }, { namespace: inNamespace, name }, never);
      const appliers = (object.metadata.managedFields ?? []).filter(({ operation }) => operation === "Apply");
      return [
        nameObject(object),
        `${object.metadata.uid}, ${appliers.map(({ manager }) => manager).join(" ")}`,
      ] as const;
    }),
  );
  assert.equal(new Set(found.map(([name]) => name)).size, entries.length, "no object is in the inventory twice");
  return new Map(found);
}

function tellServed(context: TestContext, what: string, { requests, failed, outagesMs }: Served): void {
  const outages = outagesMs.map((ms) => `${(ms / 1000).toFixed(1)} s`).join(", ");
  context.diagnostic(`${what}: ${failed} of ${requests} requests for the artifact failed; it was away for ${outages}`);
}

const drifts = [
  { name: "replicas are changed", change: { replicas: 0 } },
  {
    name: "image is changed",
    change: { template: { spec: { containers: [{ name: "manager", image: `${registryHost}/app:1` }] } } },
  },
  {
    name: "arguments are changed",
    change: { template: { spec: { containers: [{ name: "manager", args: ["--log-level=trace"] }] } } },
  },
];

describe("changes on a node that really runs pods", { concurrency: 1, skip: absent ?? false }, () => {
  before(async () => {
    reservation = await reserveNode();
    world = await startNodeWorld(last);
    registry = await startRegistry({ kind: "htpasswd", htpasswd }, never, addresses.host);
    for (const [path, text] of Object.entries(withoutTls(registry.host))) {
      await mkdir(dirname(join(world.plane.folder, "node", path)), { recursive: true });
      await writeFile(join(world.plane.folder, "node", path), text);
    }
    for (const version of [installed, upgraded, broken, last]) await copyControllers(version);
    await pushProgram({ program: "stand-in", reference: `${registryHost}/app:1` }, never);
    await pushFluxArtifact({ host: registryHost, repository: "fleet", tag: "latest" }, application("1"));
    await kubectl(world.plane, ["apply", "--server-side", "-f", "-"], await installManifest(withQuickProbe));
    await rolledOut(world, operator);
  });
  after(async () => {
    await world[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
    await reservation[Symbol.asyncDispose]();
  });

  test("without its pull secret an instance cannot pull from a private registry, and says with which it tried", async (context) => {
    const startMs = performance.now();
    const distribution = { version: installed, registry: `${registry.host}/fluxcd`, imagePullSecret: pullSecret };
    await world.apply(withTimeout("20s", fluxInstance({ distribution })));
    const told = await instanceWhen(world, (object) => condition(object, "Ready")?.startsWith("False/") === true);
    tell(context, "until Ready was False", startMs);
    const [ready = "", warning = ""] = [condition(told, "Ready"), condition(told, "Warning")];
    context.diagnostic(ready);
    context.diagnostic(warning);
    assert.match(
      ready,
      /^False\/HealthCheckFailed: .*container manager cannot pull its image \S+\/fluxcd\/source-controller:v1\.9\.1 with imagePullSecret private-registry/,
    );
    assert.match(
      warning,
      /Secret\/flux-system\/private-registry, named in spec\.distribution\.imagePullSecret, does not/,
    );
  });

  test("with the secret everything runs", async (context) => {
    const startMs = performance.now();
    await world.apply({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { namespace, name: pullSecret },
      type: "kubernetes.io/dockerconfigjson",
      stringData: { ".dockerconfigjson": dockerConfig() },
    });
    await instanceWhen(world, isReady);
    await patchInstance(world, withTimeout("40s"));
    tell(context, "from the secret to Ready", startMs);
    await instanceWhen(world, (object) => condition(object, "Synced")?.startsWith("True/") === true);
    app = await appRuns(world);
    assert.equal(app.length, 2);
  });

  test("an artifact on a volume survives the pod of source-controller", async (context) => {
    await mkdir(volumePath());
    const [storageClass = {}, volume = {}] = volumes();
    await world.apply(storageClass);
    await patchInstance(world, { spec: { storage: { class: "local", size: "1Gi" } } });
    await logged(
      "Deployment/flux-system/source-controller: no node has a volume for the PersistentVolumeClaim of its pod",
    );
    const startMs = performance.now();
    await world.apply(volume);
    await instanceWhen(world, isReady);
    tell(context, "from the volume to Ready", startMs);
    const [pod] = await podsOf("source-controller");
    assert.ok(pod, "source-controller has a pod");
    const before = artifactOf(
      // The new volume is empty: what is Ready from before has no artifact for a moment.
      await world.when(
        sourceKind,
        source,
        (object) => condition(object, "Ready")?.startsWith("True/") === true && artifactOf(object).digest !== "",
      ),
    );
    const files = await stored();
    const poll = await pollSource(world, source);
    await world.plane.rest.delete(`/api/v1/namespaces/${namespace}/pods/${pod.metadata.name}`);
    await world.when(
      deploymentKind,
      { namespace, name: "source-controller" },
      (object) => Number(statusOf(object)["availableReplicas"] ?? 0) === 0,
    );
    await rolledOut(world, { namespace, name: "source-controller" });
    const served = await poll.stop();
    tellServed(context, "one pod replaced", served);
    assert.equal(files.length, 1);
    assert.deepEqual(await stored(), files);
    assert.deepEqual(artifactOf(await world.client.get(sourceKind, source, never)), before);
    assert.deepEqual(served.wrong, {});
    assert.deepEqual(await appPods(world), app);
  });

  test("another storage class is refused, and what runs stays", async () => {
    const pods = await controllerPods();
    await world.apply({ ...volumes()[0], metadata: { name: "other" } });
    await patchInstance(world, { spec: { storage: { class: "other", size: "1Gi" } } });
    const told = await instanceWhen(
      world,
      (object) => isCurrent(object) && condition(object, "Ready")?.startsWith("False/") === true,
    );
    assert.equal(
      condition(told, "Ready"),
      "False/PreflightFailed: Cannot apply Flux 2.9.0: PersistentVolumeClaim/flux-system/source-controller has the StorageClass local, which cannot be changed to other; keep local in spec.storage.class, or remove spec.storage, wait until Ready is True, and set it again; nothing was changed",
    );
    await patchInstance(world, { spec: { storage: { class: "local", size: "1Gi" } } });
    await instanceWhen(world, isReady);
    assert.deepEqual(await controllerPods(), pods);
  });

  test("a shard comes and goes, and the application runs on", async (context) => {
    let startMs = performance.now();
    await patchInstance(world, { spec: { sharding: { shards: ["a"] } } });
    await instanceWhen(world, isReady);
    tell(context, "until a shard ran", startMs);
    for (const name of builtControllers) assert.deepEqual(await restartsOf(world, `app=${name}-a`), [0]);
    startMs = performance.now();
    await patchInstance(world, { spec: { sharding: null } });
    await instanceWhen(world, isReady);
    tell(context, "until it was removed", startMs);
    const { items } = await world.client.list(deploymentKind, { namespace }, never);
    assert.deepEqual(items.map(({ metadata }) => metadata.name).toSorted(), [
      "flux-operator",
      "kustomize-controller",
      "source-controller",
    ]);
    assert.deepEqual(await appPods(world), app);
  });

  for (const { name, change } of drifts) {
    test(`a running controller whose ${name} is repaired`, async (context) => {
      const key = { namespace, name: "kustomize-controller" };
      const { spec, metadata } = await world.client.get(deploymentKind, key, never);
      const startMs = performance.now();
      await kubectl(world.plane, [
        "patch",
        "deployment",
        key.name,
        "-n",
        namespace,
        "-p",
        JSON.stringify({ spec: change }),
      ]);
      const repaired = await world.when(deploymentKind, key, (object) => isDeepStrictEqual(object["spec"], spec));
      tell(context, "until the spec was back", startMs);
      await rolledOut(world, key);
      tell(context, "until its pods were fine", startMs);
      assert.equal(repaired.metadata.generation, (metadata.generation ?? 0) + 2, "it was changed, and changed back");
      await instanceWhen(world, isReady);
      assert.deepEqual(await appPods(world), app);
    });
  }

  test("an upgrade and the rollback of a broken one each take the source away for as long as one pod is replaced", async (context) => {
    let startMs = performance.now();
    const poll = await pollSource(world, source);
    await becomes(upgraded);
    tell(context, "until it was upgraded", startMs);
    startMs = performance.now();
    await patchInstance(world, { spec: { distribution: { version: broken } } });
    const told = await instanceWhen(world, (object) => isCurrent(object) && lastOutcome(object) === "RolledBack");
    tell(context, "until the broken upgrade was rolled back", startMs);
    const served = await poll.stop();
    tellServed(context, "source-controller replaced three times", served);
    context.diagnostic(condition(told, "UpToDate") ?? "");
    assert.deepEqual(served.wrong, {});
    // Two pods that are replaced within a few seconds are one outage.
    const outages = served.outagesMs.length;
    assert.ok(outages >= 1 && outages <= 3, `${outages} outages for three pods that were replaced`);
    assert.deepEqual(await appPods(world), app);
  });

  test("ten updates of the operator during an upgrade lose nothing", async (context) => {
    await becomes(upgraded);
    const before = await inventory();
    const gate = [{ op: "add", path: "/spec/template/spec/schedulingGates", value: [{ name: "example.com/wait" }] }];
    const spec = { distribution: { version: last }, kustomize: { patches: [insecure, kustomizePatch(gate)] } };
    await patchInstance(world, withTimeout("5m", { spec }));
    const startMs = performance.now();
    const handovers = await recordHandovers(world);
    for (let update = 1; update <= 10; update += 1) {
      await kubectl(world.plane, ["rollout", "restart", "deployment/flux-operator", "-n", namespace]);
      await kubectl(world.plane, ["rollout", "status", "deployment/flux-operator", "-n", namespace, "--timeout=60s"]);
    }
    tell(context, "ten updates", startMs);
    const running = await world.client.get(instanceKind, { namespace, name: "flux" }, never);
    assert.equal(statusOf(running)["lastAppliedVersion"], upgraded, "the upgrade was not over before");
    const waited = { gvk: podKind, isSo: isGated, patienceMs: 60_000 };
    const gated = await untilObject(world.client, waited, (pod) => `no pod waits at the gate: ${pod}`);
    await world.plane.rest.patch(`/api/v1/namespaces/${namespace}/pods/${gated.metadata.name}`, {
      spec: { schedulingGates: null },
    });
    await instanceWhen(world, (object) => isReady(object) && statusOf(object)["lastAppliedVersion"] === last);
    const leaderlessMs = await handovers.stop();
    context.diagnostic(`nobody led for ${leaderlessMs.map(Math.round).join(", ")} ms`);
    assert.equal(leaderlessMs.length, 10);
    assert.ok(Math.max(...leaderlessMs) < 2_000);
    assert.deepEqual(await inventory(), before);
    assert.deepEqual(
      [...before].filter(([, found]) => !found.endsWith(", flux-operator")).map(([name]) => name),
      ["Namespace/flux-system"],
      "all but the namespace, which install.yaml has, too, is the operator's alone",
    );
    assert.deepEqual(await appPods(world), app);
    await becomes(last, { kustomize: { patches: [insecure] } });
  });

  test("after a power cut of the node everything comes back, and the application was restarted by that alone", async (context) => {
    const statuses = recordObjects(world.client, instanceKind);
    const startMs = performance.now();
    rebootNode(world.plane);
    const { items } = await world.client.list(podKind, { namespace: "apps" }, never);
    for (const pod of items) await world.when(podKind, keyOf(pod), (now) => hasRestarted(now));
    tell(context, "until the application ran again", startMs);
    const at = `${Date.now()}`;
    await patchInstance(world, { metadata: { annotations: { "reconcile.fluxcd.io/requestedAt": at } } });
    await instanceWhen(world, (object) => statusOf(object)["lastHandledReconcileAt"] === at && isReady(object));
    tell(context, "until a reconcile on request found all as it should be", startMs);
    const said = (await statuses.stop()).map((object) => `Ready=${condition(object, "Ready") ?? "none"}`);
    for (const line of new Set(said)) context.diagnostic(line);
    assert.deepEqual(
      await appPods(world),
      app.map((one) => one.replace("[0]", "[1]")),
    );
  });

  test("without spec.storage the claim is deleted, and its volume kept", async () => {
    await patchInstance(world, { spec: { storage: null } });
    await instanceWhen(world, isReady);
    await world.when(
      volumeKind,
      { namespace: "", name: "artifacts" },
      ({ status }) => fieldsOf(status)["phase"] === "Released",
    );
    assert.deepEqual(await world.plane.rest.list(`/api/v1/namespaces/${namespace}/persistentvolumeclaims`), []);
    assert.equal((await stored()).length, 1);
  });
});
