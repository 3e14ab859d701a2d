import assert from "node:assert/strict";
import { test } from "node:test";
import { apiError, tableClient } from "../../../../test/support/table-client.ts";
import { TestClock } from "../../../../test/support/test-clock.ts";
import { fluxInstance, labels } from "../../../api/names.ts";
import type { DeletionPolicy } from "../../../api/spec.ts";
import { inventoryOf } from "../../../apply/inventory.ts";
import { Ledger } from "../../../apply/ledger.ts";
import type { KubeObject } from "../../../kube/object.ts";
import { worldOf } from "../world.ts";
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

test("uninstall() has nothing to do without an inventory", async () => {
  const empty = { ...world, recorded: { conditions: [] } };
  const client = tableClient([], { refuse: () => apiError(500, "Asked") });
  await uninstall("Uninstall", empty, { client, clock: new TestClock(), ledger: new Ledger() }, signal);
  assert.deepEqual(client.writes, []);
});
