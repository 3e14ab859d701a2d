import assert from "node:assert/strict";
import { test } from "node:test";
import { mapConcurrent } from "./concurrent.ts";

test("mapConcurrent() keeps the order of the items and the limit", async () => {
  let running = 0;
  let most = 0;
  const results = await mapConcurrent([3, 1, 2, 0], 2, async (turns) => {
    running += 1;
    most = Math.max(most, running);
    for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
    running -= 1;
    return turns * 10;
  });
  assert.deepEqual({ results, most }, { results: [30, 10, 20, 0], most: 2 });
});

test("mapConcurrent() tries every item and throws a single failure as it is", async () => {
  const tried: number[] = [];
  const failure = new Error("two");
  const run = mapConcurrent([1, 2, 3], 1, async (item) => {
    tried.push(item);
    await Promise.resolve();
    if (item === 2) throw failure;
  });
  await assert.rejects(run, (error) => error === failure);
  assert.deepEqual(tried, [1, 2, 3]);
});

test("mapConcurrent() throws several failures together", async () => {
  const run = mapConcurrent([1, 2], 4, (item) => Promise.reject(new Error(String(item))));
  await assert.rejects(run, (error) => error instanceof AggregateError && error.errors.length === 2);
});
