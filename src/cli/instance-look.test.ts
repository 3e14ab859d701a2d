import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject, KubeObject } from "../kube/object.ts";
import { deletedLook, readyLook } from "./instance-look.ts";
import type { Look } from "./look-until.ts";

function instance(conditions: readonly JsonObject[], metadata: JsonObject = {}): KubeObject {
  return {
    apiVersion: "fluxcd.controlplane.io/v1",
    kind: "FluxInstance",
    metadata: { name: "flux", namespace: "flux-system", uid: "1", generation: 2, ...metadata },
    status: { conditions: [...conditions] },
  };
}

type Words = readonly [type: string, status: string, reason: string, message: string];

const conditionAt =
  (observedGeneration: number) =>
  (...[type, status, reason, message]: Words) => ({ type, status, reason, message, observedGeneration });
const condition = conditionAt(2);
const older = conditionAt(1);

const waitsForOperator: Look = {
  kind: "waiting",
  why: "flux is not ready: its operator has not reconciled the latest change yet; see whether its pod runs",
};

const ready: readonly { name: string; instance: KubeObject | undefined; want: Look }[] = [
  {
    name: "waits for an instance that is not there",
    instance: undefined,
    want: { kind: "waiting", why: "flux is not there" },
  },
  { name: "waits for the operator when there is no status", instance: instance([]), want: waitsForOperator },
  {
    name: "waits for the operator when Ready tells of an older generation",
    instance: instance([older("Ready", "True", "ReconciliationSucceeded", "Installed")]),
    want: waitsForOperator,
  },
  {
    name: "names the annotation that keeps the operator from reconciling",
    instance: instance([], { annotations: { "fluxcd.controlplane.io/reconcile": "Disabled" } }),
    want: {
      kind: "waiting",
      why: "flux is not reconciled: its annotation fluxcd.controlplane.io/reconcile is disabled",
    },
  },
  {
    name: "is done when Ready is True",
    instance: instance([condition("Ready", "True", "ReconciliationSucceeded", "Installed Flux 2.9.4")]),
    want: { kind: "done", message: "flux is ready: Installed Flux 2.9.4" },
  },
  {
    name: "waits while Ready is Unknown, with reason and message",
    instance: instance([condition("Ready", "Unknown", "Progressing", "Installing")]),
    want: { kind: "waiting", why: "flux is not ready: Progressing: Installing" },
  },
  {
    name: "waits while what failed is retried",
    instance: instance([
      condition("Ready", "False", "HealthCheckFailed", "no image"),
      condition("Reconciling", "True", "ProgressingWithRetry", "again"),
    ]),
    want: { kind: "waiting", why: "flux is not ready: HealthCheckFailed: no image" },
  },
  {
    name: "fails when only a change of the spec can help",
    instance: instance([
      condition("Ready", "False", "BuildFailed", "no such version"),
      condition("Stalled", "True", "BuildFailed", "no such version"),
    ]),
    want: { kind: "failed", message: "flux cannot become ready: BuildFailed: no such version" },
  },
  {
    name: "waits when what stalled was an older generation",
    instance: instance([older("Stalled", "True", "BuildFailed", "no such version")]),
    want: waitsForOperator,
  },
  {
    name: "fails after a rollback, though what was restored is healthy",
    instance: instance([condition("Ready", "True", "RolledBack", "2.9.4 failed, 2.8.8 was restored")]),
    want: { kind: "failed", message: "flux was rolled back: RolledBack: 2.9.4 failed, 2.8.8 was restored" },
  },
  {
    name: "fails when the instance is being deleted",
    instance: instance([], { deletionTimestamp: "2026-01-01T00:00:00Z" }),
    want: { kind: "failed", message: "flux is being deleted" },
  },
];

for (const { name, instance: given, want } of ready)
  test(`readyLook() ${name}`, () => assert.deepEqual(readyLook("flux", given), want));

const deleted: readonly { name: string; instance: KubeObject | undefined; want: Look }[] = [
  {
    name: "is done when the instance is not there",
    instance: undefined,
    want: { kind: "done", message: "flux is deleted" },
  },
  {
    name: "is done when another one of that name was created",
    instance: instance([], { uid: "2" }),
    want: { kind: "done", message: "flux is deleted" },
  },
  {
    name: "tells how far the removal is",
    instance: instance([condition("Ready", "Unknown", "Uninstalling", "Deleting controllers")]),
    want: { kind: "waiting", why: "flux is being deleted: Deleting controllers" },
  },
  {
    name: "tells what keeps the removal from its end",
    instance: instance([condition("Ready", "False", "UninstallFailed", "Deleting CRDs: forbidden")]),
    want: { kind: "waiting", why: "flux is being deleted: Deleting CRDs: forbidden" },
  },
  {
    name: "names the operator's pod while the removal has not begun",
    instance: instance([condition("Ready", "True", "ReconciliationSucceeded", "Installed")]),
    want: {
      kind: "waiting",
      why: "flux is being deleted: its operator has not begun to uninstall; see whether its pod runs",
    },
  },
];

for (const { name, instance: given, want } of deleted)
  test(`deletedLook() ${name}`, () => assert.deepEqual(deletedLook("flux", "1", given), want));
