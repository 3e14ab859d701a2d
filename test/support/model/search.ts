import fc from "fast-check";
import type { Clock } from "../../../src/std/clock.ts";

export type Found = {
  /** How many cases were tried, those among them that were to be shorter. */
  readonly played: number;
  /** Undefined where all was well; else the shortest case that was found to fail, as a value of MODEL_REPLAY, and why. */
  readonly failed: string | undefined;
};

export type SearchOptions = {
  readonly runs: number;
  readonly seed: number;
  /** How long a case that fails is made shorter, in milliseconds; what is played by then is played to its end. */
  readonly shortenMs: number;
  readonly clock: Pick<Clock, "monotonicMs">;
};

/** Plays random cases until one fails, which is then made shorter. `play` throws for a case that fails. */
export async function search<Case>(
  cases: fc.Arbitrary<Case>,
  play: (one: Case) => Promise<void>,
  { runs, seed, shortenMs, clock }: SearchOptions,
): Promise<Found> {
  let played = 0;
  let untilMs = Number.POSITIVE_INFINITY;
  const property = fc.asyncProperty(cases, async (one) => {
    // What is not played any more counts as well, so that nothing shorter is found.
    if (clock.monotonicMs() >= untilMs) return;
    played += 1;
    try {
      await play(one);
    } catch (error) {
      untilMs = Math.min(untilMs, clock.monotonicMs() + shortenMs);
      throw error;
    }
  });
  const found = await fc.check(property, { numRuns: runs, seed });
  if (!found.failed) return { played, failed: undefined };
  const shortest = `MODEL_REPLAY='${JSON.stringify(found.counterexample?.[0])}'`;
  const told = `after ${found.numRuns} runs, ${found.numShrinks} times made shorter: ${shortest}`;
  return { played, failed: `${told}\n${String(found.errorInstance)}` };
}
