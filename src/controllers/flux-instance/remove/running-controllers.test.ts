import assert from "node:assert/strict";
import { test } from "node:test";
import { tableClient } from "../../../../test/support/table-client.ts";
import { ownerOf } from "../../../api/names.ts";
import { nameObject } from "../../../kube/object-id.ts";
import type { JsonObject, KubeObject } from "../../../kube/object.ts";
import { findControllerPods, findRunningControllers } from "./running-controllers.ts";

const signal = new AbortController().signal;
const owner = ownerOf({ namespace: "flux-system", name: "flux" });

type Given = {
  readonly image: string;
  readonly replicas?: number;
  readonly labels?: { readonly [key: string]: string };
  readonly namespace?: string;
};

function deployment(name: string, { image, replicas, labels = {}, namespace = "other" }: Given): KubeObject {
  const template = {
    spec: {
      containers: [
        { name: "sidecar", image: "proxy:1" },
        { name: "manager", image },
      ],
    },
  };
  const spec: JsonObject = {
    selector: { matchLabels: { app: name } },
    template,
    ...(replicas === undefined ? {} : { replicas }),
  };
  return { apiVersion: "apps/v1", kind: "Deployment", metadata: { name, namespace, labels }, spec };
}

function pod(
  name: string,
  more: { readonly app?: string; readonly owner?: string; readonly phase?: string },
): KubeObject {
  const ownerReferences = more.owner === undefined ? [] : [{ kind: "ReplicaSet", name: more.owner }];
  const metadata = { name, namespace: "other", labels: { app: more.app ?? "" }, ownerReferences };
  return { apiVersion: "v1", kind: "Pod", metadata, status: { phase: more.phase ?? "Running" } };
}

const helm = "ghcr.io/fluxcd/helm-controller:v1.5.0@sha256:0123";
for (const { name, objects, want } of [
  { name: "finds one", objects: [deployment("x", { image: helm })], want: ["Deployment/other/x"] },
  {
    name: "leaves ours out",
    objects: [deployment("x", { image: helm, labels: owner.labels, namespace: "flux-system" })],
    want: [],
  },
  {
    name: "finds one elsewhere with our labels",
    objects: [deployment("x", { image: helm, labels: owner.labels })],
    want: ["Deployment/other/x"],
  },
  {
    name: "leaves out what is no controller of Flux",
    objects: [deployment("helm-controller", { image: "rancher/helm-controller:1" })],
    want: [],
  },
  { name: "leaves out one that is scaled to 0", objects: [deployment("x", { image: helm, replicas: 0 })], want: [] },
  {
    name: "finds one that is scaled to 0 while a pod of it is left",
    objects: [deployment("x", { image: helm, replicas: 0 }), pod("x-1-a", { app: "x" })],
    want: ["Deployment/other/x"],
  },
]) {
  test(`findRunningControllers() ${name}`, async () => {
    const { foreign } = await findRunningControllers(owner, { client: tableClient(objects) }, signal);
    assert.deepEqual(foreign.map(nameObject), want);
  });
}

const ours = { labels: owner.labels, namespace: "flux-system" };
test("findRunningControllers() tells those with our owner labels from the others", async () => {
  const objects = [
    deployment("a", { image: helm, ...ours }),
    deployment("b", { image: helm, ...ours, replicas: 0 }),
    deployment("c", { image: helm }),
    deployment("d", { image: "proxy:1", ...ours }),
  ];
  const { own, foreign } = await findRunningControllers(owner, { client: tableClient(objects) }, signal);
  assert.deepEqual([own, foreign], [[objects[0]], [objects[2]]]);
});

for (const { name, objects, want } of [
  {
    name: "finds pods of a Deployment that is gone",
    objects: [pod("b-1-x", { owner: "b-1" }), pod("b-1-a", { owner: "b-1" })],
    want: ["Pod/other/b-1-a", "Pod/other/b-1-x"],
  },
  { name: "leaves out pods that have ended", objects: [pod("b-1-x", { owner: "b-1", phase: "Failed" })], want: [] },
  { name: "leaves out pods of others", objects: [pod("b-shard-1-x", { owner: "b-shard-1" }), pod("b", {})], want: [] },
]) {
  test(`findControllerPods() ${name}`, async () => {
    const deps = { client: tableClient(objects) };
    assert.deepEqual(await findControllerPods([{ namespace: "other", name: "b" }], deps, signal), want);
  });
}
