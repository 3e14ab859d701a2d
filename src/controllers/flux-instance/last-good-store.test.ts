import assert from "node:assert/strict";
import { test } from "node:test";
import { releaseOf } from "../../../test/support/small-release.ts";
import { apiError } from "../../../test/support/table-client.ts";
import { fluxInstance } from "../../api/names.ts";
import type { KubeObject } from "../../kube/object.ts";
import type { LastGoodRecord } from "./last-good.ts";
import { LastGoodStore } from "./last-good-store.ts";

const signal = new AbortController().signal;
const instance: KubeObject = {
  apiVersion: fluxInstance.storageApiVersion,
  kind: fluxInstance.kind,
  metadata: { name: "flux", namespace: "flux-system", uid: "one" },
};
const record: LastGoodRecord = {
  good: { spec: {}, release: releaseOf("2.9.0"), version: "2.9.0", revision: "v2.9.0@sha256:0", generation: 1 },
};

/** One ConfigMap behind the client's methods, and how often it was written. */
function storeOf(refusal?: Error): { store: LastGoodStore; kept: () => KubeObject | undefined; writes: () => number } {
  let kept: KubeObject | undefined;
  let writes = 0;
  const client = {
    getOrUndefined: async () => {
      if (refusal !== undefined) throw refusal;
      return await Promise.resolve(kept);
    },
    apply: async (object: KubeObject) => {
      writes += 1;
      kept = { ...object, metadata: { ...object.metadata, uid: "map", resourceVersion: `${writes}` } };
      return await Promise.resolve(kept);
    },
    delete: async () => {
      kept = undefined;
      return await Promise.resolve({ kind: "deleted" } as const);
    },
  };
  return { store: new LastGoodStore(client), kept: () => kept, writes: () => writes };
}

test("LastGoodStore.write() writes what is new, and the same only once", async () => {
  const { store, writes } = storeOf();
  await store.write(instance, record, await store.read(instance, signal), signal);
  await store.write(instance, record, await store.read(instance, signal), signal);
  assert.equal(writes(), 1);
  const next = { good: { ...record.good, spec: { wait: false } } };
  await store.write(instance, next, await store.read(instance, signal), signal);
  assert.equal(writes(), 2);
  assert.deepEqual(await store.read(instance, signal), { kind: "known", ...next });
});

test("LastGoodStore.write() replaces what is damaged", async () => {
  const { store, writes } = storeOf();
  await store.write(instance, record, { kind: "damaged", message: "Cannot read it" }, signal);
  assert.equal(writes(), 1);
});

test("LastGoodStore.write() leaves the same record as it is, though the status does not name it", async () => {
  const { store, writes } = storeOf();
  await store.write(instance, record, { kind: "absent" }, signal);
  await store.read(instance, signal);
  await store.write(instance, record, { kind: "damaged", message: "Not the record that the status names" }, signal);
  assert.equal(writes(), 1);
});

test("LastGoodStore.read() gives the very same value while the ConfigMap is the same, in a new process too", async () => {
  const { store, kept } = storeOf();
  await store.write(instance, record, { kind: "absent" }, signal);
  assert.equal(await readRelease(store), record.good.release);
  const anew = new LastGoodStore({ ...unused, getOrUndefined: async () => await Promise.resolve(kept()) });
  const release = await readRelease(anew);
  assert.deepEqual(release, record.good.release);
  assert.equal(await readRelease(anew), release);
});

async function readRelease(store: LastGoodStore): Promise<unknown> {
  const state = await store.read(instance, signal);
  return state.kind === "known" ? state.good.release : state;
}

const unused = {
  apply: () => Promise.reject(new Error("not asked")),
  delete: () => Promise.reject(new Error("not asked")),
};

test("LastGoodStore.read() knows nothing before the first write and after remove()", async () => {
  const { store } = storeOf();
  assert.deepEqual(await store.read(instance, signal), { kind: "absent" });
  await store.write(instance, record, { kind: "absent" }, signal);
  await store.remove(instance, signal);
  assert.deepEqual(await store.read(instance, signal), { kind: "absent" });
});

test("LastGoodStore.read() says so when it may not read, and throws what is no answer to that", async () => {
  const forbidden = apiError(403, "Forbidden");
  assert.deepEqual(await storeOf(forbidden).store.read(instance, signal), {
    kind: "damaged",
    message: forbidden.message,
  });
  const busy = apiError(500, "InternalError");
  await assert.rejects(storeOf(busy).store.read(instance, signal), busy);
});
