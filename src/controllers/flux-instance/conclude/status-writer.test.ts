import assert from "node:assert/strict";
import { test } from "node:test";
import { apiError, tableClient } from "../../../../test/support/table-client.ts";
import { fluxInstance } from "../../../api/names.ts";
import type { JsonObject, KubeObject } from "../../../kube/object.ts";
import { StatusWriter } from "./status-writer.ts";

const signal = new AbortController().signal;

function instanceOf(status: JsonObject): KubeObject {
  return {
    apiVersion: fluxInstance.storageApiVersion,
    kind: fluxInstance.kind,
    metadata: { name: "flux", namespace: "flux-system", uid: "u1" },
    spec: {},
    status,
  };
}

const ready = {
  type: "Ready",
  status: "True",
  reason: "ReconciliationSucceeded",
  message: "a",
  lastTransitionTime: "2026-01-01T00:00:00Z",
} as const;
const entries = [{ id: "_a__Namespace", v: "v1" }];
const recorded = { observedGeneration: 1, conditions: [ready], inventory: { entries }, latestVersion: "2.9.0" };

for (const { name, status, patch } of [
  {
    name: "nothing when nothing differs",
    status: { ...recorded, inventory: { entries: [...entries] } },
    patch: undefined,
  },
  {
    name: "nothing for a field that is undefined on both sides",
    status: { ...recorded, lastAppliedVersion: undefined },
    patch: undefined,
  },
  {
    name: "only what differs",
    status: { ...recorded, observedGeneration: 2, lastAppliedVersion: "2.9.0" },
    patch: { observedGeneration: 2, lastAppliedVersion: "2.9.0" },
  },
  {
    name: "lists as a whole",
    status: { ...recorded, conditions: [ready, { ...ready, type: "UpToDate" }] },
    patch: { conditions: [ready, { ...ready, type: "UpToDate" }] },
  },
  {
    name: "null for what is to go",
    status: { observedGeneration: 1, conditions: [ready], inventory: { entries } },
    patch: { latestVersion: null },
  },
  {
    name: "null for what is set to undefined",
    status: { ...recorded, latestVersion: undefined },
    patch: { latestVersion: null },
  },
]) {
  test(`StatusWriter.write() writes ${name}`, async () => {
    const instance = instanceOf(recorded);
    const client = tableClient([instance]);
    // What is undefined has no place in FluxInstanceStatus; spread of optional parts may leave it at run time.
    const written = await new StatusWriter(instance, client).write(status as typeof recorded, signal);
    const wanted = `patch FluxInstance/flux-system/flux/status ${JSON.stringify({ metadata: { uid: "u1" }, status: patch })}`;
    assert.deepEqual(
      { written, writes: client.writes },
      { written: patch !== undefined, writes: patch === undefined ? [] : [wanted] },
    );
  });
}

test("StatusWriter.write() takes a field of an object away, which a merge patch would keep", async () => {
  const plan = { to: "2.9.0", revision: "v2.9.0@sha256:1", images: [] };
  const instance = instanceOf({ ...recorded, plan: { ...plan, startedAt: "2026-01-01T00:00:00Z" } });
  const client = tableClient([instance]);
  await new StatusWriter(instance, client).write({ ...recorded, plan: { ...plan, to: "2.9.1" } }, signal);
  const status = { plan: { startedAt: null, to: "2.9.1" } };
  assert.deepEqual(client.writes, [
    `patch FluxInstance/flux-system/flux/status ${JSON.stringify({ metadata: { uid: "u1" }, status })}`,
  ]);
});

test("StatusWriter.write() compares with what it has written itself", async () => {
  const instance = instanceOf({});
  const client = tableClient([instance]);
  const writer = new StatusWriter(instance, client);
  const written = [await writer.write(recorded, signal), await writer.write(recorded, signal)];
  assert.deepEqual({ written, status: client.objects()[0]?.["status"] }, { written: [true, false], status: recorded });
});

test("StatusWriter.write() writes again what could not be written", async () => {
  const instance = instanceOf({});
  const conflict = apiError(409, "Conflict");
  const answers = [conflict];
  const client = tableClient([instance], { refuse: () => answers.shift() });
  const writer = new StatusWriter(instance, client);
  await assert.rejects(writer.write(recorded, signal), conflict);
  assert.equal(await writer.write(recorded, signal), true);
});

test("StatusWriter.write() leaves out lists that say nothing", async () => {
  const instance = instanceOf({});
  const client = tableClient([instance]);
  const plan = { to: "2.9.0", revision: "v2.9.0@sha256:1", images: [], added: 1, changed: 0, removed: 0 };
  const next = { conditions: [], patches: [], plan: { ...plan, droppedVersions: [], objectsLosingFields: [] } };
  await new StatusWriter(instance, client).write(next, signal);
  assert.deepEqual(client.objects()[0]?.["status"], { conditions: [], plan });
});
