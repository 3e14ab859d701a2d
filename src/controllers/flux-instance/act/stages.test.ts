import assert from "node:assert/strict";
import { test } from "node:test";
import { labels } from "../../../api/names.ts";
import type { PlannedObject } from "../../../apply/planned-object.ts";
import { stagesOf } from "./stages.ts";

function planned(apiVersion: string, kind: string, name: string): PlannedObject {
  const metadata = { name, labels: { [labels.component]: name } };
  return { object: { apiVersion, kind, metadata }, action: "create" };
}

const objects = {
  sync: planned("source.toolkit.fluxcd.io/v1", "GitRepository", "flux-system"),
  helm: planned("apps/v1", "Deployment", "helm-controller"),
  source: planned("apps/v1", "Deployment", "source-controller"),
  watcher: planned("apps/v1", "Deployment", "source-watcher"),
  service: planned("v1", "Service", "source-controller"),
  role: planned("rbac.authorization.k8s.io/v1", "ClusterRole", "crd-controller"),
  crd: planned("apiextensions.k8s.io/v1", "CustomResourceDefinition", "a.example.com"),
};

for (const { name, wait, waits } of [
  {
    name: "waits for definitions and controllers",
    wait: true,
    waits: ["a.example.com", "", "source-controller", "helm-controller source-watcher", ""],
  },
  { name: "waits for definitions alone without `wait`", wait: false, waits: ["a.example.com", "", "", "", ""] },
]) {
  test(`stagesOf() puts objects in the order of the law, and ${name}`, () => {
    const stages = stagesOf(Object.values(objects), wait);
    assert.deepEqual(
      stages.map((stage) => [stage.name, stage.objects, stage.waitFor.map(({ metadata }) => metadata.name).join(" ")]),
      [
        ["definitions", [objects.crd], waits[0]],
        ["foundation", [objects.service, objects.role], waits[1]],
        ["sources", [objects.source], waits[2]],
        ["controllers", [objects.helm, objects.watcher], waits[3]],
        ["sync", [objects.sync], waits[4]],
      ],
    );
  });
}

test("stagesOf() leaves out stages without objects", () =>
  assert.deepEqual(
    stagesOf([objects.helm, objects.crd], true).map(({ name }) => name),
    ["definitions", "controllers"],
  ));
