import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { fieldsOf, listOf, textOf } from "../../src/kube/fields.ts";
import { gvkOf } from "../../src/kube/gvk.ts";
import type { JsonObject, KubeObject } from "../../src/kube/object.ts";
import { nameObject } from "../../src/kube/object-id.ts";
import { readStatus } from "../../src/controllers/flux-instance/status.ts";
import { systemClock } from "../../src/std/clock.ts";
import { installManifests } from "../support/bootstrap.ts";
import {
  condition,
  isReady,
  namespace,
  startFluxCluster,
  statusOf,
  type FluxCluster,
} from "../support/flux-cluster.ts";
import { applyServed, leaveAsGoOperator, otherObjects, type GoOperatorState } from "../support/go-operator.ts";
import { goldenAbsent, readGoldenCases } from "../support/golden-cases.ts";

const never = new AbortController().signal;
const patienceMs = 90_000;
const instancePath = `/apis/fluxcd.controlplane.io/v1/namespaces/${namespace}/fluxinstances/flux`;
const podsPath = `/api/v1/namespaces/${namespace}/pods`;
const deploymentsPath = `/apis/apps/v1/namespaces/${namespace}/deployments`;
const goldens = new Map(readGoldenCases().map((golden) => [golden.name, golden]));

let cluster: FluxCluster;

before(async () => {
  cluster = await startFluxCluster();
});
after(async () => {
  await cluster[Symbol.asyncDispose]();
});

async function live(object: KubeObject): Promise<KubeObject | undefined> {
  const { name, namespace: at = "" } = object.metadata;
  return await cluster.client.getOrUndefined(gvkOf(object), { namespace: at, name }, never);
}

/** What a write to any of the objects would change; "gone" where there is none. */
async function versionsOf(objects: readonly KubeObject[]): Promise<readonly string[]> {
  return await Promise.all(
    objects.map(async (object) => {
      const { uid = "gone", resourceVersion = "" } = (await live(object))?.metadata ?? {};
      return `${nameObject(object)} ${uid}@${resourceVersion}`;
    }),
  );
}

/** The same, for those that Kubernetes and its controllers write to by themselves: what a restart would change. */
async function running(): Promise<readonly string[]> {
  const [pods, deployments] = [await cluster.plane.rest.list(podsPath), await cluster.plane.rest.list(deploymentsPath)];
  return [
    ...pods.map(({ metadata }) => `pod ${metadata.name} ${metadata.uid}`),
    ...deployments.map(({ metadata }) => `deployment ${metadata.name} ${metadata.uid} ${metadata.generation}`),
  ].toSorted();
}

async function available(objects: readonly KubeObject[]): Promise<void> {
  for (const { metadata } of objects.filter(({ kind }) => kind === "Deployment")) {
    await cluster.objectWhen(
      { group: "apps", version: "v1", kind: "Deployment" },
      "available",
      (object) => object.metadata.name === metadata.name && statusOf(object)["availableReplicas"] === 1,
    );
  }
}

/** Names of those that are there and not on their way out. */
async function present(objects: readonly KubeObject[]): Promise<readonly string[]> {
  const found = await Promise.all(objects.map(live));
  return found
    .filter((object) => object !== undefined && object.metadata.deletionTimestamp === undefined)
    .map((object) => (object === undefined ? "" : nameObject(object)));
}

async function instanceGone(): Promise<void> {
  const deadline = AbortSignal.timeout(patienceMs);
  while ((await cluster.plane.rest.request("GET", instancePath)).status !== 404) await systemClock.sleep(50, deadline);
}

async function untilGone(objects: readonly KubeObject[]): Promise<void> {
  const deadline = AbortSignal.timeout(patienceMs);
  for (const object of objects) while ((await live(object)) !== undefined) await systemClock.sleep(50, deadline);
}

/** The next one finds a cluster without Flux, and no operator that runs. */
async function tidy(): Promise<void> {
  await cluster.plane.rest.delete(`/api/v1/namespaces/${namespace}/events`);
}

/** The Deployment as one more, of a shard. */
function shardOf(deployment: KubeObject | undefined): KubeObject {
  if (deployment === undefined) throw new Error("no such Deployment");
  const name = `${deployment.metadata.name}-shard1`;
  const spec = fieldsOf(deployment["spec"]);
  const template = fieldsOf(spec["template"]);
  const labels = { ...fieldsOf(fieldsOf(template["metadata"])["labels"]), app: name };
  const podMetadata = { ...fieldsOf(template["metadata"]), labels };
  return {
    ...deployment,
    metadata: { ...deployment.metadata, name },
    spec: { ...spec, selector: { matchLabels: { app: name } }, template: { ...template, metadata: podMetadata } },
  };
}

