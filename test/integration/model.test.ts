import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { testModel } from "../support/model/describe-model.ts";
import { search } from "../support/model/search.ts";
import { TestClock } from "../support/test-clock.ts";

describe("the operator", () => {
  testModel(40);
});

test("search() ends with a case that fails, although making it shorter would take for ever", async () => {
  const clock = new TestClock();
  const play = async (): Promise<void> => {
    clock.jump(5_000);
    assert.fail("it is wrong");
  };
  const cases = fc.array(fc.nat(), { minLength: 50, maxLength: 50 });
  const { played, failed = "" } = await search(cases, play, { runs: 100, seed: 1, shortenMs: 60_000, clock });
  assert.equal(played, 13);
  assert.match(failed, /^after 1 runs, 12 times made shorter: MODEL_REPLAY='\[[\d,]+\]'\nAssertionError.*it is wrong/);
});
