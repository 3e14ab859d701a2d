import assert from "node:assert/strict";
import { test } from "node:test";
import { apiError, tableClient } from "../../../../test/support/table-client.ts";
import type { JsonObject, KubeObject } from "../../../kube/object.ts";
import { readSyncHealth } from "./sync-health.ts";

const signal = new AbortController().signal;

function sync(kind: string, fields: JsonObject = {}): KubeObject {
  const group = kind === "Kustomization" ? "kustomize" : "source";
  const metadata = { name: "flux-system", namespace: "flux-system", generation: 1 };
  return { apiVersion: `${group}.toolkit.fluxcd.io/v1`, kind, metadata, ...fields };
}

function withConditions(...conditions: readonly JsonObject[]): JsonObject {
  return { spec: {}, status: { observedGeneration: 1, conditions } };
}

const wanted = [sync("GitRepository"), sync("Kustomization")];
const ready = withConditions({ type: "Ready", status: "True", reason: "Succeeded" });
const failed = withConditions({
  type: "Ready",
  status: "False",
  reason: "GitOperationFailed",
  message: "no such branch",
});
const stalled = withConditions({ type: "Stalled", status: "True", reason: "URLInvalid", message: "the URL is wrong" });
const working = withConditions(
  { type: "Reconciling", status: "True", reason: "Progressing", message: "fetches" },
  { type: "Ready", status: "Unknown", reason: "Progressing" },
);
const retrying = withConditions(
  { type: "Reconciling", status: "True", reason: "ProgressingWithRetry", message: "tries again" },
  { type: "Ready", status: "False", reason: "HealthCheckFailed" },
);
const suspended = { spec: { suspend: true }, status: ready["status"] ?? {} };

const [source, kustomization] = ["GitRepository/flux-system/flux-system", "Kustomization/flux-system/flux-system"];
const bothReady = { GitRepository: ready, Kustomization: ready };

for (const { name, live, status, reason, message } of [
  {
    name: "True when both are ready",
    live: bothReady,
    status: "True",
    reason: "SyncSucceeded",
    message: `${source} is ready; ${kustomization} is ready`,
  },
  {
    name: "False when the source is missing",
    live: { Kustomization: ready },
    status: "False",
    reason: "SyncFailed",
    message: `${source} is missing; ${kustomization} is ready`,
  },
  {
    name: "False when the source fails",
    live: { ...bothReady, GitRepository: failed },
    status: "False",
    reason: "SyncFailed",
    message: `${source}: no such branch; ${kustomization} is ready`,
  },
  {
    name: "False when the Kustomization is stalled",
    live: { ...bothReady, Kustomization: stalled },
    status: "False",
    reason: "SyncFailed",
    message: `${source} is ready; ${kustomization}: the URL is wrong`,
  },
  {
    name: "False when it has failed and tries again",
    live: { ...bothReady, Kustomization: retrying },
    status: "False",
    reason: "SyncFailed",
    message: `${source} is ready; ${kustomization}: tries again`,
  },
  {
    name: "Unknown while one is worked on",
    live: { ...bothReady, GitRepository: working },
    status: "Unknown",
    reason: "SyncProgressing",
    message: `${source}: fetches; ${kustomization} is ready`,
  },
  {
    name: "False while the Kustomization is suspended, whatever its status is",
    live: { ...bothReady, Kustomization: suspended },
    status: "False",
    reason: "SyncSuspended",
    message: `${source} is ready; ${kustomization} is suspended`,
  },
  {
    name: "the worst of several: failed before suspended",
    live: { GitRepository: suspended, Kustomization: failed },
    status: "False",
    reason: "SyncFailed",
    message: `${source} is suspended; ${kustomization}: no such branch`,
  },
  {
    name: "the worst of several: suspended before progressing",
    live: { GitRepository: working, Kustomization: suspended },
    status: "False",
    reason: "SyncSuspended",
    message: `${source}: fetches; ${kustomization} is suspended`,
  },
]) {
  test(`readSyncHealth() is ${name}`, async () => {
    const client = tableClient(Object.entries(live).map(([kind, fields]) => sync(kind, fields)));
    assert.deepEqual(await readSyncHealth(wanted, { client }, signal), { type: "Synced", status, reason, message });
  });
}

test("readSyncHealth() has nothing to say, and asks nothing, without sync objects", async () => {
  const client = tableClient([], { refuse: () => apiError(500, "Asked") });
  const service: KubeObject = { apiVersion: "v1", kind: "Service", metadata: { name: "a", namespace: "b" } };
  assert.equal(await readSyncHealth([service], { client }, signal), undefined);
});

test("readSyncHealth() throws when it may not look: that is not a missing object", async () => {
  const forbidden = apiError(403, "Forbidden");
  const client = tableClient([], { refuse: () => forbidden });
  await assert.rejects(readSyncHealth([sync("GitRepository")], { client }, signal), forbidden);
});