const namespaceName = `Namespace/${namespace}`;

/** Finalizers and the token that Flux's controllers put on what they reconcile, as they do it: by an update. */
async function asReconciled(object: KubeObject, manager: string): Promise<void> {
  const { name, namespace: at = "" } = object.metadata;
  const value = { metadata: { finalizers: ["finalizers.fluxcd.io"] } };
  await cluster.client.patch(
    { gvk: gvkOf(object), key: { namespace: at, name } },
    { kind: "merge", value },
    { fieldManager: manager },
    never,
  );
}

const controllerOf: { readonly [kind: string]: string } = {
  GitRepository: "source-controller",
  Kustomization: "kustomize-controller",
};

async function reconcileAll(objects: readonly KubeObject[]): Promise<void> {
  for (const object of objects) {
    const controller = controllerOf[object.kind];
    if (controller !== undefined) await asReconciled(object, controller);
  }
}

async function goState(name: string): Promise<GoOperatorState> {
  const golden = goldens.get(name);
  if (golden === undefined) throw new Error(`no golden case ${name}`);
  await cluster.operator.stop();
  const state = await leaveAsGoOperator(golden, cluster);
  await reconcileAll(state.objects);
  await available(state.objects);
  return state;
}

async function inventory(): Promise<readonly string[]> {
  return (readStatus((await cluster.instance())["status"]).inventory?.entries ?? []).map(({ id, v }) => `${id} ${v}`);
}

function inventoryOf(state: GoOperatorState): readonly string[] {
  const entries = listOf(fieldsOf(state.status["inventory"])["entries"]).map(fieldsOf);
  return entries.map(({ id, v }) => `${textOf(id)} ${textOf(v)}`).toSorted();
}

describe("what the Go operator has left", { concurrency: 1, skip: goldenAbsent ?? false }, () => {
  let state: GoOperatorState;
  let initial: { readonly versions: readonly string[]; readonly running: readonly string[] };
  let others: readonly string[];

  before(async () => {
    state = await goState("sync-git-8");
    initial = { versions: await versionsOf(state.objects), running: await running() };
    others = await versionsOf(otherObjects);
    await cluster.restartOperator();
  });
  after(tidy);

  test("becomes Ready without a write to any of its objects", async () => {
    const ready = await cluster.instanceWhen("ready", isReady);
    assert.equal(
      condition(ready, "Ready")?.split(" revision ")[0],
      "True/ReconciliationSucceeded: Applied version 2.8.8",
    );
    assert.deepEqual(await running(), initial.running);
    assert.deepEqual(await versionsOf(state.objects), initial.versions);
  });

  test("is read: its inventory is ours, and its history goes on", async () => {
    assert.deepEqual((await inventory()).toSorted(), inventoryOf(state));
    const {
      history = [],
      lastAppliedVersion,
      lastAppliedRevision = "",
    } = readStatus((await cluster.instance())["status"]);
    const [theirs] = listOf(state.status["history"]);
    assert.equal(lastAppliedVersion, "2.8.8");
    assert.equal(history.length, 2);
    assert.equal(`v2.8.8@${history[0]?.digest}`, lastAppliedRevision);
    assert.deepEqual(history[1], theirs);
  });

  test("of other kinds is left alone and warned of, and so is its Deployment", async () => {
    assert.deepEqual(await versionsOf(otherObjects), others);
    assert.match(
      condition(await cluster.instance(), "Warning") ?? "",
      /^True\/PreflightWarning: .*does not reconcile: FluxReport, ResourceSet, ResourceSetInputProvider$/,
    );
  });

  test("settles: another reconcile writes nothing", async () => {
    const earlier = await cluster.snapshot();
    await cluster.reconcile();
    const later = await cluster.snapshot();
    const changed = [...later].filter(([name, at]) => earlier.get(name) !== at).map(([name]) => name);
    assert.deepEqual(changed, [`FluxInstance/${namespace}/flux`]);
  });

  test("can go back: the same apply by the Go operator changes nothing", async () => {
    for (const object of state.objects) {
      const answer = await cluster.client.apply(object, { fieldManager: "flux-operator", dryRun: true }, never);
      assert.equal(answer.metadata.resourceVersion, (await live(object))?.metadata.resourceVersion, nameObject(object));
    }
  });

  test("goes with the instance, from the inventory of the Go operator, and nothing else does", async () => {
    await cluster.plane.rest.delete(instancePath);
    await instanceGone();
    await untilGone(state.objects.filter(({ kind }) => kind !== "Namespace"));
    assert.deepEqual(await present(state.objects), [namespaceName]);
    assert.deepEqual(await versionsOf(otherObjects), others);
  });
});

