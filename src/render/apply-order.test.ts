import assert from "node:assert/strict";
import { test } from "node:test";
import { labels } from "../api/names.ts";
import type { KubeObject } from "../kube/object.ts";
import { compareForFluxApply, fluxStageOf } from "./apply-order.ts";

function object(apiVersion: string, kind: string, name: string): KubeObject {
  return { apiVersion, kind, metadata: { name, labels: { [labels.component]: "of-common-metadata" } } };
}

const inOrder = [
  { stage: "definitions", object: object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "a.example.com") },
  { stage: "foundation", object: object("v1", "Namespace", "flux-system") },
  { stage: "foundation", object: object("v1", "Service", "source-controller") },
  { stage: "sources", object: object("apps/v1", "Deployment", "source-controller-shard1") },
  { stage: "sources", object: object("apps/v1", "Deployment", "source-controller") },
  { stage: "controllers", object: object("apps/v1", "Deployment", "helm-controller") },
  { stage: "controllers", object: object("apps/v1", "Deployment", "source-watcher") },
  { stage: "sync", object: object("source.toolkit.fluxcd.io/v1", "GitRepository", "flux-system") },
  {
    stage: "webhooks",
    object: object("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "x"),
  },
];

for (const { stage, object: one } of inOrder) {
  test(`fluxStageOf() puts ${one.kind} ${one.metadata.name} into ${stage}`, () =>
    assert.equal(fluxStageOf(one), stage));
}

test("compareForFluxApply() puts the objects of all stages in the order of apply", () => {
  const objects = inOrder.map((row) => row.object);
  assert.deepEqual(objects.toReversed().toSorted(compareForFluxApply), objects);
});
