import assert from "node:assert/strict";
import { test } from "node:test";
import { createTestLog } from "../../test/support/test-log.ts";
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
    const observed = new ObservedLease({
      client: { watch: () => assert.fail("nothing is watched") },
      lease,
      leaseMs: 35_000,
      retryMs: 5_000,
      graceMs: 5_000,
      ...(predecessors === undefined ? {} : { predecessors }),
      clock: { ...systemClock, monotonicMs: () => nowMs },
      log: createTestLog().log,
    });
    observed.observe(newLease(lease, { identity: holder, durationMs: 35_000, now: "2026-01-01T00:00:00.000000Z" }));
    nowMs = waitedMs;
    assert.equal(observed.heldForMs(), want);
  });
}
