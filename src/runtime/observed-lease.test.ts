import assert from "node:assert/strict";
import { test } from "node:test";
import { createTestLog } from "../../test/support/test-log.ts";
import type { KubeObject } from "../kube/object.ts";
import { systemClock } from "../std/clock.ts";
import { newLease } from "./lease.ts";
import { ObservedLease } from "./observed-lease.ts";

const lease = { namespace: "flux-system", name: "flux-operator" };

for (const { name, holder, predecessors, waitedMs, want } of [
  {
    name: "another process may be at work for as long as its lease",
    holder: "pod_b_1",
    predecessors: "pod_a_",
    waitedMs: 10_000,
    want: 25_000,
  },
  { name: "nobody is at work where none may have ended", holder: "", predecessors: "pod_a_", waitedMs: 0, want: 0 },
  {
    name: "what an earlier process of the pod has sent is waited for",
    holder: "pod_a_1",
    predecessors: "pod_a_",
    waitedMs: 2_000,
    want: 3_000,
  },
  {
    name: "an earlier process of the pod has ended",
    holder: "pod_a_1",
    predecessors: "pod_a_",
    waitedMs: 5_000,
    want: 0,
  },
  {
    name: "an earlier process counts as another one where it may run",
    holder: "pod_a_1",
    predecessors: undefined,
    waitedMs: 5_000,
    want: 30_000,
  },
]) {
  test(`ObservedLease.heldForMs() knows that ${name}`, () => {
    let nowMs = 0;
    const observed = observedAt(() => nowMs, predecessors);
    observed.observe(newLease(lease, { identity: holder, durationMs: 35_000, now: "2026-01-01T00:00:00.000000Z" }));
    nowMs = waitedMs;
    assert.equal(observed.heldForMs(), want);
  });
}

const held = { holder: "pod_b_1", durationMs: 35_000 };

for (const { name, later, want } of [
  { name: "is given back", later: { holder: "", durationMs: 1_000 }, want: 0 },
  { name: "is deleted", later: undefined, want: 25_000 },
  { name: "is emptied by another hand", later: { holder: "", durationMs: 35_000 }, want: 25_000 },
  { name: "gets a shorter duration", later: { holder: "pod_b_1", durationMs: 1_000 }, want: 25_000 },
  { name: "gets another holder for a shorter time", later: { holder: "x", durationMs: 1_000 }, want: 25_000 },
  { name: "gets another holder for a longer time", later: { holder: "x", durationMs: 60_000 }, want: 60_000 },
]) {
  test(`ObservedLease.heldForMs() of a lease that ${name} after 10 s is ${want / 1000} s`, () => {
    let nowMs = 0;
    const observed = observedAt(() => nowMs);
    observed.observe(leaseOf(held));
    nowMs = 10_000;
    observed.observe(later === undefined ? undefined : leaseOf(later));
    assert.equal(observed.heldForMs(), want);
  });
}

function observedAt(monotonicMs: () => number, predecessors?: string): ObservedLease {
  return new ObservedLease({
    client: { watch: () => assert.fail("nothing is watched") },
    lease,
    leaseMs: 35_000,
    retryMs: 5_000,
    graceMs: 5_000,
    ...(predecessors === undefined ? {} : { predecessors }),
    clock: { ...systemClock, monotonicMs },
    log: createTestLog().log,
  });
}

/** Each has another time, also those of the same holder. */
function leaseOf({ holder, durationMs }: { readonly holder: string; readonly durationMs: number }): KubeObject {
  return newLease(lease, { identity: holder, durationMs, now: `2026-01-01T00:00:00.${durationMs}0Z` });
}
