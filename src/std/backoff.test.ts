import assert from "node:assert/strict";
import { test } from "node:test";

import { backoffMs, withJitter, withSpread } from "./backoff.ts";

test("backoffMs() doubles from the base and stops at the limit", () => {
  const delays = [1, 2, 3, 4, 5, 2000].map((attempt) => backoffMs(attempt, { baseMs: 750, maxMs: 5_000 }));
  assert.deepEqual(delays, [750, 1_500, 3_000, 5_000, 5_000, 5_000]);
});

test("backoffMs() refuses an attempt before the first", () => {
  assert.throws(() => backoffMs(0, { baseMs: 1, maxMs: 2 }), RangeError);
});

test("withJitter() lengthens by at most the fraction", () => {
  assert.deepEqual(
    [0, 0.5].map((chance) => withJitter(100, 0.2, () => chance)),
    [100, 110],
  );
});

test("withSpread() varies in both directions by at most the fraction", () => {
  assert.deepEqual(
    [0, 0.5, 0.75].map((chance) => withSpread(100, 0.5, () => chance)),
    [50, 100, 125],
  );
});
