import assert from "node:assert/strict";
import { test } from "node:test";
import { readAnnotations } from "./annotations.ts";

const group = "fluxcd.controlplane.io";
const defaults = {
  reconcile: "enabled",
  reconcileEveryMs: 3_600_000,
  reconcileArtifactEveryMs: 600_000,
  reconcileTimeoutMs: 300_000,
  warnings: [],
};

for (const { name, annotations, want } of [
  { name: "gives the defaults without annotations", annotations: undefined, want: defaults },
  {
    name: "gives the defaults for empty values",
    annotations: { [`${group}/reconcile`]: "", [`${group}/reconcileEvery`]: "" },
    want: defaults,
  },
  {
    name: "reads the RFC's values",
    annotations: { [`${group}/reconcile`]: "Enabled", [`${group}/reconcileEvery`]: "10m" },
    want: { ...defaults, reconcileEveryMs: 600_000 },
  },
  {
    name: "reads every annotation",
    annotations: {
      [`${group}/reconcile`]: "DISABLED",
      [`${group}/reconcileEvery`]: "1h30m",
      [`${group}/reconcileArtifactEvery`]: "90s",
      [`${group}/reconcileTimeout`]: "10m",
      "reconcile.fluxcd.io/requestedAt": "2026-01-01T00:00:00Z",
      "reconcile.fluxcd.io/forceAt": "now",
    },
    want: {
      reconcile: "disabled",
      reconcileEveryMs: 5_400_000,
      reconcileArtifactEveryMs: 90_000,
      reconcileTimeoutMs: 600_000,
      requestedAt: "2026-01-01T00:00:00Z",
      forceAt: "now",
      warnings: [],
    },
  },
  {
    name: "switches periods off at zero and below",
    annotations: { [`${group}/reconcileEvery`]: "0", [`${group}/reconcileArtifactEvery`]: "-1m" },
    want: { reconcile: "enabled", reconcileTimeoutMs: 300_000, warnings: [] },
  },
  {
    name: "lengthens periods that would be a loop without rest, and warns",
    annotations: { [`${group}/reconcileEvery`]: "1ms", [`${group}/reconcileArtifactEvery`]: "999ms" },
    want: {
      ...defaults,
      reconcileEveryMs: 1_000,
      reconcileArtifactEveryMs: 1_000,
      warnings: [
        {
          annotation: `${group}/reconcileEvery`,
          value: "1ms",
          message: `annotation ${group}/reconcileEvery is "1ms", which is too short: 1s is used; write 1s or more, or 0 for never`,
        },
        {
          annotation: `${group}/reconcileArtifactEvery`,
          value: "999ms",
          message: `annotation ${group}/reconcileArtifactEvery is "999ms", which is too short: 1s is used; write 1s or more, or 0 for never`,
        },
      ],
    },
  },
  {
    name: "takes the shortest period as it is",
    annotations: { [`${group}/reconcileEvery`]: "1s" },
    want: { ...defaults, reconcileEveryMs: 1_000 },
  },
  {
    name: "cuts periods to what a timer can wait",
    annotations: { [`${group}/reconcileEvery`]: "10000h" },
    want: { ...defaults, reconcileEveryMs: 2_147_483_647 },
  },
  {
    name: "warns of an unknown switch and stays enabled",
    annotations: { [`${group}/reconcile`]: "off" },
    want: {
      ...defaults,
      warnings: [
        {
          annotation: `${group}/reconcile`,
          value: "off",
          message: `annotation ${group}/reconcile is "off", which is neither enabled nor disabled: it counts as enabled; write enabled or disabled`,
        },
      ],
    },
  },
  {
    name: "warns of each malformed duration and uses the defaults",
    annotations: {
      [`${group}/reconcileEvery`]: "10 minutes",
      [`${group}/reconcileArtifactEvery`]: "x".repeat(100),
      [`${group}/reconcileTimeout`]: "0s",
    },
    want: {
      ...defaults,
      warnings: [
        {
          annotation: `${group}/reconcileEvery`,
          value: "10 minutes",
          message: `annotation ${group}/reconcileEvery is "10 minutes", which is no duration: the default 1h is used; write for example 10m or 1h30m`,
        },
        {
          annotation: `${group}/reconcileArtifactEvery`,
          value: "x".repeat(100),
          message: `annotation ${group}/reconcileArtifactEvery is "${"x".repeat(64)}...", which is no duration: the default 10m is used; write for example 10m or 1h30m`,
        },
        {
          annotation: `${group}/reconcileTimeout`,
          value: "0s",
          message: `annotation ${group}/reconcileTimeout is "0s", which leaves no time to become healthy: 5m is used; write a duration above 0 such as 10m`,
        },
      ],
    },
  },
]) {
  test(`readAnnotations() ${name}`, () => assert.deepEqual(readAnnotations(annotations), want));
}