describe("what the Go operator has left, with another wish", { concurrency: 1, skip: goldenAbsent ?? false }, () => {
  let state: GoOperatorState;
  let uids: ReadonlyMap<string, string>;
  /** Lost in an interruption between the Go operator's new inventory and its deletions. */
  let forgotten: KubeObject;
  const component = "kustomize-controller";
  const components = ["source-controller", "kustomize-controller", "helm-controller", "notification-controller"];

  before(async () => {
    state = await goState("exact-v2.8.3");
    const found = await Promise.all(state.objects.map(live));
    const kustomize = state.objects.find(({ kind, metadata }) => kind === "Deployment" && metadata.name === component);
    forgotten = shardOf(kustomize);
    await applyServed(forgotten, "flux-operator", cluster);
    await available([forgotten]);
    uids = new Map(
      found.map((object) => (object === undefined ? ["", ""] : [nameObject(object), object.metadata.uid ?? ""])),
    );
    const spec = { distribution: { version: "2.9.x" }, components };
    await cluster.patchInstance({ spec });
    await cluster.restartOperator();
  });
  after(tidy);

  test("is upgraded at once, and loses what is no longer wanted and nothing else", async () => {
    const ready = await cluster.instanceWhen("ready", isReady);
    const status = readStatus(ready["status"]);
    assert.equal(status.lastAppliedVersion, "2.9.4");
    assert.deepEqual(
      status.history?.map(({ metadata }) => metadata?.flux),
      ["v2.9.4", "v2.8.3"],
    );
    const left = new Set(await present(state.objects));
    const gone = [...uids.keys()].filter((name) => !left.has(name));
    assert.deepEqual(
      gone.filter((name) => !/image|source-watcher|artifactgenerators|externalartifacts/.test(name)),
      [],
    );
    assert.ok(gone.includes(`Deployment/${namespace}/image-reflector-controller`), gone.join());
    for (const object of state.objects) {
      const now = await live(object);
      if (now !== undefined) assert.equal(now.metadata.uid, uids.get(nameObject(object)), nameObject(object));
    }
    const managed = new Set((await inventory()).map((entry) => entry.split(" ")[0]));
    const kept = inventoryOf(state).map((entry) => entry.split(" ")[0]);
    const missing = kept.filter((id) => !managed.has(id) && !/image|source-watcher|artifact/.test(id ?? ""));
    assert.deepEqual(missing, []);
  });

  test("warns of a controller that the Go operator has forgotten, and leaves it alone", async () => {
    assert.match(
      condition(await cluster.instance(), "Warning") ?? "",
      /neither in its spec nor in its inventory: Deployment\/flux-system\/kustomize-controller-shard1; delete them/,
    );
    assert.deepEqual(await present([forgotten]), [nameObject(forgotten)]);
  });

  test("goes with the instance, once the forgotten controller is gone, which would take workloads along", async () => {
    const definition = state.objects.find(({ metadata }) => metadata.name.startsWith("kustomizations."));
    assert.ok(definition !== undefined);
    await cluster.plane.rest.delete(instancePath);
    await cluster.instanceWhen("held up", (instance) =>
      /not in the inventory of this instance, but with its labels: .*kustomize-controller-shard1/.test(
        condition(instance, "Ready") ?? "",
      ),
    );
    assert.deepEqual(await present([definition]), [nameObject(definition)]);
    await cluster.plane.rest.delete(`${deploymentsPath}/${forgotten.metadata.name}`);
    await instanceGone();
    await untilGone(state.objects.filter(({ kind }) => kind !== "Namespace"));
    assert.deepEqual(await present(state.objects), [namespaceName]);
  });
});

describe(
  "an instance of the Go operator that was deleted before we started",
  { concurrency: 1, skip: goldenAbsent ?? false },
  () => {
    let state: GoOperatorState;
    let others: readonly string[];

    before(async () => {
      state = await goState("sync-git-8");
      others = await versionsOf(otherObjects);
      await cluster.plane.rest.delete(instancePath);
      await cluster.restartOperator();
    });
    after(tidy);

    test("is uninstalled from the inventory of the Go operator, and nothing else goes", async () => {
      await instanceGone();
      await untilGone(state.objects.filter(({ kind }) => kind !== "Namespace"));
      assert.deepEqual(await present(state.objects), [namespaceName]);
      assert.deepEqual(await versionsOf(otherObjects), others);
    });
  },
);

