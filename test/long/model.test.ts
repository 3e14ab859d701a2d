import { describe, test } from "node:test";
import fc from "fast-check";
import { script, type Script } from "../support/model/commands.ts";
import { assertPlays } from "../support/model/model.ts";

const runs = Number(process.env["MODEL_RUNS"] ?? 2_000);
const seed = Number(process.env["MODEL_SEED"] ?? 1);
const replay = process.env["MODEL_REPLAY"];

describe("the operator in the model", () => {
  test("keeps what it promises, whatever happens", async (t) => {
    if (replay !== undefined) return await assertPlays(JSON.parse(replay) as Script);
    let played = 0;
    const property = fc.asyncProperty(script, async (one) => {
      played += 1;
      await assertPlays(one);
    });
    const began = performance.now();
    try {
      await fc.assert(property, {
        numRuns: runs,
        seed,
        reporter: (details) => {
          if (!details.failed) return;
          const [found] = details.counterexample ?? [];
          throw new Error(
            `after ${details.numRuns} runs and ${details.numShrinks} steps of shrinking:\n${JSON.stringify(found)}\n${String(details.errorInstance)}`,
          );
        },
      });
    } finally {
      t.diagnostic(`${played} runs in ${Math.round((performance.now() - began) / 1000)} s`);
    }
  });
});
