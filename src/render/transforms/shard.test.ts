import assert from "node:assert/strict";
import { test } from "node:test";
import { contextOf, releaseOf, specOf } from "../../../test/support/small-release.ts";
import type { Component } from "../../api/spec.ts";
import { managerOf } from "../deployment.ts";
import { selectObjects } from "./select-objects.ts";
import { shard } from "./shard.ts";

const sharding = { key: "k", shards: ["a", "b"], storage: "ephemeral" } as const;

function sharded(component: Component, version: string) {
  const context = contextOf(specOf({ components: [component], sharding }), releaseOf(version, [component]));
  return shard(selectObjects(context), context).filter(({ component: own }) => own !== undefined);
}
const names = (component: Component, version: string) =>
  sharded(component, version).map(({ object }) => `${object.kind}/${object.metadata.name}`);

for (const { name, component, version, want } of [
  {
    name: "copies Deployment and Service, and shares the ServiceAccount",
    component: "kustomize-controller",
    version: "2.2.3",
    want: [
      "ServiceAccount/kustomize-controller",
      "Service/kustomize-controller",
      "Service/kustomize-controller-a",
      "Service/kustomize-controller-b",
      "Deployment/kustomize-controller",
      "Deployment/kustomize-controller-a",
      "Deployment/kustomize-controller-b",
    ],
  },
  {
    name: "leaves notification-controller alone",
    component: "notification-controller",
    version: "2.9.4",
    want: [
      "ServiceAccount/notification-controller",
      "Service/notification-controller",
      "Deployment/notification-controller",
    ],
  },
  {
    name: "leaves source-watcher alone before 2.9",
    component: "source-watcher",
    version: "2.8.8",
    want: ["ServiceAccount/source-watcher", "Service/source-watcher", "Deployment/source-watcher"],
  },
] as const) {
  test(`shard() ${name}`, () => assert.deepEqual(names(component, version), want));
}

test("shard() tells main and shards apart by selector, address, name and role", () => {
  const deployments = sharded("source-controller", "2.9.4").filter(({ object }) => object.kind === "Deployment");
  const [main, first] = deployments;
  const common = ["--events-addr=http://notification-controller./", "--watch-all-namespaces", "--log-level=info"];
  assert.deepEqual(main === undefined ? [] : managerOf(main.object)?.["args"], [
    ...common,
    "--storage-adv-addr=source-controller.",
    "--watch-label-selector=!k",
  ]);
  assert.deepEqual(first === undefined ? [] : managerOf(first.object)?.["args"], [
    ...common,
    "--storage-adv-addr=source-controller.",
    "--storage-adv-addr=source-controller-a.$(RUNTIME_NAMESPACE).svc.cluster.local.",
    "--watch-label-selector=k=a",
  ]);
  assert.deepEqual(
    { ...first, object: first?.object.metadata },
    {
      component: "source-controller",
      shard: "a",
      previousNames: ["source-controller"],
      object: { name: "source-controller-a", annotations: { "sharding.fluxcd.io/role": "shard" } },
    },
  );
});

test("shard() gives the Service of a shard the shard's pods", () => {
  const services = sharded("source-controller", "2.9.4").filter(({ object }) => object.kind === "Service");
  assert.deepEqual(
    services.map(({ object }) => object["spec"]),
    ["source-controller", "source-controller-a", "source-controller-b"].map((app) => ({ selector: { app } })),
  );
});
