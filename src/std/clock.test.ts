import assert from "node:assert/strict";
import { test } from "node:test";
import { TestClock } from "../../test/support/test-clock.ts";
import { microTimestamp, systemClock, timestamp, unsuspendedClock, withSuspensions } from "./clock.ts";

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

for (const { name, readings, want } of [
  {
    name: "goes as the clock does",
    readings: [
      [5, 1_005],
      [2_005, 3_005],
    ],
    want: [5, 2_005],
  },
  {
    name: "goes on while the machine is suspended",
    readings: [
      [5, 60_000],
      [6, 60_005],
    ],
    want: [59_000, 59_001],
  },
  {
    name: "counts each suspension once",
    readings: [
      [1, 5_001],
      [2, 5_002],
      [3, 9_003],
    ],
    want: [4_001, 4_002, 8_003],
  },
  {
    name: "knows no suspension below what rounding may be",
    readings: [
      [1, 1_900],
      [2, 1_010],
    ],
    want: [1, 2],
  },
  {
    name: "never goes back, also where the uptime does",
    readings: [
      [1, 9_001],
      [2, 10],
      [3, 11],
    ],
    want: [8_001, 8_002, 8_003],
  },
] satisfies readonly { name: string; readings: readonly (readonly [number, number])[]; want: readonly number[] }[]) {
  test(`withSuspensions() ${name}`, () => {
    let [nowMs, upMs] = [0, 1_000];
    const clock = withSuspensions(
      () => nowMs,
      () => upMs,
    );
    const read = readings.map(([now, up]) => {
      [nowMs, upMs] = [now, up];
      return clock();
    });
    assert.deepEqual(read, want);
  });
}

test("withSuspensions() does not take for a suspension that the process was stopped between both readings", () => {
  let [ms, reads] = [0, 0];
  const monotonicMs = (): number => {
    reads += 1;
    if (reads === 4) ms = 40_000;
    return ms;
  };
  const clock = withSuspensions(monotonicMs, () => ms);
  assert.deepEqual([clock(), clock()], [40_000, 40_000]);
});

test("unsuspendedClock goes at the pace of systemClock", () => {
  const [one, other] = [unsuspendedClock.monotonicMs(), systemClock.monotonicMs()];
  const [later, otherLater] = [unsuspendedClock.monotonicMs(), systemClock.monotonicMs()];
  assert.ok(Math.abs(later - one - (otherLater - other)) < 1_000);
});
