import assert from "node:assert/strict";
import { test } from "node:test";
import { apiError, tableClient, type TableClient } from "../../../test/support/table-client.ts";
import { fluxInstance, labels, objectAnnotations } from "../../api/names.ts";
import type { ManagedObject } from "../../apply/inventory.ts";
import { gvkOf } from "../../kube/gvk.ts";
import type { JsonObject, KubeObject } from "../../kube/object.ts";
import { nameObject } from "../../kube/object-id.ts";
import { TestClock } from "../../std/test-clock.ts";
import { deletedOf, releaseResources, removeObjects } from "./remove.ts";
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

function object(
  apiVersion: string,
  kind: string,
  metadata: JsonObject & { name: string },
  more: JsonObject = {},
): KubeObject {
  return { apiVersion, kind, metadata: { namespace: "flux-system", labels: owned, ...metadata }, ...more };
}

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

const controller = object("apps/v1", "Deployment", { name: "source-controller" });
const service = object("v1", "Service", { name: "source-controller" });
const kustomization = object(
  "kustomize.toolkit.fluxcd.io/v1",
  "Kustomization",
  { name: "flux-system" },
  { spec: { prune: true } },
);

test("removeObjects() suspends Kustomizations, stops controllers, releases resources, and then removes the rest", async () => {
  const crd = definition();
  const live = [kustomization, service, controller, crd, repository("a", [finalizer])];
  const client = tableClient(live);
  const objects = [kustomization, controller, service, crd].map(managed);
  const changes = await removeObjects(objects, world, { client, clock: new TestClock() }, signal);
  assert.deepEqual(client.writes, [
    'patch Kustomization/flux-system/flux-system {"spec":{"suspend":true,"prune":false}}',
    'delete Deployment/flux-system/source-controller {"propagationPolicy":"Foreground"}',
    'patch GitRepository/apps/a {"metadata":{"resourceVersion":"1","finalizers":[]}}',
    'delete Kustomization/flux-system/flux-system {"propagationPolicy":"Background"}',
    'delete Service/flux-system/source-controller {"propagationPolicy":"Background"}',
    'delete CustomResourceDefinition/gitrepositories.source.toolkit.fluxcd.io {"propagationPolicy":"Background"}',
  ]);
  assert.deepEqual(
    changes.map(({ id, action }) => `${id.kind} ${action}`),
    ["Deployment deleted", "Kustomization deleted", "Service deleted", "CustomResourceDefinition deleted"],
  );
});

test("removeObjects() touches nothing else while a controller is still there, and names what holds it", async () => {
  const held = object("apps/v1", "Deployment", { name: "source-controller", finalizers: ["foregroundDeletion"] });
  const client = tableClient([held, service, definition(), repository("a", [finalizer])]);
  const clock = new TestClock();
  const removal = removeObjects([held, service, definition()].map(managed), world, { client, clock }, signal);
  const refused = assert.rejects(removal, {
    message:
      "Cannot go on before these objects are gone: Deployment/flux-system/source-controller (held by finalizer foregroundDeletion)",
  });
  await clock.advance(world.settings.reconcileTimeoutMs + 1_000);
  await refused;
  assert.deepEqual(
    client.objects().map(nameObject),
    [held, service, definition(), repository("a", [])].map(nameObject),
  );
  assert.deepEqual(finalizersOf(client), { a: [finalizer] });
});

for (const { name, kept } of [
  {
    name: "annotated to stay",
    kept: object("apps/v1", "Deployment", { name: "x", annotations: { [objectAnnotations.prune]: "disabled" } }),
  },
  { name: "somebody else's", kept: object("apps/v1", "Deployment", { name: "x", labels: {} }) },
]) {
  test(`removeObjects() leaves definitions and their resources while a controller is ${name}`, async () => {
    const client = tableClient([kept, definition(), repository("a", [finalizer])]);
    const removal = removeObjects([kept, definition()].map(managed), world, { client, clock: new TestClock() }, signal);
    await assert.rejects(
      removal,
      /^RemovalError: Cannot remove Flux's definitions while Deployment\/flux-system\/x may/,
    );
    assert.deepEqual(client.writes, []);
  });

  test(`removeObjects() removes the rest while a controller is ${name} and no definition goes`, async () => {
    const client = tableClient([kept, service]);
    await removeObjects([kept, service].map(managed), world, { client, clock: new TestClock() }, signal);
    assert.deepEqual(client.objects(), [kept]);
  });
}

for (const { name, metadata } of [
  { name: "somebody else's", metadata: { labels: {} } },
  { name: "to be kept", metadata: { annotations: { [objectAnnotations.prune]: "disabled" } } },
]) {
  test(`removeObjects() does not suspend a Kustomization that is ${name}`, async () => {
    const kept = object("kustomize.toolkit.fluxcd.io/v1", "Kustomization", { name: "flux-system", ...metadata });
    const client = tableClient([kept]);
    await removeObjects([managed(kept)], world, { client, clock: new TestClock() }, signal);
    assert.deepEqual(client.writes, []);
  });
}

test("removeObjects() may be repeated when all is gone", async () => {
  const client = tableClient([]);
  const objects = [kustomization, controller, service, definition()].map(managed);
  const changes = await removeObjects(objects, world, { client, clock: new TestClock() }, signal);
  assert.deepEqual(
    { writes: client.writes, actions: changes.map(({ action }) => action) },
    {
      writes: [],
      actions: ["deleted", "deleted", "deleted", "deleted"],
    },
  );
});

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
    await releaseResources(managed(definition()), world, { client, clock: new TestClock() }, signal);
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
    const list: TableClient["list"] = (gvk, options, listSignal) => {
      asked.push(gvk.version);
      return client.list(gvk, options, listSignal);
    };
    await releaseResources(managed(crd), world, { client: { ...client, list }, clock: new TestClock() }, signal);
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
  const list: TableClient["list"] = async () => ({ items: [seen], resourceVersion: "1" });
  await releaseResources(managed(definition()), world, { client: { ...client, list }, clock: new TestClock() }, signal);
  assert.deepEqual(client.writes, [
    'patch GitRepository/apps/a {"metadata":{"resourceVersion":"2","finalizers":["example.com/new"]}}',
  ]);
});

test("releaseResources() takes a resource that goes meanwhile for released", async () => {
  const client = tableClient([definition(), repository("a", [finalizer])], {
    refuse: (verb) => (verb === "patch" ? apiError(404, "NotFound") : undefined),
  });
  await releaseResources(managed(definition()), world, { client, clock: new TestClock() }, signal);
  assert.deepEqual(client.writes, []);
});

test("releaseResources() throws when it may not take off a finalizer", async () => {
  const forbidden = apiError(403, "Forbidden");
  const client = tableClient([definition(), repository("a", [finalizer])], {
    refuse: (verb) => (verb === "patch" ? forbidden : undefined),
  });
  await assert.rejects(
    releaseResources(managed(definition()), world, { client, clock: new TestClock() }, signal),
    forbidden,
  );
});

test("deletedOf() are those that were deleted, and not kept", () => {
  const [first, second] = [managed(service), managed(controller)];
  assert.deepEqual(
    deletedOf(
      [first, second],
      [
        { id: first, action: "kept" },
        { id: second, action: "deleted" },
      ],
    ),
    [second],
  );
});
