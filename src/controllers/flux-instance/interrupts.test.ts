import assert from "node:assert/strict";
import { test } from "node:test";
import { fluxInstance, instanceAnnotations } from "../../api/names.ts";
import type { JsonObject, KubeObject } from "../../kube/object.ts";
import { Interrupts, wishOf } from "./interrupts.ts";

function instanceOf(metadata: JsonObject = {}, rest: JsonObject = {}): KubeObject {
  return {
    apiVersion: fluxInstance.storageApiVersion,
    kind: fluxInstance.kind,
    metadata: { name: "flux", namespace: "flux-system", uid: "1", generation: 1, ...metadata },
    ...rest,
  };
}

for (const { name, next, isNew } of [
  { name: "the same instance", next: instanceOf(), isNew: false },
  {
    name: "a new status",
    next: instanceOf({ resourceVersion: "2", managedFields: [] }, { status: { conditions: [] } }),
    isNew: false,
  },
  { name: "a finalizer", next: instanceOf({ finalizers: ["x"] }), isNew: false },
  { name: "an annotation that nobody reads", next: instanceOf({ annotations: { note: "x" } }), isNew: false },
  { name: "another generation", next: instanceOf({ generation: 2 }), isNew: true },
  { name: "a deletion", next: instanceOf({ deletionTimestamp: "2026-01-01T00:00:00Z" }), isNew: true },
  { name: "an instance created anew", next: instanceOf({ uid: "2" }), isNew: true },
  ...Object.values(instanceAnnotations).map((annotation) => ({
    name: `another ${annotation}`,
    next: instanceOf({ annotations: { [annotation]: "x" } }),
    isNew: true,
  })),
]) {
  test(`wishOf() ${isNew ? "changes with" : "stays the same with"} ${name}`, () =>
    assert.equal(wishOf(next) !== wishOf(instanceOf()), isNew));
  test(`Interrupts.notify() ${isNew ? "ends" : "does not end"} a wait for ${name}`, () => {
    const interrupts = new Interrupts();
    const { signal } = interrupts.register(instanceOf());
    interrupts.notify(next);
    assert.equal(signal.aborted, isNew);
  });
}

test("Interrupts.notify() does not end the wait for another instance", () => {
  const interrupts = new Interrupts();
  const { signal } = interrupts.register(instanceOf());
  interrupts.notify(instanceOf({ namespace: "default", generation: 7 }));
  interrupts.notify(instanceOf({ name: "other", generation: 7 }));
  assert.equal(signal.aborted, false);
});

test("Interrupts.notify() does not end what is done", () => {
  const interrupts = new Interrupts();
  const { signal, done } = interrupts.register(instanceOf());
  done();
  interrupts.notify(instanceOf({ generation: 2 }));
  assert.equal(signal.aborted, false);
});

test("Interrupts.interrupt() ends the wait for that instance only", () => {
  const interrupts = new Interrupts();
  const { signal } = interrupts.register(instanceOf());
  const { signal: other } = interrupts.register(instanceOf({ name: "other" }));
  const { name, namespace = "" } = instanceOf().metadata;
  interrupts.interrupt({ namespace, name });
  assert.deepEqual([signal.aborted, other.aborted], [true, false]);
});
