import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject, KubeObject } from "../../kube/object.ts";
import { troubleOf } from "./stuck-pods.ts";

const revision = "deployment.kubernetes.io/revision";
const deployment: KubeObject = {
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "a", namespace: "flux-system", uid: "d", generation: 2, annotations: { [revision]: "2" } },
  status: { observedGeneration: 2 },
};

function replicaSet(number: string, status: JsonObject = {}): KubeObject {
  return {
    apiVersion: "apps/v1",
    kind: "ReplicaSet",
    metadata: {
      name: `a-${number}`,
      namespace: "flux-system",
      uid: `rs${number}`,
      annotations: { [revision]: number },
      ownerReferences: [{ kind: "Deployment", name: "a", uid: "d" }],
    },
    status,
  };
}

const sets = [replicaSet("1"), replicaSet("2")];

function pod(status: JsonObject, metadata: JsonObject = {}, spec: JsonObject = {}): KubeObject {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: "a-1",
      namespace: "flux-system",
      ownerReferences: [{ kind: "ReplicaSet", name: "a-2", uid: "rs2" }],
      ...metadata,
    },
    spec,
    status,
  };
}

function waiting(reason: string, message = "", more: JsonObject = {}): JsonObject {
  const container = {
    name: "manager",
    image: `ghcr.io/fluxcd/a:v2@sha256:${"0".repeat(64)}`,
    state: { waiting: { reason, message } },
    ...more,
  };
  return { containerStatuses: [container] };
}

const minute = 60_000;
const pulling = waiting(
  "ImagePullBackOff",
  'Back-off pulling image "ghcr.io/fluxcd/a:v2@sha256:1": ErrImagePull: dial tcp 127.0.0.1:49152: connect: connection refused',
);
const cannotPull = { message: "container manager cannot pull its image ghcr.io/fluxcd/a:v2", graceMs: 3 * minute };

function crash(restartCount: number, exit: JsonObject = { exitCode: 1, reason: "Error" }): JsonObject {
  const lastState = { terminated: exit };
  return waiting("CrashLoopBackOff", "back-off 5m0s restarting failed container", { restartCount, lastState });
}

function refused(message: string): readonly KubeObject[] {
  const condition = { type: "ReplicaFailure", status: "True", reason: "FailedCreate", message };
  return [replicaSet("1"), replicaSet("2", { conditions: [condition] })];
}

