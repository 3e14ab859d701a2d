import assert from "node:assert/strict";
import { test } from "node:test";
import { TestClock } from "../../test/support/test-clock.ts";
import { createTestLog } from "../../test/support/test-log.ts";
import { ApiError } from "../client/api-error.ts";
import type { ObjectKey } from "../kube/object.ts";
import { ReasonedError } from "../std/errors.ts";
import { runController, type ControllerOptions, type Outcome, type ReconcileResult } from "./controller.ts";
import { WorkQueue } from "./work-queue.ts";

const a: ObjectKey = { namespace: "n", name: "a" };

type Setup = {
  readonly reconcile: ControllerOptions["reconcile"];
  readonly workers?: number;
};

function start({ reconcile, workers = 1 }: Setup) {
  const clock = new TestClock();
  const queue = new WorkQueue({ clock });
  const { log, lines } = createTestLog();
  const results: ReconcileResult[] = [];
  const observer = { started: () => undefined, finished: (result: ReconcileResult) => void results.push(result) };
  const abort = new AbortController();
  const options = {
    name: "flux-instance",
    queue,
    workers,
    reconcile,
    log,
    createId,
    clock,
    random: () => 0.5,
    observer,
  };
  const ended = runController(options, abort.signal);
  const stop = async (): Promise<void> => {
    abort.abort(new Error("stop"));
    await ended;
  };
  return { clock, queue, lines, results, stop };
}

const createId = (): string => "1";

const tellAndSettle: ControllerOptions["reconcile"] = async (_key, log) => {
  log.info("Reconciled");
  return { kind: "settled" };
};

const tooMany = new ApiError("list Pod", {
  code: 429,
  reason: "TooManyRequests",
  message: "slow down",
  causes: [],
  retryAfterMs: 9_000,
});
const onChange = new ReasonedError({ reason: "BuildFailed", retry: "on-change", message: "Cannot build" });

for (const { name, ends, want } of [
  { name: "settled", ends: (): Outcome => ({ kind: "settled" }), want: { sleeping: [], result: "success", errors: 0 } },
  {
    name: "settled with a time to look again",
    ends: (): Outcome => ({ kind: "settled", recheckMs: 60_000 }),
    want: { sleeping: [60_000], result: "requeue_after", errors: 0 },
  },
  {
    name: "settled until a moment before the time to look again",
    ends: (): Outcome => ({ kind: "settled", recheckMs: 60_000, dueMs: 7_000 }),
    want: { sleeping: [7_000], result: "requeue_after", errors: 0 },
  },
  {
    name: "settled until a moment, and never looked at again for its own sake",
    ends: (): Outcome => ({ kind: "settled", dueMs: 7_000 }),
    want: { sleeping: [7_000], result: "requeue_after", errors: 0 },
  },
  {
    name: "waiting",
    ends: (): Outcome => ({ kind: "waiting", retryMs: 5_000 }),
    want: { sleeping: [5_000], result: "requeue_after", errors: 0 },
  },
  {
    name: "failed with backoff",
    ends: (): Outcome => ({ kind: "failed", retry: { kind: "backoff" } }),
    want: { sleeping: [750], result: "error", errors: 0 },
  },
  {
    name: "failed with backoff, and for long where that was asked for",
    ends: (): Outcome => ({ kind: "failed", retry: { kind: "backoff", atLeastMs: 90_000, atMostMs: 60_000 } }),
    want: { sleeping: [90_000], result: "error", errors: 0 },
  },
  {
    name: "failed with backoff, but no longer than it wants",
    ends: (): Outcome => ({ kind: "failed", retry: { kind: "backoff", atLeastMs: 0, atMostMs: 500 } }),
    want: { sleeping: [500], result: "error", errors: 0 },
  },
  {
    name: "failed until something changes",
    ends: (): Outcome => ({ kind: "failed", retry: { kind: "on-change" } }),
    want: { sleeping: [], result: "error", errors: 0 },
  },
  {
    name: "failed for a given time",
    ends: (): Outcome => ({ kind: "failed", retry: { kind: "after", ms: 5_000 } }),
    want: { sleeping: [5_000], result: "error", errors: 0 },
  },
  {
    name: "an exception",
    ends: (): Outcome => {
      throw new Error("oops");
    },
    want: { sleeping: [750], result: "error", errors: 1 },
  },
  {
    name: "an API error that says when to come back",
    ends: (): Outcome => {
      throw tooMany;
    },
    want: { sleeping: [9_000], result: "error", errors: 1 },
  },
  {
    name: "an error that only a change can mend",
    ends: (): Outcome => {
      throw onChange;
    },
    want: { sleeping: [], result: "error", errors: 1 },
  },
]) {
  test(`runController() after ${name} comes back as told`, async () => {
    const { queue, clock, results, lines, stop } = start({ reconcile: async () => ends() });
    queue.add(a);
    await clock.advance(0);
    const got = {
      sleeping: clock.sleepingMs(),
      result: results.join(),
      errors: lines.filter(({ level }) => level === "error").length,
    };
    await stop();
    assert.deepEqual(got, want);
  });
}

