import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { script, type Script } from "./commands.ts";
import { assertPlays } from "./model.ts";

const replay = process.env["MODEL_REPLAY"];
/** The script that is played instead of random ones. */
export const given = replay === undefined ? undefined : (JSON.parse(replay) as Script);

/** Plays random scripts, MODEL_RUNS of them or `runs`, from MODEL_SEED on; what fails is told as short as it can be, as a script to replay. */
export function testModel(runs: number): void {
  test("keeps what it promises in the model, whatever happens", async (t) => {
    if (given !== undefined) return await assertPlays(given);
    const began = performance.now();
    let played = 0;
    const property = fc.asyncProperty(script, async (one) => {
      played += 1;
      await assertPlays(one);
    });
    const numRuns = Number(process.env["MODEL_RUNS"] ?? runs);
    const found = await fc.check(property, { numRuns, seed: Number(process.env["MODEL_SEED"] ?? 1) });
    t.diagnostic(`${played} runs in ${Math.round((performance.now() - began) / 1000)} s`);
    const shortest = `MODEL_REPLAY='${JSON.stringify(found.counterexample?.[0])}'`;
    const told = `after ${found.numRuns} runs, ${found.numShrinks} times made shorter: ${shortest}`;
    assert.ok(!found.failed, `${told}\n${String(found.errorInstance)}`);
  });
}