for (const { name, of = deployment, replicaSets = sets, pods = [], want } of [
  { name: "is none without pods", want: undefined },
  { name: "is none with a pod that starts", pods: [pod(waiting("ContainerCreating"))], want: undefined },
  {
    name: "is a container that runs and does not get ready, which may pass at any time",
    pods: [pod({ containerStatuses: [{ name: "manager", ready: false, state: { running: {} } }] })],
    want: { message: "container manager runs, but is not ready", graceMs: undefined },
  },
  {
    name: "is an image that cannot be pulled, for as long as a registry may be away",
    pods: [pod(pulling)],
    want: cannotPull,
  },
  {
    name: "is the same phrase between two tries to pull",
    pods: [pod(waiting("ErrImagePull", "rpc error: code = Unknown desc = failed to pull and unpack"))],
    want: cannotPull,
  },
  ...["registry", "registry, mirror"].map((secrets) => ({
    name: `is an image that cannot be pulled with ${secrets}`,
    pods: [pod(pulling, {}, { imagePullSecrets: secrets.split(", ").map((name) => ({ name })) })],
    want: {
      message: `${cannotPull.message} with imagePullSecret${secrets === "registry" ? "" : "s"} ${secrets}`,
      graceMs: 3 * minute,
    },
  })),
  {
    name: "is an image name that nothing mends",
    pods: [pod(waiting("InvalidImageName"))],
    want: { message: "container manager has an image name that is not valid", graceMs: 0 },
  },
  {
    name: "is a crash that may be over when others are up, after two exits",
    pods: [pod(crash(2))],
    want: { message: "container manager crashes: exit code 1 (Error)", graceMs: 3 * minute },
  },
  {
    name: "is a crash that waiting does not help, after three restarts",
    pods: [pod(crash(3, { exitCode: 137, reason: "OOMKilled" }))],
    want: { message: "container manager crashes: exit code 137 (OOMKilled)", graceMs: 0 },
  },
  {
    name: "is the same phrase right after an exit, before the kubelet waits",
    pods: [
      pod({
        containerStatuses: [
          { name: "manager", restartCount: 1, state: { terminated: { exitCode: 1, reason: "Error" } }, lastState: {} },
        ],
      }),
    ],
    want: { message: "container manager crashes: exit code 1 (Error)", graceMs: 3 * minute },
  },
  {
    name: "is none with an init container that has ended well",
    pods: [pod({ initContainerStatuses: [{ name: "init", state: { terminated: { exitCode: 0 } } }] })],
    want: undefined,
  },
  {
    name: "is a crash of which the exit is not known",
    pods: [pod(waiting("CrashLoopBackOff", "back-off 10s", { restartCount: 1 }))],
    want: { message: "container manager crashes", graceMs: 3 * minute },
  },
  {
    name: "is a missing key of a Secret, which may be added in a moment",
    pods: [pod(waiting("CreateContainerConfigError", "couldn't find key token in Secret flux-system/x"))],
    want: { message: "container manager cannot be configured", graceMs: minute },
  },
  {
    name: "is a command that cannot be started",
    pods: [pod(waiting("RunContainerError", "exec: no such file or directory"))],
    want: { message: "container manager cannot be started", graceMs: minute },
  },
  {
    name: "is that of an init container",
    pods: [pod({ initContainerStatuses: [{ name: "init", state: { waiting: { reason: "InvalidImageName" } } }] })],
    want: { message: "container init has an image name that is not valid", graceMs: 0 },
  },
  ...[
    {
      says: "0/3 nodes are available: 1 node(s) had untolerated taint, 2 Insufficient cpu.",
      want: "no node has room for its pod",
    },
    {
      says: "0/1 nodes are available: 1 node(s) didn't find available persistent volumes to bind.",
      want: "no node has a volume for the PersistentVolumeClaim of its pod",
    },
    {
      says: "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
      want: "no node has a volume for the PersistentVolumeClaim of its pod",
    },
    { says: "Scheduling is blocked due to non-empty scheduling gates", want: "a scheduling gate holds its pod" },
    { says: "0/3 nodes are available: 3 node(s) had untolerated taint", want: "no node takes its pod" },
  ].map(({ says, want }) => ({
    name: `is what the scheduler says, which may pass at any time: ${says}`,
    pods: [pod({ conditions: [{ type: "PodScheduled", status: "False", message: says }] })],
    want: { message: want, graceMs: undefined },
  })),
  {
    name: "is the one with the least patience",
    pods: [pod(pulling), pod(crash(3), { name: "a-2" })],
    want: { message: "container manager crashes: exit code 1 (Error)", graceMs: 0 },
  },
  {
    name: "is none of a pod of the ReplicaSet before, however alike the two are",
    pods: [pod(pulling, { ownerReferences: [{ kind: "ReplicaSet", name: "a-1", uid: "rs1" }] })],
    want: undefined,
  },
  {
    name: "is none while the Deployment's controller has not seen what it asks for now",
    of: { ...deployment, status: { observedGeneration: 1 } },
    pods: [pod(crash(3))],
    want: undefined,
  },
  { name: "is none of a pod that is being deleted", pods: [pod(pulling, { deletionTimestamp: "t" })], want: undefined },
  {
    name: "is none of a pod that is ready",
    pods: [pod({ ...pulling, conditions: [{ type: "Ready", status: "True" }] })],
    want: undefined,
  },
  {
    name: "is a PodSecurity level that refuses pods",
    replicaSets: refused(
      'pods "a-2-x" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false',
    ),
    want: { message: "PodSecurity restricted:latest refuses its pods", graceMs: minute },
  },
  {
    name: "is a quota without room",
    replicaSets: refused(
      'pods "a-2-x" is forbidden: exceeded quota: small, requested: pods=1, used: pods=0, limited: pods=0',
    ),
    want: { message: "ResourceQuota small has no room for its pods", graceMs: minute },
  },
  {
    name: "is a webhook that does not answer, which may pass",
    replicaSets: refused(
      'Internal error occurred: failed calling webhook "pods.mesh.example.com": failed to call webhook: Post "https://10.0.0.1:443": dial tcp',
    ),
    want: { message: "webhook pods.mesh.example.com does not answer for its pods", graceMs: 3 * minute },
  },
  {
    name: "is whatever else refuses pods, without the words that change",
    replicaSets: refused("etcdserver: request timed out at 10:31:07"),
    want: { message: "the API server refuses its pods", graceMs: 3 * minute },
  },
]) {
  test(`troubleOf() ${name}`, () => assert.deepEqual(troubleOf(of, { replicaSets, pods }), want));
}
