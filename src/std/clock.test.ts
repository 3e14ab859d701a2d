import assert from "node:assert/strict";
import { test } from "node:test";
import { TestClock } from "../../test/support/test-clock.ts";
import { microTimestamp, systemClock, timestamp } from "./clock.ts";

const forever = new AbortController().signal;

test("timestamp() and microTimestamp() write the two forms of Kubernetes", () => {
  const clock = new TestClock(Date.UTC(2024, 1, 25, 16, 11, 42, 7));
  assert.deepEqual([timestamp(clock), microTimestamp(clock)], ["2024-02-25T16:11:42Z", "2024-02-25T16:11:42.007000Z"]);
});

test("TestClock wakes sleepers in the order of their times, each at its own", async () => {
  const clock = new TestClock(0);
  const woken: number[] = [];
  const sleepers = [30, 10, 20].map(async (ms) => {
    await clock.sleep(ms, forever);
    woken.push(clock.monotonicMs());
  });
  await clock.advance(25);
  assert.deepEqual([woken, clock.sleepingMs()], [[10, 20], [5]]);
  await clock.advance(5);
  await Promise.all(sleepers);
});

for (const [name, clock] of [
  ["systemClock", systemClock],
  ["TestClock", new TestClock()],
] as const) {
  test(`${name}.sleep() ends with the signal's reason`, async () => {
    const abort = new AbortController();
    const sleep = clock.sleep(60_000, abort.signal);
    abort.abort(new Error("enough"));
    await assert.rejects(sleep, /enough/);
    await assert.rejects(clock.sleep(0, abort.signal), /enough/);
  });
}

test("systemClock.sleep() ends after its time", async () => {
  const before = systemClock.monotonicMs();
  await systemClock.sleep(5, forever);
  assert.ok(systemClock.monotonicMs() - before >= 4);
});
