import assert from "node:assert/strict";
import { test } from "node:test";
import { fluxInstance, instanceAnnotations } from "../api/names.ts";
import type { JsonObject, KubeObject } from "../kube/object.ts";
import { createMetrics } from "../runtime/metrics.ts";
import { fipsMetric, instanceMetric } from "./instance-metric.ts";

function instanceOf(metadata: JsonObject, fields: JsonObject = {}): KubeObject {
  return {
    apiVersion: fluxInstance.storageApiVersion,
    kind: fluxInstance.kind,
    metadata: { name: "flux", namespace: "flux-system", uid: "u1", ...metadata },
    ...fields,
  };
}

const unknown = {
  uid: "u1",
  kind: "FluxInstance",
  name: "flux",
  exported_namespace: "flux-system",
  ready: "Unknown",
  reason: "",
  suspended: "False",
  registry: "",
  revision: "",
  version: "",
  latest_version: "",
  up_to_date: "Unknown",
};

for (const { name, instance, want } of [
  { name: "of a new instance", instance: instanceOf({}), want: {} },
  {
    name: "of an instance that runs",
    instance: instanceOf(
      {},
      {
        spec: { distribution: { registry: "ghcr.io/fluxcd" } },
        status: {
          lastAppliedRevision: "v2.9.0@sha256:1",
          lastAppliedVersion: "2.9.0",
          latestVersion: "2.9.4",
          conditions: [
            { type: "UpToDate", status: "False", reason: "NewVersionAvailable" },
            { type: "Ready", status: "True", reason: "ReconciliationSucceeded" },
          ],
        },
      },
    ),
    want: {
      ready: "True",
      reason: "ReconciliationSucceeded",
      registry: "ghcr.io/fluxcd",
      revision: "v2.9.0@sha256:1",
      version: "2.9.0",
      latest_version: "2.9.4",
      up_to_date: "False",
    },
  },
  ...[
    { value: "disabled", suspended: "True" },
    { value: " Disabled ", suspended: "True" },
    { value: "enabled", suspended: "False" },
  ].map(({ value, suspended }) => ({
    name: `of an instance whose reconciliation is "${value}"`,
    instance: instanceOf({ annotations: { [instanceAnnotations.reconcile]: value } }),
    want: { suspended },
  })),
]) {
  test(`instanceMetric() has the labels ${name}`, () =>
    assert.deepEqual(instanceMetric({ list: () => [instance] }).rows(), [{ ...unknown, ...want }]));
}

test("instanceMetric() has exactly the labels that it declares", () => {
  const metric = instanceMetric({ list: () => [instanceOf({})] });
  assert.deepEqual(metric.rows().map(Object.keys), [metric.labels]);
});

test("instanceMetric() forgets an instance that is gone at the next scrape", async () => {
  let instances: readonly KubeObject[] = [instanceOf({})];
  const metrics = createMetrics();
  metrics.addState(instanceMetric({ list: () => instances }));
  const before = (await metrics.scrape()).body.split("\n").filter((line) => line.startsWith("flux_instance_info{"));
  instances = [];
  const after = (await metrics.scrape()).body.split("\n").filter((line) => line.startsWith("flux_instance_info{"));
  assert.deepEqual([before.length, after], [1, []]);
});

for (const { isFips, want } of [
  { isFips: true, want: "flux_operator_fips 1" },
  { isFips: false, want: "flux_operator_fips 0" },
])
  test(`fipsMetric() is told as "${want}"`, async () => {
    const metrics = createMetrics();
    metrics.addState(fipsMetric(() => isFips));
    const { body } = await metrics.scrape();
    assert.deepEqual(
      body.split("\n").filter((line) => line.startsWith("flux_operator_fips")),
      [want],
    );
  });
