import assert from "node:assert/strict";
import { test } from "node:test";
import { fluxInstance, instanceAnnotations } from "../../../api/names.ts";
import type { JsonObject, KubeObject } from "../../../kube/object.ts";
import { Interrupts, desiredTextOf, isNewsOf } from "./interrupts.ts";

const key = { namespace: "flux-system", name: "flux" };

function instanceOf(metadata: JsonObject = {}, rest: JsonObject = {}): KubeObject {
  return {
    apiVersion: fluxInstance.storageApiVersion,
    kind: fluxInstance.kind,
    metadata: { name: "flux", namespace: "flux-system", uid: "1", generation: 1, ...metadata },
    ...rest,
  };
}

function later(instance: KubeObject): KubeObject {
  return { ...instance, metadata: { ...instance.metadata, resourceVersion: "11" } };
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
  test(`desiredTextOf() ${isNew ? "changes with" : "stays the same with"} ${name}`, () =>
    assert.equal(desiredTextOf(next) !== desiredTextOf(instanceOf()), isNew));
  test(`Interrupts.notify() ${isNew ? "ends" : "does not end"} a wait for ${name}`, () => {
    const interrupts = new Interrupts();
    const { signal, expect } = interrupts.begin(key);
    expect(instanceOf());
    interrupts.notify(later(next));
    assert.equal(signal.aborted, isNew);
  });
  test(`Interrupts.notify() ${isNew ? "ends" : "does not end"} a wait for ${name} that came while the instance was read`, () => {
    const interrupts = new Interrupts();
    const { signal, expect } = interrupts.begin(key);
    interrupts.notify(later(next));
    expect(instanceOf({ resourceVersion: "9" }));
    assert.equal(signal.aborted, isNew);
  });
}

function waiting(name = key.name): {
  readonly interrupts: Interrupts;
  readonly signal: AbortSignal;
  readonly done: () => void;
} {
  const interrupts = new Interrupts();
  const { signal, expect, done } = interrupts.begin({ ...key, name });
  expect(instanceOf({ name }));
  return { interrupts, signal, done };
}

test("Interrupts.notify() does not end a wait for what has been read since", () => {
  const interrupts = new Interrupts();
  const { signal, expect } = interrupts.begin(key);
  interrupts.notify(instanceOf({ resourceVersion: "9" }));
  expect(instanceOf({ resourceVersion: "11", generation: 3 }));
  interrupts.notify(instanceOf({ resourceVersion: "10", generation: 2 }));
  assert.equal(signal.aborted, false);
});

test("Interrupts.notify() does not end the wait for another instance", () => {
  const { interrupts, signal } = waiting();
  interrupts.notify(later(instanceOf({ namespace: "default", generation: 7 })));
  interrupts.notify(later(instanceOf({ name: "other", generation: 7 })));
  assert.equal(signal.aborted, false);
});

test("Interrupts.notify() does not end what is done", () => {
  const { interrupts, signal, done } = waiting();
  done();
  interrupts.notify(later(instanceOf({ generation: 2 })));
  assert.equal(signal.aborted, false);
});

for (const { name, other, aborted } of [
  { name: "ends the wait for that instance", other: key, aborted: true },
  { name: "does not end the wait for another instance", other: { ...key, name: "other" }, aborted: false },
]) {
  test(`Interrupts.interrupt() ${name}`, () => {
    const { interrupts, signal } = waiting();
    interrupts.interrupt(other);
    assert.equal(signal.aborted, aborted);
  });
}

test("Interrupts.interrupt() does not end what has not begun to read", () => {
  const interrupts = new Interrupts();
  const { signal, expect } = interrupts.begin(key);
  interrupts.interrupt(key);
  expect(instanceOf());
  assert.equal(signal.aborted, false);
});

const told = { status: { conditions: [{ type: "Ready", status: "False" }] } };
for (const { name, previous, now, isNews } of [
  { name: "another generation", previous: instanceOf(), now: instanceOf({ generation: 2 }), isNews: true },
  { name: "a lost status", previous: instanceOf({}, told), now: instanceOf(), isNews: true },
  {
    name: "a lost status, in the place of which is the default",
    previous: instanceOf({}, told),
    now: instanceOf({}, { status: { observedGeneration: -1 } }),
    isNews: true,
  },
  { name: "a first status", previous: instanceOf(), now: instanceOf({}, told), isNews: false },
  { name: "no status before and after", previous: instanceOf(), now: later(instanceOf()), isNews: false },
]) {
  test(`isNewsOf() is ${isNews} for ${name}`, () => assert.equal(isNewsOf(previous, now), isNews));
}
