import assert from "node:assert/strict";
import { test } from "node:test";
import { contextOf, releaseOf, specOf } from "../../../test/support/small-release.ts";
import type { Component } from "../../api/spec.ts";
import type { KubeObject } from "../../kube/object.ts";
import { selectObjects } from "./select-objects.ts";

const object = (kind: string): KubeObject => ({ apiVersion: "v1", kind, metadata: { name: "x" } });
const both: readonly Component[] = ["source-controller", "helm-controller"];
const release = { ...releaseOf("2.6.4", both), rbac: [object("ClusterRole")], policies: [object("NetworkPolicy")] };

function selected(components: readonly Component[], networkPolicy: boolean) {
  const drafts = selectObjects(contextOf(specOf({ components, cluster: { networkPolicy } }), release));
  return drafts.map((draft) => `${draft.object.kind}/${draft.object.metadata.name}`);
}
const controller = (name: string) => [`ServiceAccount/${name}`, `Service/${name}`, `Deployment/${name}`];

for (const { name, components, networkPolicy, want } of [
  {
    name: "takes the objects of the components that are wanted",
    components: ["helm-controller"] as const,
    networkPolicy: true,
    want: ["Namespace/flux-system", ...controller("helm-controller"), "ClusterRole/x", "NetworkPolicy/x"],
  },
  {
    name: "leaves network policies out when they are turned off",
    components: both,
    networkPolicy: false,
    want: ["Namespace/flux-system", ...both.flatMap(controller), "ClusterRole/x"],
  },
]) {
  test(`selectObjects() ${name}`, () => assert.deepEqual(selected(components, networkPolicy), want));
}

for (const { component, remedy } of [
  {
    component: "source-watcher" as const,
    remedy: "set spec.distribution.version to 2.7 or later, or remove the component",
  },
  {
    component: "notification-controller" as const,
    remedy: "remove the component or choose another spec.distribution.version",
  },
]) {
  test(`selectObjects() refuses ${component} where the release lacks it`, () => {
    assert.throws(() => selected([component], true), {
      name: "RenderError",
      reason: "BuildFailed",
      retry: "on-change",
      message: `Cannot build the instance: spec.components ${component} is not part of Flux 2.6.4; ${remedy}`,
    });
  });
}
