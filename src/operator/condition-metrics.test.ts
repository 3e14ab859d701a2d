import assert from "node:assert/strict";
import { test } from "node:test";
import { fluxInstance } from "../api/names.ts";
import { conditionTypes } from "../api/reasons.ts";
import type { JsonObject, KubeObject } from "../kube/object.ts";
import { conditionMetric, rolledBackMetric, transitionMetric } from "./condition-metrics.ts";

const labels = { exported_namespace: "flux-system", name: "flux" };

function listOf(...conditions: readonly JsonObject[]): { readonly list: () => readonly KubeObject[] } {
  const instance = {
    apiVersion: fluxInstance.storageApiVersion,
    kind: fluxInstance.kind,
    metadata: { name: "flux", namespace: "flux-system" },
    ...(conditions.length === 0 ? {} : { status: { conditions } }),
  };
  return { list: () => [instance] };
}

const at = (time: string, condition: JsonObject): JsonObject => ({
  message: "m",
  lastTransitionTime: time,
  ...condition,
});
const ready = at("2026-11-27T10:00:00Z", { type: "Ready", status: "True", reason: "ReconciliationSucceeded" });
const outdated = at("2026-11-20T00:00:00Z", { type: "UpToDate", status: "False", reason: "NewVersionAvailable" });

for (const { name, conditions, want } of [
  { name: "of an instance without a status", conditions: [], want: [] },
  { name: "of one that runs", conditions: [ready, outdated], want: ["Ready True", "UpToDate False"] },
])
  test(`conditionMetric() has a row for each type and status, and 1 at those ${name}`, () => {
    const rows = conditionMetric(listOf(...conditions)).values();
    const ones = rows.filter(([, value]) => value === 1).map(([row]) => `${row.type} ${row.status}`);
    const others = rows.filter(([, value]) => value === 0).length;
    const all = Object.keys(conditionTypes).length * 3;
    assert.deepEqual([ones, others], [want, all - want.length]);
  });

test("transitionMetric() has a row for each condition that is there", () =>
  assert.deepEqual(
    transitionMetric(listOf(ready, outdated, { ...ready, type: "Synced", lastTransitionTime: "soon" })).values(),
    [
      [{ ...labels, type: "Ready" }, Date.UTC(2026, 10, 27, 10) / 1000],
      [{ ...labels, type: "UpToDate" }, Date.UTC(2026, 10, 20) / 1000],
    ],
  ));

for (const { name, conditions, want } of [
  { name: "0 before the first reconcile", conditions: [], want: 0 },
  { name: "0 while another version waits", conditions: [ready, outdated], want: 0 },
  { name: "1 after a rollback", conditions: [ready, { ...outdated, reason: "UpgradeFailed" }], want: 1 },
])
  test(`rolledBackMetric() is ${name}`, () =>
    assert.deepEqual(rolledBackMetric(listOf(...conditions)).values(), [[labels, want]]));
