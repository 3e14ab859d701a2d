import assert from "node:assert/strict";
import { test } from "node:test";
import {
  definition,
  finalizersOf,
  fluxFinalizer,
  managed,
  repository,
  world,
} from "../../../../test/support/removable.ts";
import { apiError, tableClient, type TableClient } from "../../../../test/support/table-client.ts";
import type { KubeObject } from "../../../kube/object.ts";
import { removeFluxFinalizers } from "./custom-resources.ts";

const signal = new AbortController().signal;
const clock = { sleep: async () => undefined };
const all = { definition: managed(definition()), isReleased: () => true };

for (const { name, crd, items, want } of [
  {
    name: "takes off Flux's fluxFinalizer, and no other",
    crd: definition(),
    items: [
      repository("a", [fluxFinalizer]),
      repository("b", ["example.com/x", fluxFinalizer]),
      repository("c", ["example.com/x"]),
    ],
    want: { a: [], b: ["example.com/x"], c: ["example.com/x"] },
  },
  {
    name: "does nothing about a definition that is gone",
    crd: undefined,
    items: [repository("a", [fluxFinalizer])],
    want: { a: [fluxFinalizer] },
  },
  {
    name: "leaves the resources of a definition alone that is somebody else's",
    crd: definition({ labels: {} }),
    items: [repository("a", [fluxFinalizer])],
    want: { a: [fluxFinalizer] },
  },
]) {
  test(`removeFluxFinalizers() ${name}`, async () => {
    const client = tableClient([...(crd === undefined ? [] : [crd]), ...items]);
    await removeFluxFinalizers(all, world, { client, clock }, signal);
    assert.deepEqual(finalizersOf(client), want);
  });
}

for (const { name, versions, want } of [
  {
    name: "the stored version",
    versions: [
      { name: "v1beta1", served: true, storage: false },
      { name: "v1", served: true, storage: true },
    ],
    want: ["v1"],
  },
  {
    name: "a served version where the stored one is not served",
    versions: [
      { name: "v1", served: false, storage: true },
      { name: "v1beta2", served: true, storage: false },
    ],
    want: ["v1beta2"],
  },
  { name: "nothing where no version is served", versions: [{ name: "v1", served: false, storage: true }], want: [] },
]) {
  test(`removeFluxFinalizers() asks for ${name}`, async () => {
    const crd: KubeObject = {
      ...definition(),
      spec: { group: "source.toolkit.fluxcd.io", names: { kind: "GitRepository" }, versions },
    };
    const client = tableClient([crd]);
    const asked: string[] = [];
    const listPage: TableClient["listPage"] = (gvk, options, listSignal) => {
      asked.push(gvk.version);
      return client.listPage(gvk, options, listSignal);
    };
    await removeFluxFinalizers(
      { ...all, definition: managed(crd) },
      world,
      { client: { ...client, listPage }, clock },
      signal,
    );
    assert.deepEqual(asked, want);
  });
}

test("removeFluxFinalizers() reads a resource anew that somebody else wrote at the same moment", async () => {
  const seen = repository("a", [fluxFinalizer]);
  const fresh = repository("a", [fluxFinalizer, "example.com/new"], "2");
  const answers = [apiError(409, "Conflict")];
  const client = tableClient([definition(), fresh], {
    refuse: (verb) => (verb === "patch" ? answers.shift() : undefined),
  });
  const listPage: TableClient["listPage"] = async () => ({ items: [seen], resourceVersion: "1", next: undefined });
  await removeFluxFinalizers(all, world, { client: { ...client, listPage }, clock }, signal);
  assert.deepEqual(client.writes, [
    'patch GitRepository/apps/a {"metadata":{"resourceVersion":"2","finalizers":["example.com/new"]}}',
  ]);
});

test("removeFluxFinalizers() gives up, after ever longer pauses, on a resource that somebody else writes all the time", async () => {
  const conflict = apiError(409, "Conflict");
  const client = tableClient([definition(), repository("a", [fluxFinalizer])], {
    refuse: (verb) => (verb === "patch" ? conflict : undefined),
  });
  const pausesMs: number[] = [];
  const deps = { client, clock: { sleep: async (ms: number) => void pausesMs.push(ms) } };
  await assert.rejects(removeFluxFinalizers(all, world, deps, signal), conflict);
  assert.deepEqual(pausesMs, [10, 20, 40, 80, 160, 320, 640, 1_000, 1_000]);
});

test("removeFluxFinalizers() takes a resource that goes meanwhile for released", async () => {
  const client = tableClient([definition(), repository("a", [fluxFinalizer])], {
    refuse: (verb) => (verb === "patch" ? apiError(404, "NotFound") : undefined),
  });
  await removeFluxFinalizers(all, world, { client, clock }, signal);
  assert.deepEqual(client.writes, []);
});

test("removeFluxFinalizers() throws when it may not take off a finalizer", async () => {
  const forbidden = apiError(403, "Forbidden");
  const client = tableClient([definition(), repository("a", [fluxFinalizer])], {
    refuse: (verb) => (verb === "patch" ? forbidden : undefined),
  });
  await assert.rejects(removeFluxFinalizers(all, world, { client, clock }, signal), forbidden);
});
