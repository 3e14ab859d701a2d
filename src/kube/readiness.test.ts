import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject, KubeObject } from "./object.ts";
import { readinessOf, type Readiness } from "./readiness.ts";

type Case = {
  readonly name: string;
  readonly spec?: JsonObject;
  readonly status?: JsonObject;
  readonly metadata?: JsonObject;
  readonly want: Readiness;
};

const ready: Readiness = { status: "Current", message: "is ready" };
const goes: Readiness = { status: "Terminating", message: "is being deleted" };
const unseen: Readiness = {
  status: "InProgress",
  message: "its controller has not seen the latest generation yet",
};
const waits = (message: string): Readiness => ({ status: "InProgress", message });
const fails = (message: string): Readiness => ({ status: "Failed", message });

function condition(type: string, status: string, reason = "", message = ""): JsonObject {
  return { type, status, reason, message };
}

function check(apiVersion: string, kind: string, cases: readonly Case[]): void {
  for (const { name, spec, status, metadata, want } of cases) {
    const object: KubeObject = {
      apiVersion,
      kind,
      metadata: { name: "a", ...metadata },
      ...(spec === undefined ? {} : { spec }),
      ...(status === undefined ? {} : { status }),
    };
    test(`readinessOf() a ${kind} ${name}: ${want.status}`, () => assert.deepEqual(readinessOf(object), want));
  }
}

check("example.com/v1", "Thing", [
  { name: "without status", want: ready },
  { name: "that goes", metadata: { deletionTimestamp: "2026-01-01T00:00:00Z" }, want: goes },
  {
    name: "that goes and has failed",
    metadata: { deletionTimestamp: "2026-01-01T00:00:00Z", generation: 2 },
    status: { observedGeneration: 1, conditions: [condition("Stalled", "True", "Bad")] },
    want: goes,
  },
  {
    name: "whose controller is a generation behind",
    metadata: { generation: 2 },
    status: { observedGeneration: 1, conditions: [condition("Ready", "True")] },
    want: unseen,
  },
  {
    name: "that no controller has begun (observedGeneration -1)",
    metadata: { generation: 1 },
    status: { observedGeneration: -1 },
    want: unseen,
  },
  {
    name: "with observedGeneration -1 and no generation",
    status: { observedGeneration: -1 },
    want: unseen,
  },
  {
    name: "that is stalled at an older generation",
    metadata: { generation: 2 },
    status: { observedGeneration: 1, conditions: [condition("Stalled", "True", "Bad")] },
    want: unseen,
  },
  {
    name: "that was seen at its generation",
    metadata: { generation: 2 },
    status: { observedGeneration: 2 },
    want: ready,
  },
  {
    name: "that is stalled",
    status: { conditions: [condition("Ready", "True"), condition("Stalled", "True", "Bad", "its URL is wrong")] },
    want: fails("its URL is wrong"),
  },
  {
    name: "that is stalled and reconciling",
    status: { conditions: [condition("Reconciling", "True", "Working"), condition("Stalled", "True", "Bad")] },
    want: fails("Bad"),
  },
  {
    name: "that is reconciling while it is still ready",
    status: { conditions: [condition("Ready", "True"), condition("Reconciling", "True", "Working", "fetches")] },
    want: waits("fetches"),
  },
  {
    name: "that is neither stalled nor reconciling any more",
    status: {
      conditions: [condition("Stalled", "False"), condition("Reconciling", "False"), condition("Ready", "True")],
    },
    want: ready,
  },
  { name: "that is not ready", status: { conditions: [condition("Ready", "False", "Bad", "no")] }, want: waits("no") },
  {
    name: "whose readiness is unknown",
    status: { conditions: [condition("Ready", "Unknown", "New")] },
    want: waits("New"),
  },
  { name: "with other conditions only", status: { conditions: [condition("Healthy", "False")] }, want: ready },
  { name: "whose status is no object", status: { conditions: "none" }, want: ready },
]);

