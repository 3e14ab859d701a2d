import assert from "node:assert/strict";
import { test } from "node:test";
import { apiError, tableClient, type TableClient } from "../../../test/support/table-client.ts";
import { fluxInstance, labels } from "../../api/names.ts";
import type { ManagedObject } from "../../apply/inventory.ts";
import { gvkOf } from "../../kube/gvk.ts";
import type { JsonObject, KubeObject } from "../../kube/object.ts";
import { releaseResources } from "./custom-resources.ts";
import { worldOf } from "./world.ts";

const signal = new AbortController().signal;
const finalizer = "finalizers.fluxcd.io";
const owned = { [labels.ownerName]: "flux", [labels.ownerNamespace]: "flux-system" };
const world = worldOf(
  {
    apiVersion: fluxInstance.storageApiVersion,
    kind: fluxInstance.kind,
    metadata: { name: "flux", namespace: "flux-system" },
  },
  new Map(),
  "flux-system",
);

function managed(live: KubeObject): ManagedObject {
  const { name, namespace = "" } = live.metadata;
  return { ...gvkOf(live), namespace, name };
}

function definition(metadata: JsonObject = {}): KubeObject {
  const versions = [
    { name: "v1beta1", served: true, storage: false },
    { name: "v1", served: true, storage: true },
  ];
  const spec = { group: "source.toolkit.fluxcd.io", names: { kind: "GitRepository" }, versions };
  const named = { name: "gitrepositories.source.toolkit.fluxcd.io", labels: owned, ...metadata };
  return { apiVersion: "apiextensions.k8s.io/v1", kind: "CustomResourceDefinition", metadata: named, spec };
}

function repository(name: string, finalizers: readonly string[], resourceVersion = "1"): KubeObject {
  return {
    apiVersion: "source.toolkit.fluxcd.io/v1",
    kind: "GitRepository",
    metadata: { name, namespace: "apps", finalizers, resourceVersion },
  };
}

function finalizersOf(client: TableClient): JsonObject {
  const held = client.objects().filter(({ kind }) => kind === "GitRepository");
  return Object.fromEntries(held.map(({ metadata }) => [metadata.name, metadata.finalizers ?? []]));
}

for (const { name, crd, items, want } of [
  {
    name: "takes off Flux's finalizer, and no other",
    crd: definition(),
    items: [
      repository("a", [finalizer]),
      repository("b", ["example.com/x", finalizer]),
      repository("c", ["example.com/x"]),
    ],
    want: { a: [], b: ["example.com/x"], c: ["example.com/x"] },
  },
  {
    name: "does nothing about a definition that is gone",
    crd: undefined,
    items: [repository("a", [finalizer])],
    want: { a: [finalizer] },
  },
  {
    name: "leaves the resources of a definition alone that is somebody else's",
    crd: definition({ labels: {} }),
    items: [repository("a", [finalizer])],
    want: { a: [finalizer] },
  },
]) {
  test(`releaseResources() ${name}`, async () => {
    const client = tableClient([...(crd === undefined ? [] : [crd]), ...items]);
    await releaseResources(managed(definition()), world, { client }, signal);
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
  test(`releaseResources() asks for ${name}`, async () => {
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
    await releaseResources(managed(crd), world, { client: { ...client, listPage } }, signal);
    assert.deepEqual(asked, want);
  });
}

test("releaseResources() reads a resource anew that somebody else wrote at the same moment", async () => {
  const seen = repository("a", [finalizer]);
  const fresh = repository("a", [finalizer, "example.com/new"], "2");
  const answers = [apiError(409, "Conflict")];
  const client = tableClient([definition(), fresh], {
    refuse: (verb) => (verb === "patch" ? answers.shift() : undefined),
  });
  const listPage: TableClient["listPage"] = async () => ({ items: [seen], resourceVersion: "1", next: undefined });
  await releaseResources(managed(definition()), world, { client: { ...client, listPage } }, signal);
  assert.deepEqual(client.writes, [
    'patch GitRepository/apps/a {"metadata":{"resourceVersion":"2","finalizers":["example.com/new"]}}',
  ]);
});

test("releaseResources() takes a resource that goes meanwhile for released", async () => {
  const client = tableClient([definition(), repository("a", [finalizer])], {
    refuse: (verb) => (verb === "patch" ? apiError(404, "NotFound") : undefined),
  });
  await releaseResources(managed(definition()), world, { client }, signal);
  assert.deepEqual(client.writes, []);
});

test("releaseResources() throws when it may not take off a finalizer", async () => {
  const forbidden = apiError(403, "Forbidden");
  const client = tableClient([definition(), repository("a", [finalizer])], {
    refuse: (verb) => (verb === "patch" ? forbidden : undefined),
  });
  await assert.rejects(releaseResources(managed(definition()), world, { client }, signal), forbidden);
});
