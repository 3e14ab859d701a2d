import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { fieldsOf } from "../../src/kube/fields.ts";
import { deploymentKind } from "../../src/kube/kinds.ts";
import type { JsonObject, KubeObject } from "../../src/kube/object.ts";
import { systemClock } from "../../src/std/clock.ts";
import { applyAsFluxCli, installManifests } from "../support/bootstrap.ts";
import { isReady, namespace, statusOf } from "../support/flux-cluster.ts";
import {
  application,
  kustomizationKind,
  sourceKind,
  startRealWorld,
  userSync,
  type FluxName,
  type RealWorld,
  type Workload,
} from "../support/real-world.ts";
import { watchWorkloads, type WorkloadWatch } from "../support/workload-watch.ts";

const never = new AbortController().signal;
const instanceKind = { group: "fluxcd.controlplane.io", version: "v1", kind: "FluxInstance" };
const instanceKey = { namespace, name: "flux" };
const mainControllers = ["kustomize-controller", "source-controller"];
const allComponents = [...mainControllers, "notification-controller"];
const foreignFinalizer = "example.com/hold";
const shardKey = "sharding.fluxcd.io/key";

/** The instance's own sync, and one that a team has made for itself. */
const fleet: FluxName = { namespace, name: namespace };
const team: FluxName = { namespace: "team", name: "team" };

let world: RealWorld;
let workloads: WorkloadWatch;
/** What is in the registry, by name of the repository. */
const revisions = { fleet: "", team: "" };

