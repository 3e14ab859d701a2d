import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject, KubeObject } from "../kube/object.ts";
import { comparable, wouldChange } from "./compare.ts";

function object(metadata: JsonObject, fields: JsonObject = {}): KubeObject {
  return { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "a", ...metadata }, ...fields };
}

const live = object(
  { labels: { a: "1" }, finalizers: ["x"], uid: "1", resourceVersion: "5", generation: 2 },
  { spec: { replicas: 1, paused: false }, status: { replicas: 1 } },
);

for (const { name, dryRun, want } of [
  { name: "the same object", dryRun: live, want: false },
  {
    name: "another status and other fields of the server",
    dryRun: object(
      {
        labels: { a: "1" },
        finalizers: ["x"],
        uid: "2",
        resourceVersion: "6",
        generation: 3,
        creationTimestamp: "2026-01-01T00:00:00Z",
        managedFields: [{ manager: "a" }],
        selfLink: "/a",
      },
      { spec: { paused: false, replicas: 1 } },
    ),
    want: false,
  },
  { name: "another spec", dryRun: { ...live, spec: { replicas: 2, paused: false } }, want: true },
  { name: "a field less", dryRun: { ...live, spec: { replicas: 1 } }, want: true },
  { name: "a field more", dryRun: { ...live, data: {} }, want: true },
  { name: "another label", dryRun: { ...live, metadata: { ...live.metadata, labels: { a: "2" } } }, want: true },
  {
    name: "an annotation more",
    dryRun: { ...live, metadata: { ...live.metadata, annotations: { a: "1" } } },
    want: true,
  },
  { name: "no finalizer", dryRun: { ...live, metadata: { ...live.metadata, finalizers: [] } }, want: true },
  { name: "another version of the kind", dryRun: { ...live, apiVersion: "apps/v2" }, want: true },
]) {
  test(`wouldChange() says ${want} to ${name}`, () => assert.equal(wouldChange(live, dryRun), want));
}

test("comparable() keeps what somebody wrote", () =>
  assert.deepEqual(comparable(live), {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "a", labels: { a: "1" }, finalizers: ["x"] },
    spec: { replicas: 1, paused: false },
  }));
