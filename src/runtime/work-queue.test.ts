import assert from "node:assert/strict";
import { test } from "node:test";
import { TestClock } from "../../test/support/test-clock.ts";
import type { ObjectKey } from "../kube/object.ts";
import { WorkQueue } from "./work-queue.ts";

const a: ObjectKey = { namespace: "n", name: "a" };
const b: ObjectKey = { namespace: "n", name: "b" };

function newQueue(): { readonly queue: WorkQueue; readonly clock: TestClock } {
  const clock = new TestClock(1_000);
  return { clock, queue: new WorkQueue({ clock, backoff: { baseMs: 100, maxMs: 350 } }) };
}

/** The names that can be taken now; each is given back at once. */
async function drain(queue: WorkQueue): Promise<readonly string[]> {
  const names: string[] = [];
  while (queue.depth > 0) {
    const key = await queue.take();
    assert.ok(key);
    names.push(key.name);
    queue.done(key);
  }
  return names;
}

test("WorkQueue hands out a key once, however often it was added, in order of first adding", async () => {
  const { queue } = newQueue();
  for (const key of [a, b, a, { ...a }]) queue.add(key);
  assert.deepEqual(await drain(queue), ["a", "b"]);
});

test("WorkQueue hands out a key again after done() if it was added meanwhile, and not before", async () => {
  const { queue } = newQueue();
  queue.add(a);
  const taken = await queue.take();
  queue.add(a);
  queue.add(a);
  assert.equal(queue.depth, 0);
  assert.deepEqual(taken, a);
  queue.done(a);
  assert.deepEqual(await drain(queue), ["a"]);
});

test("WorkQueue lets a take() wait for the next key", async () => {
  const { queue } = newQueue();
  const takes = [queue.take(), queue.take()];
  queue.add(a);
  queue.add(b);
  assert.deepEqual(await Promise.all(takes), [a, b]);
});

test("WorkQueue.addAfter() adds after the soonest of several delays", async () => {
  const { queue, clock } = newQueue();
  queue.addAfter(a, 500);
  queue.addAfter(a, 200);
  queue.addAfter(a, 900);
  assert.deepEqual(clock.sleepingMs(), [200]);
  await clock.advance(199);
  assert.equal(queue.depth, 0);
  await clock.advance(1);
  assert.deepEqual(await drain(queue), ["a"]);
});

test("WorkQueue.take() makes a delayed wish for the same key needless", async () => {
  const { queue, clock } = newQueue();
  queue.addAfter(a, 500);
  queue.add(a);
  assert.deepEqual(await drain(queue), ["a"]);
  assert.deepEqual(clock.sleepingMs(), []);
  await clock.advance(1_000);
  assert.equal(queue.depth, 0);
});

test("WorkQueue.retry() doubles per key up to the limit, minds a longer wish of the server, and starts anew after forget()", () => {
  const { queue } = newQueue();
  const delays = [queue.retry(a), queue.retry(a), queue.retry(b), queue.retry(a), queue.retry(a, 5_000)];
  queue.forget(a);
  assert.deepEqual([...delays, queue.retry(a)], [100, 200, 100, 350, 5_000, 100]);
});

test("WorkQueue.close() ends takes and timers, and takes no more keys", async () => {
  const { queue, clock } = newQueue();
  queue.addAfter(b, 500);
  const waiting = queue.take();
  await queue.close();
  queue.add(a);
  queue.addAfter(a, 1);
  assert.deepEqual([await waiting, await queue.take(), queue.depth, clock.sleepingMs()], [undefined, undefined, 0, []]);
});

test("WorkQueue hands out a key at its pace when it is added all the time, and others as ever", async () => {
  const clock = new TestClock(1_000);
  const queue = new WorkQueue({ clock, pace: { burst: 3, everyMs: 1_000 } });
  const turns = async (times: number): Promise<number> => {
    let taken = 0;
    for (let time = 0; time < times; time += 1) {
      queue.add(a);
      taken += (await drain(queue)).length;
    }
    return taken;
  };
  assert.equal(await turns(10), 3);
  queue.add(b);
  assert.deepEqual(await drain(queue), ["b"]);
  await clock.advance(999);
  assert.equal(queue.depth, 0);
  await clock.advance(1);
  assert.deepEqual(await drain(queue), ["a"]);
  assert.equal(await turns(10), 0);
  await clock.advance(10_000);
  assert.deepEqual(await drain(queue), ["a"]);
  assert.equal(await turns(10), 2);
});
