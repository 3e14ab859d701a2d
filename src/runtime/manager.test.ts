import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { TestClock } from "../../test/support/test-clock.ts";
import { createTestLog } from "../../test/support/test-log.ts";
import { runManager, type Runnable } from "./manager.ts";
import { createTaskGroup } from "./task-group.ts";

function world() {
  const clock = new TestClock();
  const { log, lines } = createTestLog();
  const story: string[] = [];
  const abort = new AbortController();
  /** Tells of its start, its being ready and its end. */
  const lasting = (name: string, ready?: Promise<void>): Runnable => ({
    name,
    run: async (signal) => {
      story.push(`start ${name}`);
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve));
      await setImmediate();
      story.push(`end ${name}`);
    },
    ...(ready === undefined ? {} : { ready: () => ready }),
  });
  return { clock, log, lines, story, abort, lasting, options: { log, clock } };
}

test("runManager() starts each step when the one before is ready, and stops in the reverse order", async () => {
  const { story, abort, lasting, options } = world();
  const ready = Promise.withResolvers<void>();
  const steps = [
    { because: "first", runnables: [lasting("a", ready.promise), lasting("b")] },
    { because: "second", runnables: [lasting("c")] },
  ];
  const ended = runManager(steps, options, abort.signal);
  await setImmediate();
  assert.deepEqual(story, ["start a", "start b"]);
  ready.resolve();
  await setImmediate();
  abort.abort(new Error("SIGTERM"));
  await ended;
  assert.deepEqual(story.slice(2, 4), ["start c", "end c"]);
  assert.deepEqual(story.slice(4).toSorted(), ["end a", "end b"]);
});

for (const { name, run, message } of [
  { name: "fails", run: () => Promise.reject(new Error("oops")), message: "Cannot go on without bad: it failed" },
  { name: "ends by itself", run: () => Promise.resolve(), message: "Cannot go on without bad: it ended" },
]) {
  test(`runManager() stops all and throws when a runnable ${name}`, async () => {
    const { story, abort, lasting, options } = world();
    const steps = [{ because: "", runnables: [lasting("good"), { name: "bad", run }] }];
    await assert.rejects(runManager(steps, options, abort.signal), { message });
    assert.deepEqual(story, ["start good", "end good"]);
  });
}

test("runManager() throws when a step does not get ready", async () => {
  const { story, abort, lasting, options } = world();
  const steps = [
    { because: "", runnables: [lasting("a", Promise.reject(new Error("port taken")))] },
    { because: "", runnables: [lasting("b")] },
  ];
  await assert.rejects(runManager(steps, options, abort.signal), /port taken/);
  assert.deepEqual(story, ["start a", "end a"]);
});

test("runManager() leaves behind what does not stop, and says so", async () => {
  const { clock, lines, abort, lasting, options } = world();
  const stuck: Runnable = { name: "stuck", run: () => new Promise(() => undefined) };
  const ended = runManager([{ because: "", runnables: [lasting("a"), stuck] }], options, abort.signal);
  await setImmediate();
  abort.abort(new Error("SIGTERM"));
  await clock.advance(7_999);
  assert.deepEqual(lines, []);
  await clock.advance(1);
  await ended;
  assert.deepEqual(lines, [{ level: "error", message: "Left running at shutdown", runnables: ["stuck"] }]);
});

test("runManager() stops within 8 s whatever hangs, and leaves each step its part of them", async () => {
  const { clock, lines, abort, options } = world();
  const ends: string[] = [];
  /** Takes `ms` to end. */
  const slow = (name: string, ms: number): Runnable => ({
    name,
    run: async (signal) => {
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve));
      await clock.sleep(ms, new AbortController().signal);
      ends.push(`${name} at ${clock.monotonicMs()}`);
    },
  });
  const steps = [slow("servers", 500), slow("lease", 1_900), slow("watches", 60_000), slow("controller", 500)];
  const ended = runManager(
    steps.map((runnable) => ({ because: "", runnables: [runnable] })),
    options,
    abort.signal,
  );
  await setImmediate();
  abort.abort(new Error("SIGTERM"));
  await clock.advance(8_000);
  await ended;
  assert.deepEqual(ends, ["controller at 500", "lease at 5900", "servers at 6400"]);
  assert.deepEqual(lines, [{ level: "error", message: "Left running at shutdown", runnables: ["watches"] }]);
});

test("createTaskGroup() starts and stops by name while it runs, and takes all along when it ends", async () => {
  const { story, abort, lasting, options } = world();
  const group = createTaskGroup("informers");
  const ended = runManager([{ because: "", runnables: [group] }], options, abort.signal);
  for (const name of ["a", "b", "a"]) group.start(lasting(name));
  await setImmediate();
  await group.stop("a");
  await group.stop("never started");
  assert.deepEqual([story, group.names], [["start a", "start b", "end a"], ["b"]]);
  abort.abort(new Error("SIGTERM"));
  await ended;
  group.start(lasting("late"));
  assert.deepEqual(story, ["start a", "start b", "end a", "end b"]);
});

test("createTaskGroup() fails when one of its tasks fails", async () => {
  const group = createTaskGroup("informers");
  group.start({ name: "bad", run: () => Promise.reject(new Error("oops")) });
  await assert.rejects(group.run(new AbortController().signal), /oops/);
});
