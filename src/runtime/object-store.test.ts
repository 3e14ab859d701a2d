import assert from "node:assert/strict";
import { test } from "node:test";

import type { KubeObject } from "../kube/object.ts";
import { ObjectStore } from "./object-store.ts";

function pod(name: string, resourceVersion: string): KubeObject {
  return { apiVersion: "v1", kind: "Pod", metadata: { name, namespace: "n", resourceVersion } };
}

function storeWith(...objects: readonly KubeObject[]): ObjectStore {
  const store = new ObjectStore({ keep: (object) => object });
  store.replace(objects);
  return store;
}

test("ObjectStore.replace() answers with all that differs, the missing as deleted in their last state", () => {
  const store = storeWith(pod("kept", "1"), pod("changed", "2"), pod("missed", "3"));
  const changes = store.replace([pod("kept", "1"), pod("changed", "5"), pod("new", "6")]);
  assert.deepEqual(changes, [
    { kind: "updated", object: pod("changed", "5"), previous: pod("changed", "2") },
    { kind: "added", object: pod("new", "6") },
    { kind: "deleted", object: pod("missed", "3") },
  ]);
  assert.deepEqual(
    store.list().map(({ metadata }) => metadata.name),
    ["kept", "changed", "new"],
  );
});

for (const { name, act, want, left } of [
  {
    name: "put() of a new object adds",
    act: (store: ObjectStore) => store.put(pod("b", "2")),
    want: [{ kind: "added", object: pod("b", "2") }],
    left: ["a", "b"],
  },
  {
    name: "put() of the same version is no change",
    act: (store: ObjectStore) => store.put(pod("a", "1")),
    want: [],
    left: ["a"],
  },
  {
    name: "put() of another version updates",
    act: (store: ObjectStore) => store.put(pod("a", "2")),
    want: [{ kind: "updated", object: pod("a", "2"), previous: pod("a", "1") }],
    left: ["a"],
  },
  {
    name: "remove() tells the state that came with it",
    act: (store: ObjectStore) => store.remove(pod("a", "9")),
    want: [{ kind: "deleted", object: pod("a", "9") }],
    left: [],
  },
]) {
  test(`ObjectStore.${name}`, () => {
    const store = storeWith(pod("a", "1"));
    assert.deepEqual(act(store), want);
    assert.deepEqual(
      store.list().map(({ metadata }) => metadata.name),
      left,
    );
  });
}
