import assert from "node:assert/strict";
import { test } from "node:test";
import type { KubeObject, ManagedFieldsEntry, ObjectMeta } from "../kube/object.ts";
import { objectIdOf } from "../kube/object-id.ts";
import { Ledger } from "./ledger.ts";

const desired: KubeObject = {
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "a", namespace: "b", labels: { app: "a" } },
  spec: { replicas: 1 },
};
const seen: ObjectMeta = {
  ...desired.metadata,
  uid: "1",
  resourceVersion: "10",
  generation: 2,
  annotations: { note: "x", "deployment.kubernetes.io/revision": "1" },
};
const ours: ManagedFieldsEntry = { manager: "flux-operator", operation: "Apply", time: "2026-01-01T00:00:00Z" };
const kubelet: ManagedFieldsEntry = { manager: "kcm", operation: "Update", subresource: "status", time: "t1" };
const tracked: ObjectMeta = { ...seen, managedFields: [ours, kubelet] };

function ledgerOf(metadata: ObjectMeta): Ledger {
  const ledger = new Ledger();
  ledger.record(desired, { ...desired, metadata });
  return ledger;
}

const other = { ...seen, resourceVersion: "11" };
for (const { name, at, live, settled } of [
  { name: "as it was seen", at: seen, live: seen, settled: true },
  { name: "with a new status", at: seen, live: other, settled: true },
  {
    name: "with marks of Kubernetes' controllers",
    at: seen,
    live: {
      ...other,
      annotations: { note: "x", "deployment.kubernetes.io/revision": "2", "pv.kubernetes.io/bind-completed": "yes" },
    },
    settled: true,
  },
  { name: "of another generation", at: seen, live: { ...other, generation: 3 }, settled: false },
  { name: "with another label", at: seen, live: { ...other, labels: { app: "b" } }, settled: false },
  { name: "with another annotation", at: seen, live: { ...other, annotations: { note: "y" } }, settled: false },
  { name: "that goes", at: seen, live: { ...seen, deletionTimestamp: "t" }, settled: false },
  { name: "that was created anew", at: seen, live: { ...seen, uid: "2" }, settled: false },
  {
    name: "of a kind without generation, at another resourceVersion",
    at: withoutGeneration(seen),
    live: withoutGeneration(other),
    settled: false,
  },
  {
    name: "of a kind without generation, of which only the status was written",
    at: withoutGeneration(tracked),
    live: { ...withoutGeneration(tracked), resourceVersion: "11", managedFields: [ours, { ...kubelet, time: "t2" }] },
    settled: true,
  },
  {
    name: "of a kind without generation, which somebody else wrote",
    at: withoutGeneration(tracked),
    live: {
      ...withoutGeneration(tracked),
      resourceVersion: "11",
      managedFields: [ours, { manager: "kubectl", operation: "Update" }, kubelet],
    },
    settled: false,
  },
] satisfies readonly { name: string; at: ObjectMeta; live: ObjectMeta; settled: boolean }[]) {
  test(`Ledger.isUnchanged() says ${settled} to an object ${name}`, () =>
    assert.equal(ledgerOf(at).isUnchanged(desired, live), settled));
  test(`Ledger.isDrift() says ${!settled} to an object ${name}`, () =>
    assert.equal(ledgerOf(at).isDrift(objectIdOf(desired), live), !settled));
}

function withoutGeneration({ generation: _generation, ...rest }: ObjectMeta): ObjectMeta {
  return rest;
}

test("Ledger.isUnchanged() does not vouch for a manifest that it was not given", () =>
  assert.equal(ledgerOf(seen).isUnchanged({ ...desired, spec: { replicas: 2 } }, seen), false));

test("Ledger.isUnchanged() vouches for an equal manifest", () =>
  assert.equal(ledgerOf(seen).isUnchanged({ ...desired, spec: { replicas: 1 } }, seen), true));

test("Ledger.isUnchanged() does not vouch for an object that is not there", () =>
  assert.equal(ledgerOf(seen).isUnchanged(desired, undefined), false));

test("Ledger.isDrift() says true to a deletion", () =>
  assert.equal(ledgerOf(seen).isDrift(objectIdOf(desired), undefined), true));

test("Ledger.isDrift() says false to what it knows nothing of", () => {
  const id = { ...objectIdOf(desired), name: "z" };
  assert.deepEqual([ledgerOf(seen).isDrift(id, undefined), ledgerOf(seen).isDrift(id, seen)], [false, false]);
});

for (const { name, live, repairs = 0, want } of [
  { name: "as it was seen", live: seen, want: false },
  { name: "of another generation", live: { ...other, generation: 3 }, want: true },
  { name: "with another label, which keeps it from nothing", live: { ...other, labels: { app: "b" } }, want: false },
  { name: "whose repairs another client undoes", live: { ...other, generation: 3 }, repairs: 10, want: false },
]) {
  test(`Ledger.isEdited() says ${want} to an object ${name}`, () => {
    const ledger = ledgerOf(seen);
    for (let repair = 1; repair <= repairs; repair += 1) ledger.repaired(desired, desired, desired, "flux-operator");
    assert.equal(ledger.isEdited({ ...desired, metadata: live }), want);
  });
}

test("Ledger.isEdited() says false to what it knows nothing of", () =>
  assert.equal(new Ledger().isEdited({ ...desired, metadata: seen }), false));

test("Ledger.forgetOthers() keeps only what is still wanted", () => {
  const ledger = ledgerOf(seen);
  const second = { ...desired, metadata: { ...desired.metadata, name: "z" } };
  ledger.record(second, second);
  ledger.forgetOthers([desired]);
  assert.deepEqual(
    [ledger.isDrift(objectIdOf(desired), undefined), ledger.isDrift(objectIdOf(second), undefined)],
    [true, false],
  );
});

test("Ledger.clear() forgets all", () => {
  const ledger = ledgerOf(seen);
  ledger.clear();
  assert.equal(ledger.isUnchanged(desired, seen), false);
});

for (const { name, wanted, repairs, want } of [
  { name: "an object that is changed back after each repair", wanted: desired, repairs: 10, want: true },
  { name: "an object that was changed now and then", wanted: desired, repairs: 9, want: false },
  {
    name: "an object of which something else is desired now",
    wanted: { ...desired, spec: { replicas: 2 } },
    repairs: 10,
    want: false,
  },
]) {
  test(`Ledger.isPaused() says ${want} to ${name}`, () => {
    const ledger = ledgerOf(seen);
    for (let repair = 1; repair <= repairs; repair += 1) ledger.repaired(desired, desired, desired, "flux-operator");
    assert.equal(ledger.isPaused(wanted), want);
  });
}

test("Ledger.repaired() does not count the first apply of a manifest", () => {
  const ledger = new Ledger();
  for (let repair = 1; repair <= 10; repair += 1) ledger.repaired(desired, desired, desired, "flux-operator");
  assert.deepEqual(ledger.contested(), { texts: [] });
});
