import assert from "node:assert/strict";
import { test } from "node:test";
import { fluxInstance, instanceAnnotations } from "../api/names.ts";
import type { JsonObject, KubeObject } from "../kube/object.ts";
import { intervalMetric, lastReconcileMetric, ReconcileTimes } from "./reconcile-metrics.ts";

const ownNamespace = "flux-system";

function instanceOf(metadata: JsonObject = {}, status: JsonObject = {}): KubeObject {
  return {
    apiVersion: fluxInstance.storageApiVersion,
    kind: fluxInstance.kind,
    metadata: { name: "flux", namespace: "flux-system", ...metadata },
    status,
  };
}

const stalled = {
  type: "Stalled",
  status: "True",
  reason: "BuildFailed",
  message: "m",
  lastTransitionTime: "2026-11-27T10:00:00Z",
};

for (const { name, instance, want } of [
  { name: "an hour by default", instance: instanceOf(), want: 3600 },
  {
    name: "what the annotation says",
    instance: instanceOf({ annotations: { [instanceAnnotations.reconcileEvery]: "10m" } }),
    want: 600,
  },
  {
    name: "0 where the annotation says never",
    instance: instanceOf({ annotations: { [instanceAnnotations.reconcileEvery]: "0" } }),
    want: 0,
  },
  {
    name: "0 while reconciliation is disabled",
    instance: instanceOf({ annotations: { [instanceAnnotations.reconcile]: "disabled" } }),
    want: 0,
  },
  { name: "0 while the instance is Stalled", instance: instanceOf({}, { conditions: [stalled] }), want: 0 },
  { name: "absent in another namespace", instance: instanceOf({ namespace: "other" }), want: undefined },
])
  test(`intervalMetric() is ${name}`, () =>
    assert.deepEqual(
      intervalMetric({ list: () => [instance] }, ownNamespace)
        .values()
        .map(([, value]) => value),
      want === undefined ? [] : [want],
    ));

test("lastReconcileMetric() is the start of the process, then the end of the last reconcile, also of one that failed", async () => {
  let nowMs = 1_000;
  const times = new ReconcileTimes({ nowMs: () => nowMs });
  const key = { namespace: "flux-system", name: "flux" };
  const metric = lastReconcileMetric(
    { list: () => [instanceOf(), instanceOf({ namespace: "other" })] },
    { ownNamespace, times },
  );
  const seen = [metric.values()];
  nowMs = 5_000;
  assert.equal(await times.note(key, Promise.resolve("done")), "done");
  seen.push(metric.values());
  nowMs = 9_000;
  await assert.rejects(times.note(key, Promise.reject(new Error("away"))), /away/);
  seen.push(metric.values());
  assert.deepEqual(
    seen,
    [1, 5, 9].map((seconds) => [[{ exported_namespace: "flux-system", name: "flux" }, seconds]]),
  );
});

test("lastReconcileMetric() forgets an instance that is gone at the next scrape", async () => {
  const times = new ReconcileTimes({ nowMs: () => 5_000 });
  const key = { namespace: "flux-system", name: "flux" };
  await times.note(key, Promise.resolve());
  let instances: readonly KubeObject[] = [];
  const metric = lastReconcileMetric({ list: () => instances }, { ownNamespace, times });
  const gone = metric.values();
  times.keep([]);
  instances = [instanceOf()];
  assert.deepEqual([gone, metric.values().length, times.lastMs(key)], [[], 1, 5_000]);
});