test("runController() lets the backoff grow until a reconcile settles", async () => {
  const delays: (readonly number[])[] = [];
  let runs = 0;
  const { queue, clock, stop } = start({
    reconcile: async () => ((runs += 1) === 3 ? { kind: "settled" } : { kind: "failed", retry: { kind: "backoff" } }),
  });
  queue.add(a);
  for (const ms of [0, 750, 1_500]) {
    await clock.advance(ms);
    delays.push(clock.sleepingMs());
  }
  queue.add(a);
  await clock.advance(0);
  delays.push(clock.sleepingMs());
  await stop();
  assert.deepEqual(delays, [[750], [1_500], [], [750]]);
});

async function recheckInASecond(): Promise<Outcome> {
  return { kind: "settled", recheckMs: 1_000 };
}

test("runController() spreads rechecks around their time", async () => {
  const clock = new TestClock();
  const queue = new WorkQueue({ clock });
  const abort = new AbortController();
  const { log } = createTestLog();
  const chances = [0, 0.75];
  const random = (): number => chances.shift() ?? 0;
  const ended = runController(
    {
      name: "x",
      queue,
      workers: 1,
      reconcile: recheckInASecond,
      log,
      createId,
      clock,
      random,
      recheckJitter: 0.1,
    },
    abort.signal,
  );
  queue.add(a);
  queue.add({ ...a, name: "b" });
  await clock.advance(0);
  assert.deepEqual(clock.sleepingMs(), [900, 1_050]);
  abort.abort();
  await ended;
});

async function dueInASecond(): Promise<Outcome> {
  return { kind: "settled", recheckMs: 1_000, dueMs: 1_001 };
}

test("runController() comes back to the moment for what is due", async () => {
  const clock = new TestClock();
  const queue = new WorkQueue({ clock });
  const abort = new AbortController();
  const { log } = createTestLog();
  const ended = runController(
    {
      name: "x",
      queue,
      workers: 1,
      reconcile: dueInASecond,
      log,
      createId,
      clock,
      random: () => 1,
      recheckJitter: 0.1,
    },
    abort.signal,
  );
  queue.add(a);
  await clock.advance(0);
  assert.deepEqual(clock.sleepingMs(), [1_001]);
  abort.abort();
  await ended;
});

test("runController() works on different keys at a time and never twice on one", async () => {
  const running = new Map<string, number>();
  const most: number[] = [];
  let turns = Promise.withResolvers<void>();
  const reconcile = async ({ name }: ObjectKey): Promise<Outcome> => {
    running.set(name, (running.get(name) ?? 0) + 1);
    most.push(Math.max(...running.values()), running.size);
    await turns.promise;
    running.delete(name);
    return { kind: "settled" };
  };
  const { queue, clock, stop } = start({ reconcile, workers: 2 });
  for (const name of ["a", "b", "c"]) queue.add({ ...a, name });
  await clock.advance(0);
  queue.add(a);
  await clock.advance(0);
  assert.deepEqual([...running.keys()], ["a", "b"]);
  const first = turns;
  turns = Promise.withResolvers<void>();
  first.resolve();
  await clock.advance(0);
  assert.deepEqual([[...running.keys()].toSorted(), Math.max(...most)], [["a", "c"], 2]);
  turns.resolve();
  await stop();
});

test("runController() tells a running reconcile to stop, waits for it, and logs no error for that", async () => {
  let ended = false;
  const reconcile: ControllerOptions["reconcile"] = async (_key, _log, signal) => {
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    ended = true;
    throw signal.reason;
  };
  const { queue, clock, lines, stop } = start({ reconcile });
  queue.add(a);
  await clock.advance(0);
  await stop();
  assert.deepEqual([ended, lines], [true, []]);
});

test("runController() gives each reconcile a logger that names the key and the reconcile", async () => {
  const { queue, clock, lines, stop } = start({ reconcile: tellAndSettle });
  queue.add(a);
  await clock.advance(0);
  await stop();
  assert.deepEqual(lines, [
    { level: "info", message: "Reconciled", controller: "flux-instance", ...a, reconcileID: "1" },
  ]);
});