const seen = { observedGeneration: 3 };
const generation = { generation: 3 };
check("apps/v1", "Deployment", [
  { name: "that was just made", metadata: generation, want: waits("its controller has not seen it yet") },
  {
    name: "with an older generation observed",
    metadata: generation,
    status: { observedGeneration: 2, replicas: 1, updatedReplicas: 1, availableReplicas: 1 },
    want: unseen,
  },
  {
    name: "with no replica updated",
    metadata: generation,
    status: { ...seen, replicas: 1, availableReplicas: 1 },
    want: waits("0 of 1 replicas updated"),
  },
  {
    name: "with some replicas updated",
    metadata: generation,
    spec: { replicas: 3 },
    status: { ...seen, replicas: 4, updatedReplicas: 2, availableReplicas: 3 },
    want: waits("2 of 3 replicas updated"),
  },
  {
    name: "with old replicas",
    metadata: generation,
    spec: { replicas: 2 },
    status: { ...seen, replicas: 3, updatedReplicas: 2, availableReplicas: 3 },
    want: waits("1 old replicas still to go"),
  },
  {
    name: "with some replicas available",
    metadata: generation,
    spec: { replicas: 2 },
    status: { ...seen, replicas: 2, updatedReplicas: 2, availableReplicas: 1 },
    want: waits("1 of 2 replicas available"),
  },
  {
    name: "with all replicas available",
    metadata: generation,
    spec: { replicas: 2 },
    status: { ...seen, replicas: 2, updatedReplicas: 2, availableReplicas: 2 },
    want: ready,
  },
  { name: "scaled to 0", metadata: generation, spec: { replicas: 0 }, status: seen, want: ready },
  {
    name: "scaled to 0 with a replica left",
    metadata: generation,
    spec: { replicas: 0 },
    status: { ...seen, replicas: 1 },
    want: waits("1 old replicas still to go"),
  },
  {
    name: "past its progress deadline",
    metadata: generation,
    status: { ...seen, conditions: [condition("Progressing", "False", "ProgressDeadlineExceeded", "timed out")] },
    want: fails("progress deadline exceeded"),
  },
  {
    name: "past the progress deadline of an older generation",
    metadata: generation,
    status: {
      observedGeneration: 2,
      conditions: [condition("Progressing", "False", "ProgressDeadlineExceeded", "timed out")],
    },
    want: unseen,
  },
]);

check("apps/v1", "StatefulSet", [
  { name: "without a ready replica", status: {}, want: waits("0 of 1 replicas ready") },
  {
    name: "with some replicas ready",
    spec: { replicas: 3 },
    status: { readyReplicas: 2, currentRevision: "a", updateRevision: "a" },
    want: waits("2 of 3 replicas ready"),
  },
  {
    name: "in the middle of an update",
    status: { readyReplicas: 1, currentRevision: "a", updateRevision: "b" },
    want: waits("its update is not rolled out yet"),
  },
  {
    name: "with all replicas at its revision",
    status: { readyReplicas: 1, currentRevision: "b", updateRevision: "b" },
    want: ready,
  },
]);

check("apiextensions.k8s.io/v1", "CustomResourceDefinition", [
  { name: "without conditions", want: waits("not established yet") },
  {
    name: "with names accepted",
    status: { conditions: [condition("NamesAccepted", "True"), condition("Established", "False")] },
    want: waits("not established yet"),
  },
  {
    name: "that is established before its names are judged",
    status: { conditions: [condition("Established", "True")] },
    want: waits("not established yet"),
  },
  {
    name: "that is established with names accepted",
    status: { conditions: [condition("Established", "True"), condition("NamesAccepted", "True")] },
    want: ready,
  },
  {
    name: "that is established under names now refused",
    status: {
      conditions: [
        condition("Established", "True"),
        condition("NamesAccepted", "False", "PluralConflict", "the plural is taken"),
      ],
    },
    want: fails("the plural is taken"),
  },
]);

check("v1", "PersistentVolumeClaim", [
  { name: "that is bound", status: { phase: "Bound" }, want: ready },
  { name: "that waits for its first consumer", status: { phase: "Pending" }, want: ready },
  { name: "that has lost its volume", status: { phase: "Lost" }, want: fails("its volume is lost") },
]);

check("v1", "Namespace", [
  { name: "that is active", status: { phase: "Active" }, want: ready },
  { name: "in its last phase", status: { phase: "Terminating" }, want: goes },
]);

check("v1", "Pod", [
  { name: "that is ready", status: { phase: "Running", conditions: [condition("Ready", "True")] }, want: ready },
  {
    name: "that runs and is not ready",
    status: { phase: "Running", conditions: [condition("Ready", "False")] },
    want: waits("not ready"),
  },
  { name: "without status", want: waits("not ready") },
  {
    name: "that is done",
    status: { phase: "Succeeded", conditions: [condition("Ready", "False", "PodCompleted")] },
    want: ready,
  },
  { name: "that has failed", status: { phase: "Failed" }, want: fails("failed") },
]);

check("v1", "Service", [
  { name: "inside the cluster", spec: { type: "ClusterIP" }, status: { loadBalancer: {} }, want: ready },
  { name: "without a type", spec: {}, want: ready },
  {
    name: "that waits for its load balancer",
    spec: { type: "LoadBalancer" },
    status: { loadBalancer: {} },
    want: waits("has no load balancer address yet"),
  },
  {
    name: "with a load balancer",
    spec: { type: "LoadBalancer" },
    status: { loadBalancer: { ingress: [{ ip: "192.0.2.1" }] } },
    want: ready,
  },
]);

check("serving.example.com/v1", "Service", [
  {
    name: "of another group, for which core's rule says nothing",
    spec: { type: "LoadBalancer" },
    status: { conditions: [condition("Ready", "True")] },
    want: ready,
  },
]);
