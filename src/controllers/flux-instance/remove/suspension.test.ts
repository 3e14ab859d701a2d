import assert from "node:assert/strict";
import { test } from "node:test";
import { tableClient } from "../../../../test/support/table-client.ts";
import { fluxInstance, ownerLabels } from "../../../api/names.ts";
import type { JsonObject, KubeObject, ObjectMeta } from "../../../kube/object.ts";
import { worldOf } from "../world.ts";
import { resume, suspend, suspensionManager } from "./suspension.ts";

const signal = new AbortController().signal;
const key = { namespace: "flux-system", name: "flux" };
const world = worldOf(
  { apiVersion: fluxInstance.storageApiVersion, kind: fluxInstance.kind, metadata: key },
  new Map(),
  "flux-system",
);
const id = { group: "kustomize.toolkit.fluxcd.io", version: "v1", kind: "Kustomization", ...key };
const ours = [{ manager: suspensionManager, fieldsV1: { "f:spec": { "f:suspend": {} } } }];
const users = [{ manager: "flux", fieldsV1: { "f:spec": { "f:suspend": {} } } }];

function kustomization(spec: JsonObject, metadata: Partial<ObjectMeta> = {}): KubeObject {
  const base = { ...key, labels: ownerLabels(key) };
  return {
    apiVersion: "kustomize.toolkit.fluxcd.io/v1",
    kind: "Kustomization",
    metadata: { ...base, ...metadata },
    spec,
  };
}

for (const { name, live, want } of [
  {
    name: "suspends, and leaves all else as it is",
    live: kustomization({ prune: true }),
    want: ['patch Kustomization/flux-system/flux {"spec":{"suspend":true}}'],
  },
  { name: "leaves one be that a user has suspended", live: kustomization({ suspend: true }), want: [] },
  { name: "leaves one be that is not ours", live: kustomization({}, { labels: {} }), want: [] },
]) {
  test(`suspend() ${name}`, async () => {
    const client = tableClient([live]);
    await suspend(id, world, { client }, signal);
    assert.deepEqual(client.writes, want);
  });
}

for (const { name, live, want } of [
  {
    name: "takes our suspension off",
    live: kustomization({ suspend: true }, { managedFields: ours }),
    want: ['patch Kustomization/flux-system/flux {"spec":{"suspend":null}}'],
  },
  { name: "leaves a user's suspension", live: kustomization({ suspend: true }, { managedFields: users }), want: [] },
  { name: "does nothing about one that runs", live: kustomization({}, { managedFields: ours }), want: [] },
  {
    name: "leaves one suspended that is being deleted, for it would be pruned",
    live: kustomization({ suspend: true }, { managedFields: ours, deletionTimestamp: "2026-01-01T00:00:00Z" }),
    want: [],
  },
]) {
  test(`resume() ${name}`, async () => {
    const client = tableClient([live]);
    await resume(live, { client }, signal);
    assert.deepEqual(client.writes, want);
  });
}
