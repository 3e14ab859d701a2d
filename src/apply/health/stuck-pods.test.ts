import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject, KubeObject } from "../../kube/object.ts";
import { stuckReason } from "./stuck-pods.ts";

const container = { name: "manager", image: "example.com/a:v2", args: ["--b"], env: [{ name: "C", value: "d" }] };
const deployment: KubeObject = {
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "a", namespace: "flux-system" },
  spec: { selector: { matchLabels: { app: "a" } }, template: { spec: { containers: [container] } } },
};

function pod(
  status: JsonObject,
  metadata: JsonObject = {},
  containers: readonly JsonObject[] = [container],
): KubeObject {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "a-1", namespace: "flux-system", labels: { app: "a", hash: "1" }, ...metadata },
    spec: { containers },
    status,
  };
}

function waiting(reason: string, message = "", more: JsonObject = {}): JsonObject {
  return { containerStatuses: [{ name: "manager", state: { waiting: { reason, message } }, ...more }] };
}

const pulling = waiting("ImagePullBackOff", "no such tag");
const stuck = { message: "container manager is in ImagePullBackOff: no such tag", terminal: true };

for (const { name, pods, want } of [
  { name: "has no trouble without pods", pods: [], want: undefined },
  { name: "has no trouble with a pod that starts", pods: [pod(waiting("ContainerCreating"))], want: undefined },
  { name: "tells of an image that cannot be pulled", pods: [pod(pulling)], want: stuck },
  {
    name: "hopes for an image that could not be pulled once",
    pods: [pod(waiting("ErrImagePull", "connection refused"))],
    want: { message: "container manager is in ErrImagePull: connection refused", terminal: false },
  },
  {
    name: "tells the exit code of a container that crashes, and not the delay",
    pods: [
      pod(
        waiting("CrashLoopBackOff", "back-off 5m0s restarting failed container", {
          lastState: { terminated: { exitCode: 137, reason: "OOMKilled" } },
        }),
      ),
    ],
    want: { message: "container manager is in CrashLoopBackOff: exited with code 137 (OOMKilled)", terminal: true },
  },
  {
    name: "tells of a crash of which the exit is not known",
    pods: [pod(waiting("CrashLoopBackOff", "back-off 10s"))],
    want: { message: "container manager is in CrashLoopBackOff", terminal: true },
  },
  {
    name: "tells of an init container",
    pods: [
      pod({ initContainerStatuses: [{ name: "init", state: { waiting: { reason: "InvalidImageName" } } }] }, {}, [
        container,
      ]),
    ],
    want: { message: "container init is in InvalidImageName", terminal: true },
  },
  {
    name: "tells of a pod for which there is no room",
    pods: [
      pod({
        conditions: [{ type: "PodScheduled", status: "False", reason: "Unschedulable", message: "0/1 nodes fit" }],
      }),
    ],
    want: { message: "pod cannot be scheduled: 0/1 nodes fit", terminal: false },
  },
  {
    name: "tells the terminal trouble first",
    pods: [pod(waiting("CreateContainerConfigError", "no secret")), pod(pulling, { name: "a-2" })],
    want: stuck,
  },
  { name: "leaves out a pod of somebody else", pods: [pod(pulling, { labels: { app: "b" } })], want: undefined },
  { name: "leaves out a pod of another namespace", pods: [pod(pulling, { namespace: "b" })], want: undefined },
  { name: "leaves out a pod that goes", pods: [pod(pulling, { deletionTimestamp: "t" })], want: undefined },
  {
    name: "leaves out a pod that is ready",
    pods: [pod({ ...pulling, conditions: [{ type: "Ready", status: "True" }] })],
    want: undefined,
  },
  ...[
    { field: "image", value: "example.com/a:v1" },
    { field: "args", value: ["--old"] },
    { field: "env", value: [] },
    { field: "command", value: ["sh"] },
  ].map(({ field, value }) => ({
    name: `leaves out a pod of an older template with another ${field}`,
    pods: [pod(pulling, {}, [{ ...container, [field]: value }])],
    want: undefined,
  })),
  {
    name: "takes a pod into which a sidecar was injected",
    pods: [
      pod(pulling, {}, [
        { name: "mesh", image: "example.com/mesh" },
        { ...container, volumeMounts: [] },
      ]),
    ],
    want: stuck,
  },
]) {
  test(`stuckReason() ${name}`, () => assert.deepEqual(stuckReason(deployment, pods), want));
}
