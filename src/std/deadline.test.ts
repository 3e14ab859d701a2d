import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { TestClock } from "../../test/support/test-clock.ts";
import { withinDeadline } from "./deadline.ts";

const late = new Error("late");
const untilAborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));

test("withinDeadline() gives what the work gives and leaves nothing behind", async () => {
  const clock = new TestClock();
  const { signal } = new AbortController();
  const deadline = { timeoutMs: 1_000, reason: () => late, clock };
  assert.equal(await withinDeadline(deadline, signal, async () => "done"), "done");
  assert.deepEqual(getEventListeners(signal, "abort"), []);
  assert.deepEqual(clock.sleepingMs(), []);
});

test("withinDeadline() aborts the work when the time is over", async () => {
  const clock = new TestClock();
  const working = withinDeadline(
    { timeoutMs: 1_000, reason: () => late, clock },
    new AbortController().signal,
    untilAborted,
  );
  const outcome = assert.rejects(working, (error) => error === late);
  await clock.advance(1_000);
  await outcome;
});

test("withinDeadline() aborts the work with the caller's reason", async () => {
  const caller = new AbortController();
  const reason = new Error("enough");
  const deadline = { timeoutMs: 1_000, reason: () => late, clock: new TestClock() };
  const outcome = assert.rejects(withinDeadline(deadline, caller.signal, untilAborted), (error) => error === reason);
  caller.abort(reason);
  await outcome;
  await assert.rejects(
    withinDeadline(deadline, caller.signal, async () => "done"),
    (error) => error === reason,
  );
});
