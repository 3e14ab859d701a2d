import assert from "node:assert/strict";
import { test } from "node:test";
import { tableClient } from "../../../../test/support/table-client.ts";
import { TestClock } from "../../../../test/support/test-clock.ts";
import { fluxInstance, labels } from "../../../api/names.ts";
import type { DeletionPolicy } from "../../../api/spec.ts";
import { inventoryOf } from "../../../apply/inventory.ts";
import { Ledger } from "../../../apply/ledger.ts";
import type { KubeObject } from "../../../kube/object.ts";
import { worldOf, type World } from "../world.ts";
import { uninstall } from "./uninstall.ts";

const signal = new AbortController().signal;
const owned = { [labels.ownerName]: "flux", [labels.ownerNamespace]: "flux-system" };

function object(apiVersion: string, kind: string, name: string, more: KubeObject["metadata"] = { name }): KubeObject {
  return { apiVersion, kind, metadata: { namespace: "flux-system", labels: owned, ...more } };
}

const held = { name: "a", resourceVersion: "1", namespace: "apps", labels: {}, finalizers: ["finalizers.fluxcd.io"] };
const resource = object("source.toolkit.fluxcd.io/v1", "GitRepository", "a", held);
const crd: KubeObject = {
  ...object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "gitrepositories.source.toolkit.fluxcd.io"),
  metadata: { name: "gitrepositories.source.toolkit.fluxcd.io", labels: owned },
  spec: {
    group: "source.toolkit.fluxcd.io",
    names: { kind: "GitRepository" },
    versions: [{ name: "v1", served: true, storage: true }],
  },
};
const claim = object("v1", "PersistentVolumeClaim", "source-controller");
const sync = object("kustomize.toolkit.fluxcd.io/v1", "Kustomization", "flux-system");
const service = object("v1", "Service", "source-controller");
const deployment = object("apps/v1", "Deployment", "source-controller");
const inventory = [crd, claim, sync, service, deployment];
const world = worldOf(
  {
    apiVersion: fluxInstance.storageApiVersion,
    kind: fluxInstance.kind,
    metadata: { name: "flux", namespace: "flux-system" },
    status: { inventory: { entries: inventoryOf(inventory) } },
  },
  new Map(),
  "flux-system",
);

const unheld = { ...resource, metadata: { ...resource.metadata, finalizers: [] } };
for (const { policy, left, forgets } of [
  { policy: "Uninstall", left: [unheld], forgets: true },
  { policy: "KeepResources", left: [crd, claim, sync, unheld], forgets: true },
  { policy: "Orphan", left: [...inventory, resource], forgets: false },
] satisfies readonly { policy: DeletionPolicy; left: readonly KubeObject[]; forgets: boolean }[]) {
  test(`uninstall() with policy ${policy} leaves ${left.map(({ kind }) => kind).join(", ")}`, async () => {
    const client = tableClient([...inventory, resource]);
    const ledger = new Ledger();
    ledger.record(service, service);
    await uninstall(policy, world, { client, clock: new TestClock(), ledger }, signal);
    assert.deepEqual(
      { left: client.objects(), forgets: !ledger.isUnchanged(service, service.metadata) },
      { left, forgets },
    );
  });
}

test("uninstall() waits until what it has deleted is gone", async () => {
  const slow = { ...service, metadata: { ...service.metadata, finalizers: ["example.com/x"] } };
  const client = tableClient([slow, deployment]);
  const clock = new TestClock();
  const removal = uninstall("Uninstall", world, { client, clock, ledger: new Ledger() }, signal);
  const refused = assert.rejects(removal, {
    message:
      "Waiting for these objects to be deleted: Service/flux-system/source-controller (held by finalizer example.com/x)",
  });
  await clock.advance(world.settings.reconcileTimeoutMs + 1_000);
  await refused;
});

const manager = { template: { spec: { containers: [{ name: "manager", image: "x/fluxcd/source-controller:v1" }] } } };
const unlisted: KubeObject = { ...object("apps/v1", "Deployment", "kustomize-controller"), spec: manager };
const lost = { ...world, recorded: { conditions: [] } };

for (const { name, instance, policy } of [
  { name: "with policy Uninstall", instance: world, policy: "Uninstall" },
  { name: "with policy KeepResources", instance: world, policy: "KeepResources" },
  { name: "of an instance whose status was lost", instance: lost, policy: "Uninstall" },
] satisfies readonly { name: string; instance: World; policy: DeletionPolicy }[]) {
  test(`uninstall() ${name} is refused before its first write while a controller of ours is not in the inventory`, async () => {
    const client = tableClient([...inventory, resource, unlisted]);
    const deps = { client, clock: new TestClock(), ledger: new Ledger() };
    await assert.rejects(uninstall(policy, instance, deps, signal), {
      message:
        /^Cannot remove all of Flux: not in the inventory of this instance, but with its labels: .*Deployment\/flux-system\/kustomize-controller/,
    });
    assert.deepEqual(client.writes, []);
  });
}

test("uninstall() with policy Orphan lets everything run, whatever the inventory says", async () => {
  const client = tableClient([...inventory, resource, unlisted]);
  await uninstall("Orphan", lost, { client, clock: new TestClock(), ledger: new Ledger() }, signal);
  assert.deepEqual(client.writes, []);
});

test("uninstall() with policy KeepResources leaves Flux's finalizer where another Flux runs, and names it", async () => {
  const foreign = object("apps/v1", "Deployment", "a", { name: "source-controller", namespace: "team-b", labels: {} });
  const client = tableClient([...inventory, resource, { ...foreign, spec: manager }]);
  const deps = { client, clock: new TestClock(), ledger: new Ledger() };
  const { watchedBy } = await uninstall("KeepResources", world, deps, signal);
  assert.deepEqual(watchedBy, ["Deployment/team-b/source-controller"]);
  assert.deepEqual(
    client.objects().find(({ kind }) => kind === "GitRepository"),
    resource,
  );
});

test("uninstall() deletes a custom resource whose recorded version is not served any more", async () => {
  const was = [crd, { ...sync, apiVersion: "kustomize.toolkit.fluxcd.io/v1beta2" }];
  const recorded = { conditions: [], inventory: { entries: inventoryOf(was) } };
  const client = tableClient([crd, sync]);
  await uninstall(
    "Uninstall",
    { ...world, recorded },
    { client, clock: new TestClock(), ledger: new Ledger() },
    signal,
  );
  assert.deepEqual(client.objects(), []);
});

test("uninstall() has nothing to do without an inventory", async () => {
  const empty = { ...world, recorded: { conditions: [] } };
  const client = tableClient([]);
  await uninstall("Uninstall", empty, { client, clock: new TestClock(), ledger: new Ledger() }, signal);
  assert.deepEqual(client.writes, []);
});