const components = ["source-controller", "kustomize-controller"];
const follow = {
  kind: "GitRepository",
  url: "https://git.example.com/fleet.git",
  ref: "refs/heads/main",
  path: "clusters/a",
};
const bootstrapLabels = {
  "kustomize.toolkit.fluxcd.io/name": "flux-system",
  "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
};

/** As `gotk-sync.yaml` has them. */
const syncObjects: readonly KubeObject[] = [
  {
    apiVersion: "source.toolkit.fluxcd.io/v1",
    kind: "GitRepository",
    metadata: { name: "flux-system", namespace },
    spec: { interval: "1m0s", ref: { branch: "main" }, secretRef: { name: "flux-system" }, url: follow.url },
  },
  {
    apiVersion: "kustomize.toolkit.fluxcd.io/v1",
    kind: "Kustomization",
    metadata: { name: "flux-system", namespace },
    spec: {
      interval: "10m0s",
      path: "./clusters/a",
      prune: true,
      sourceRef: { kind: "GitRepository", name: "flux-system" },
    },
  },
];

function withLabels(object: KubeObject): KubeObject {
  return { ...object, metadata: { ...object.metadata, labels: { ...object.metadata.labels, ...bootstrapLabels } } };
}

function managersOf(object: KubeObject | undefined): readonly string[] {
  const entries = (object?.metadata.managedFields ?? []).filter(({ subresource = "" }) => subresource === "");
  return entries.map(({ manager, operation }) => `${manager}/${operation}`).toSorted();
}

describe("the sync objects of a bootstrap", { concurrency: 1 }, () => {
  let objects: readonly KubeObject[];
  let found: readonly string[];

  before(async () => {
    await cluster.operator.stop();
    objects = [...installManifests("2.9.4", components), ...syncObjects];
    for (const object of objects) await applyServed(object, "flux", cluster);
    for (const object of objects) await applyServed(withLabels(object), "kustomize-controller", cluster);
    await reconcileAll(syncObjects);
    await available(objects);
    found = await versionsOf(syncObjects);
    const distribution = { version: "2.9.4", registry: "ghcr.io/fluxcd" };
    const metadata = { name: "flux", namespace };
    await cluster.apply({
      apiVersion: "fluxcd.controlplane.io/v1",
      kind: "FluxInstance",
      metadata,
      spec: { distribution, components },
    });
    await cluster.restartOperator();
  });

  test("are named as leftovers and left alone without spec.sync", async () => {
    await cluster.instanceWhen("ready", isReady);
    const names = `GitRepository/${namespace}/flux-system, Kustomization/${namespace}/flux-system`;
    await cluster.told(
      new RegExp(`^Leftovers: Left by a previous installation: ${names}: .*set spec.sync to take them over`),
    );
    assert.deepEqual(await versionsOf(syncObjects), found);
  });

  test("are taken over by a spec.sync of their name", async () => {
    const sync: JsonObject = { ...follow, pullSecret: "flux-system" };
    await cluster.patchInstance({ spec: { sync } });
    await cluster.instanceWhen("ready", isReady);
    for (const [index, object] of syncObjects.entries()) {
      const now = await live(object);
      assert.ok(found[index]?.includes(` ${now?.metadata.uid}@`), "the same object");
      assert.deepEqual(managersOf(now), ["flux-operator/Apply", `${controllerOf[object.kind]}/Update`]);
      const { labels = {}, finalizers } = now?.metadata ?? {};
      assert.deepEqual(
        Object.keys(labels).filter((key) => key in bootstrapLabels),
        [],
      );
      assert.equal(labels["fluxcd.controlplane.io/name"], "flux");
      assert.deepEqual(finalizers, ["finalizers.fluxcd.io"]);
    }
    const [source, kustomization] = await Promise.all(syncObjects.map(live));
    assert.deepEqual(fieldsOf(source?.["spec"])["ref"], { name: "refs/heads/main" });
    assert.equal(fieldsOf(kustomization?.["spec"])["path"], "clusters/a");
    await cluster.told(/^TakenOver: Taking over 2 objects from flux, kustomize-controller$/);
  });
});