before(async () => {
  world = await startRealWorld();
  await world.cluster.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: team.namespace } });
  workloads = await watchWorkloads(world.cluster.client, ["apps", team.namespace]);
  await publish("1");
});
after(async () => {
  await workloads[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
});

/** Pushes both artifacts; `edition` ends up in one ConfigMap of each. That of the fleet may have `more`. */
async function publish(edition: string, more: readonly Workload[] = []): Promise<void> {
  const home = { apiVersion: "v1", kind: "Namespace", metadata: { name: "apps" } };
  revisions.fleet = await world.push("fleet", [home, ...application("apps", "web", { edition }), ...more]);
  revisions.team = await world.push("team", application(team.namespace, "shop", { edition }));
}

type Wish = {
  readonly version?: string;
  readonly components?: readonly string[];
  readonly shards?: readonly string[];
  /** Name of the sync, by default none, which means that of the namespace. No sync at all when null. */
  readonly sync?: string | null;
  readonly deletionPolicy?: string;
};

function instance(wish: Wish): KubeObject {
  const { version = "2.9.4", components = allComponents, shards, sync, deletionPolicy } = wish;
  const follow = { kind: "OCIRepository", url: `${world.registry}/fleet`, ref: "latest", path: "./" };
  const insecure = [{ op: "add", path: "/spec/insecure", value: true }];
  const spec: JsonObject = {
    distribution: { version, registry: "ghcr.io/fluxcd" },
    components,
    ...(shards === undefined ? {} : { sharding: { shards } }),
    ...(deletionPolicy === undefined ? {} : { deletionPolicy }),
    ...(sync === null ? {} : { sync: { ...(sync === undefined ? {} : { name: sync }), ...follow } }),
    kustomize: { patches: [{ target: { kind: "OCIRepository" }, patch: JSON.stringify(insecure) }] },
  };
  return { apiVersion: "fluxcd.controlplane.io/v1", kind: "FluxInstance", metadata: instanceKey, spec };
}

/** Applies the whole instance, and waits until it is so. */
async function become(wish: Wish): Promise<void> {
  await world.cluster.apply(instance(wish));
  const version = wish.version ?? "2.9.4";
  const what = `ready at ${version}`;
  await world.cluster.instanceWhen(
    what,
    (object) => isReady(object) && statusOf(object)["lastAppliedVersion"] === version,
  );
}

async function applyTeam(labels: { readonly [key: string]: string } = {}): Promise<void> {
  for (const object of userSync(team, `${world.registry}/team`, labels)) await world.cluster.apply(object);
}

/** Both syncs are asked, answer, and find all as it is in the registry. */
async function bothSynced(): Promise<void> {
  await world.synced(fleet, revisions.fleet);
  await world.synced(team, revisions.team);
}

async function nothingHappened(): Promise<void> {
  assert.deepEqual(await workloads.news(), []);
}

/** "namespace/name" of all Kustomizations, sorted; none when the kind is not served. */
async function kustomizations(): Promise<readonly string[]> {
  const prefix = "Kustomization/";
  const names = [...(await world.cluster.snapshot()).keys()].filter((name) => name.startsWith(prefix));
  return names.map((name) => name.slice(prefix.length)).toSorted();
}

function withShard(shard: string): readonly string[] {
  return mainControllers.flatMap((name) => [name, `${name}-${shard}`]).toSorted();
}

const everything = [
  "ConfigMap/apps/web",
  "ConfigMap/team/shop",
  "Deployment/apps/web",
  "Deployment/team/shop",
  "Namespace/apps",
  "Namespace/team",
  "Service/apps/web",
  "Service/team/shop",
];

describe("workloads of real Flux controllers", { concurrency: 1 }, () => {
  test("come with the instance's sync, and with a Kustomization of somebody else", async () => {
    await become({});
    await applyTeam();
    await bothSynced();
    assert.deepEqual(await workloads.names(), everything);
    assert.deepEqual(await world.flux.running(), mainControllers);
    await workloads.news();
  });

  test("change when what is in the registry changes, and only what has changed there", async () => {
    await publish("2");
    await bothSynced();
    assert.deepEqual(await workloads.news(), ["ConfigMap/apps/web changed", "ConfigMap/team/shop changed"]);
  });

  for (const { policy, runs, left } of [
    { policy: "Uninstall", runs: [], left: [] },
    { policy: "KeepResources", runs: [], left: ["flux-system/flux-system", "team/team"] },
    { policy: "Orphan", runs: mainControllers, left: ["flux-system/flux-system", "team/team"] },
  ]) {
    test(`stay when the instance is deleted with ${policy}, and are taken over when it comes back`, async () => {
      await become({ deletionPolicy: policy });
      await bothSynced();
      await uninstall();
      await nothingHappened();
      assert.deepEqual(await world.flux.running(), runs);
      assert.deepEqual(await kustomizations(), left);
      await become({});
      if (policy === "Uninstall") await applyTeam();
      await bothSynced();
      await nothingHappened();
    });
  }

  test("stay when what KeepResources has left is deleted by hand", async () => {
    await become({ deletionPolicy: "KeepResources" });
    await uninstall();
    for (const key of [fleet, team]) await world.cluster.client.delete({ gvk: kustomizationKind, key }, {}, never);
    assert.deepEqual(await kustomizations(), []);
    await become({});
    await applyTeam();
    await bothSynced();
    await nothingHappened();
  });

  test("stay while the finalizer of somebody else holds the uninstall up", async () => {
    const live = await world.cluster.client.get(sourceKind, team, never);
    await setFinalizers([...(live.metadata.finalizers ?? []), foreignFinalizer]);
    await world.cluster.client.delete({ gvk: instanceKind, key: instanceKey }, {}, never);
    await world.cluster.objectWhen(sourceKind, "held by somebody else only", ({ metadata }) => {
      return metadata.deletionTimestamp !== undefined && metadata.finalizers?.join() === foreignFinalizer;
    });
    assert.equal((await world.cluster.client.getOrUndefined(instanceKind, instanceKey, never))?.kind, "FluxInstance");
    await setFinalizers([]);
    await world.cluster.gone("FluxInstance/flux-system/flux");
    assert.equal(await world.cluster.client.getOrUndefined(sourceKind, team, never), undefined);
    await nothingHappened();
    await become({});
    await applyTeam();
    await bothSynced();
    await nothingHappened();
  });

  test("stay when the sync is removed, and follow it again under another name", async () => {
    await whilePoked(() => become({ sync: null }));
    // Kustomize-controller lets go of it in its own time.
    await world.cluster.gone("Kustomization/flux-system/flux-system");
    assert.deepEqual(await kustomizations(), ["team/team"]);
    await publish("3");
    await world.synced(team, revisions.team);
    assert.deepEqual(await workloads.news(), ["ConfigMap/team/shop changed"]);
    await become({ sync: "fleet" });
    await world.synced({ namespace, name: "fleet" }, revisions.fleet);
    assert.deepEqual(await workloads.news(), ["ConfigMap/apps/web changed"]);
  });

  test("stay when the sync is removed and at once added under another name", async () => {
    await world.cluster.apply(instance({ sync: null }));
    await become({});
    assert.deepEqual(await kustomizations(), ["flux-system/flux-system", "team/team"]);
    await bothSynced();
    await nothingHappened();
  });

  test("stay when a sync without a name is given one", async () => {
    await become({ sync: "fleet" });
    assert.deepEqual(await kustomizations(), ["flux-system/fleet", "team/team"]);
    await world.synced({ namespace, name: "fleet" }, revisions.fleet);
    await world.cluster.apply(instance({ sync: null }));
    await become({});
    await bothSynced();
    await nothingHappened();
  });

  for (const version of ["2.9.3", "2.8.3", "2.9.4"]) {
    test(`stay when Flux becomes ${version}`, async () => {
      await become({ version });
      await bothSynced();
      await nothingHappened();
    });
  }

  test("stay while shards come, change and go", async () => {
    await become({ shards: ["a"] });
    await applyTeam({ [shardKey]: "a" });
    await bothSynced();
    assert.deepEqual(await world.flux.running(), withShard("a"));
    await become({ shards: ["b"] });
    await applyTeam({ [shardKey]: "b" });
    await bothSynced();
    assert.deepEqual(await world.flux.running(), withShard("b"));
    await become({});
    await nothingHappened();
    await applyTeam();
    await bothSynced();
    assert.deepEqual(await world.flux.running(), mainControllers);
    await nothingHappened();
  });

  test("stay while components go and come back", async () => {
    await become({ components: mainControllers });
    await bothSynced();
    await whilePoked(() => become({ components: ["source-controller"], sync: null }));
    assert.deepEqual(await world.flux.running(), ["source-controller"]);
    await nothingHappened();
    await become({});
    await applyTeam();
    await bothSynced();
    await nothingHappened();
  });

  test("stay when the instance takes over from flux bootstrap, and when the manifests then leave the repository", async () => {
    await become({});
    await uninstall();
    const bootstrapped = [...installManifests("2.9.3", allComponents), ...userSync(fleet, `${world.registry}/fleet`)];
    await publish("3", bootstrapped);
    await applyAsFluxCli(bootstrapped, world.cluster.client);
    await applyTeam();
    await bothSynced();
    const before = await fluxDeployments();
    await become({});
    await bothSynced();
    await publish("3");
    await bothSynced();
    await nothingHappened();
    assert.deepEqual(await fluxDeployments(), before);
    assert.deepEqual(await world.flux.running(), mainControllers);
  });
});

/** The Deployments of Flux, by name and uid. */
async function fluxDeployments(): Promise<readonly unknown[]> {
  const { items } = await world.cluster.client.list(deploymentKind, { namespace }, never);
  return items.map(({ metadata }) => [metadata.name, metadata.uid]);
}

/** Of the team's source. */
async function setFinalizers(finalizers: readonly string[]): Promise<void> {
  const patch = { kind: "merge", value: { metadata: { finalizers } } } as const;
  await world.cluster.client.patch({ gvk: sourceKind, key: team }, patch, { fieldManager: "test" }, never);
}

async function uninstall(): Promise<void> {
  await whilePoked(async () => {
    await world.cluster.client.delete({ gvk: instanceKind, key: instanceKey }, {}, never);
    await world.cluster.gone("FluxInstance/flux-system/flux");
  });
}

/**
 * Keeps kustomize-controller busy with both Kustomizations meanwhile, also for a while after its pod was told to end. As long as it runs
 * it gives them their finalizer back: who takes that off without waiting for pods is found out.
 */
async function whilePoked(work: () => Promise<void>): Promise<void> {
  const end = new AbortController();
  const poking = poke(end.signal);
  world.flux.linger(3_000);
  try {
    await work();
  } finally {
    world.flux.linger(0);
    end.abort();
    await poking;
  }
}

/** Asks for reconciles until the Kustomizations are gone or going. */
async function poke(signal: AbortSignal): Promise<void> {
  const { rest } = world.cluster.plane;
  let left = [fleet, team];
  for (let count = 1; !signal.aborted && left.length > 0; count += 1) {
    const body = { metadata: { annotations: { "reconcile.fluxcd.io/requestedAt": `poke-${count}` } } };
    const going = new Set<FluxName>();
    for (const key of left) {
      const path = `/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/${key.namespace}/kustomizations/${key.name}`;
      const answer = await rest.request("PATCH", path, { body });
      const { deletionTimestamp } = fieldsOf(fieldsOf(answer.body)["metadata"]);
      if (answer.status === 404 || deletionTimestamp !== undefined) going.add(key);
    }
    left = left.filter((key) => !going.has(key));
    await systemClock.sleep(100, signal).catch(() => undefined);
  }
}
