import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../../src/std/clock.ts";
import { script, type Script } from "./commands.ts";
import { assertPlays } from "./model.ts";
import { search } from "./search.ts";

const replay = process.env["MODEL_REPLAY"];
/** The script that is played instead of random ones. */
export const given = replay === undefined ? undefined : (JSON.parse(replay) as Script);

/** How long a script that fails is made shorter, in milliseconds. */
const shortenMs = 60_000;

/** Plays random scripts, MODEL_RUNS of them or `runs`, from MODEL_SEED on; what fails is told as short as could be found, as a script to replay. */
export function testModel(runs: number): void {
  test("keeps what it promises in the model, whatever happens", async (t) => {
    if (given !== undefined) return await assertPlays(given);
    const began = performance.now();
    const numRuns = Number(process.env["MODEL_RUNS"] ?? runs);
    const seed = Number(process.env["MODEL_SEED"] ?? 1);
    const { played, failed } = await search(script, assertPlays, {
      runs: numRuns,
      seed,
      shortenMs,
      clock: systemClock,
    });
    t.diagnostic(`${played} runs in ${Math.round((performance.now() - began) / 1000)} s`);
    if (failed !== undefined) assert.fail(failed);
  });
}
