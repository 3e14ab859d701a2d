import assert from "node:assert/strict";
import { test } from "node:test";
import { definition, managed, repository, world } from "../../../../test/support/removable.ts";
import { apiError, tableClient } from "../../../../test/support/table-client.ts";
import { TestClock } from "../../../../test/support/test-clock.ts";
import { inventoryOf } from "../../../apply/inventory.ts";
import { Ledger } from "../../../apply/ledger.ts";
import { formatObjectId, objectIdOf } from "../../../kube/object-id.ts";
import type { JsonObject, KubeObject } from "../../../kube/object.ts";
import type { World } from "../world.ts";
import { removeObjects } from "./remove.ts";
import { uninstall } from "./uninstall.ts";

const signal = new AbortController().signal;
const cleanup = "customresourcecleanup.apiextensions.k8s.io";
const message = "could not list instances: storage is (re)initializing";

/** The CRD of GitRepository while it is being deleted, with that reason in its condition Terminating. */
function ending(reason: string, metadata: JsonObject = {}): KubeObject {
  const more = { uid: "u", resourceVersion: "7", finalizers: [cleanup], deletionTimestamp: "2026-01-01T00:00:00Z" };
  const conditions = [
    { type: "Established", status: "True", reason: "InitialNamesAccepted", message: "" },
    { type: "Terminating", status: "True", reason, message },
  ];
  return { ...definition({ ...more, ...metadata }), status: { conditions } };
}

/** The watches have seen the object. */
function seeing(object: KubeObject): World {
  return { ...world, live: new Map([[formatObjectId(objectIdOf(object)), object.metadata]]) };
}

const retry = [
  'patch CustomResourceDefinition/gitrepositories.source.toolkit.fluxcd.io {"metadata":{"uid":"u","resourceVersion":"7","annotations":{"fluxcd.controlplane.io/deletionRetriedAt":"1970-01-01T00:00:00.000000Z"}}}',
];

for (const { name, live, writes } of [
  { name: "has failed to delete its resources", live: [ending("InstanceDeletionFailed")], writes: retry },
  {
    name: "has failed, and resources are left",
    live: [ending("InstanceDeletionFailed"), repository("a", [])],
    writes: retry,
  },
  { name: "has waited for them, and none is left", live: [ending("InstanceDeletionCheck")], writes: retry },
  {
    name: "has waited for them, and one is left",
    live: [ending("InstanceDeletionCheck"), repository("a", ["example.com/x"])],
    writes: [],
  },
  { name: "is at work on it", live: [ending("InstanceDeletionInProgress")], writes: [] },
] satisfies readonly { name: string; live: readonly [KubeObject, ...KubeObject[]]; writes: readonly string[] }[]) {
  test(`removeObjects() ${writes.length > 0 ? "changes" : "leaves"} a definition that is being deleted, where the API server ${name}`, async () => {
    const client = tableClient(live);
    const deps = { client, clock: new TestClock() };
    await removeObjects([managed(live[0])], seeing(live[0]), deps, signal);
    assert.deepEqual(client.writes, writes);
  });
}

test("removeObjects() leaves a definition that is not ours, whatever has failed", async () => {
  const theirs = ending("InstanceDeletionFailed", { labels: {} });
  const client = tableClient([theirs]);
  await removeObjects([managed(theirs)], seeing(theirs), { client, clock: new TestClock() }, signal);
  assert.deepEqual(client.writes, []);
});

for (const { name, error, ends } of [
  { name: "another client has just changed", error: apiError(409, "Conflict"), ends: "well" },
  { name: "is gone by now", error: apiError(404, "NotFound"), ends: "well" },
  { name: "it may not change", error: apiError(403, "Forbidden"), ends: "with that error" },
]) {
  test(`removeObjects() ends ${ends} for a failed definition that ${name}`, async () => {
    const failed = ending("InstanceDeletionFailed");
    const client = tableClient([failed], { refuse: (verb) => (verb === "patch" ? error : undefined) });
    const removal = removeObjects([managed(failed)], seeing(failed), { client, clock: new TestClock() }, signal);
    await (ends === "well" ? removal : assert.rejects(removal, error));
  });
}

test("uninstall() tells with what the API server has failed", async () => {
  const failed = ending("InstanceDeletionFailed");
  const recorded = { conditions: [], inventory: { entries: inventoryOf([failed]) } };
  const clock = new TestClock();
  const deps = { client: tableClient([failed]), clock, ledger: new Ledger() };
  const removal = uninstall("Uninstall", { ...seeing(failed), recorded }, deps, signal);
  const refused = assert.rejects(removal, {
    message: `Waiting for these objects to be deleted: CustomResourceDefinition/gitrepositories.source.toolkit.fluxcd.io (held by finalizer ${cleanup}; the API server says: ${message})`,
  });
  await clock.advance(world.settings.reconcileTimeoutMs + 1_000);
  await refused;
});
