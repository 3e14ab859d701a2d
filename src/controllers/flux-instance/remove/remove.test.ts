import assert from "node:assert/strict";
import { test } from "node:test";
import {
  definition,
  finalizersOf,
  fluxFinalizer,
  managed,
  owned,
  repository,
  world,
} from "../../../../test/support/removable.ts";
import { tableClient } from "../../../../test/support/table-client.ts";
import { TestClock } from "../../../../test/support/test-clock.ts";
import { objectAnnotations } from "../../../api/names.ts";
import { nameObject } from "../../../kube/object-id.ts";
import type { JsonObject, KubeObject } from "../../../kube/object.ts";
import { removeObjects, terminatingOf } from "./remove.ts";

const signal = new AbortController().signal;

function object(
  apiVersion: string,
  kind: string,
  metadata: JsonObject & { name: string },
  more: JsonObject = {},
): KubeObject {
  return { apiVersion, kind, metadata: { namespace: "flux-system", labels: owned, ...metadata }, ...more };
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
  const live = [kustomization, service, controller, crd, repository("a", [fluxFinalizer])];
  const client = tableClient(live);
  const objects = [kustomization, controller, service, crd].map(managed);
  const changes = await removeObjects(objects, world, { client, clock: new TestClock() }, signal);
  assert.deepEqual(client.writes, [
    'patch Kustomization/flux-system/flux-system {"spec":{"suspend":true}}',
    'delete Deployment/flux-system/source-controller {"propagationPolicy":"Foreground"}',
    'patch GitRepository/apps/a {"metadata":{"resourceVersion":"1","finalizers":[]}}',
    'delete Kustomization/flux-system/flux-system {"propagationPolicy":"Background"}',
    'delete CustomResourceDefinition/gitrepositories.source.toolkit.fluxcd.io {"propagationPolicy":"Background"}',
    'delete Service/flux-system/source-controller {"propagationPolicy":"Background"}',
  ]);
  assert.deepEqual(
    changes.map(({ id, action }) => `${id.kind} ${action}`),
    ["Deployment deleted", "Kustomization deleted", "CustomResourceDefinition deleted", "Service deleted"],
  );
});

test("removeObjects() lets the instance's own resources go, and no others, where their CRD is not ours any more", async () => {
  const crd = { ...definition(), metadata: { ...definition().metadata, labels: {} } };
  const own = repository("own", [fluxFinalizer, "example.com/audit"]);
  const ours = { ...own, metadata: { ...own.metadata, namespace: "flux-system", labels: owned } };
  const client = tableClient([crd, ours, repository("theirs", [fluxFinalizer])]);
  await removeObjects([definition(), ours].map(managed), world, { client, clock: new TestClock() }, signal);
  assert.deepEqual(client.writes, [
    'patch GitRepository/flux-system/own {"metadata":{"resourceVersion":"1","finalizers":["example.com/audit"]}}',
    'delete GitRepository/flux-system/own {"propagationPolicy":"Background","resourceVersion":"1"}',
  ]);
});

test("removeObjects() touches nothing else while a controller is still there, and names what holds it", async () => {
  const held = object("apps/v1", "Deployment", { name: "source-controller", finalizers: ["foregroundDeletion"] });
  const client = tableClient([held, service, definition(), repository("a", [fluxFinalizer])]);
  const clock = new TestClock();
  const removal = removeObjects([held, service, definition()].map(managed), world, { client, clock }, signal);
  const refused = assert.rejects(removal, {
    message:
      "Waiting for these objects to be deleted: Deployment/flux-system/source-controller (held by finalizer foregroundDeletion)",
  });
  await clock.advance(world.settings.reconcileTimeoutMs + 1_000);
  await refused;
  assert.deepEqual(
    client.objects().map(nameObject),
    [held, service, definition(), repository("a", [])].map(nameObject),
  );
  assert.deepEqual(finalizersOf(client), { a: [fluxFinalizer] });
});

test("removeObjects() leaves definitions and their resources while a pod of a controller that is gone has not ended", async () => {
  const ownerReferences = [{ kind: "ReplicaSet", name: "source-controller-5d7c" }];
  const pod = object("v1", "Pod", { name: "source-controller-5d7c-x", labels: {}, ownerReferences });
  const client = tableClient([controller, pod, definition(), repository("a", [fluxFinalizer])]);
  const objects = [controller, definition()].map(managed);
  await assert.rejects(removeObjects(objects, world, { client, clock: new TestClock() }, signal), {
    name: "StillThereError",
    message: "Waiting for these objects to be deleted: Pod/flux-system/source-controller-5d7c-x",
  });
  assert.deepEqual(finalizersOf(client), { a: [fluxFinalizer] });
});

for (const { name, kept } of [
  {
    name: "annotated to stay",
    kept: object("apps/v1", "Deployment", { name: "x", annotations: { [objectAnnotations.prune]: "disabled" } }),
  },
  { name: "somebody else's", kept: object("apps/v1", "Deployment", { name: "x", labels: {} }) },
]) {
  test(`removeObjects() leaves definitions and their resources while a controller is ${name}`, async () => {
    const client = tableClient([kept, definition(), repository("a", [fluxFinalizer])]);
    const removal = removeObjects([kept, definition()].map(managed), world, { client, clock: new TestClock() }, signal);
    await assert.rejects(removal, /^RemovalError: Cannot delete Flux's CRDs while Deployment\/flux-system\/x may/);
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

test("terminatingOf() are those whose deletion has not ended", () => {
  const [first, second, third] = [managed(service), managed(controller), managed(kustomization)];
  assert.deepEqual(
    terminatingOf(
      [first, second, third],
      [
        { id: first, action: "kept" },
        { id: second, action: "deleted", isTerminating: true },
        { id: third, action: "deleted" },
      ],
    ),
    [second],
  );
});
