// Tests: src/apply/remove/prune.test.ts, src/controllers/flux-instance/remove/custom-resources.test.ts
import { backoffMs } from "../std/backoff.ts";
import type { Clock } from "../std/clock.ts";

/** How many requests are in flight at a time; more do not make the API server faster on two cores. */
export const requestLimit = 8;
/** How often a write that meets a conflict is tried, each time with what another client has made of the object meanwhile. */
export const maxConflicts = 10;

/** Between such a try, of which `attempt` was the first, 1, or a later one, and the next: who writes all the time is not answered with a loop of requests. */
export async function pauseAfterConflict(
  attempt: number,
  clock: Pick<Clock, "sleep">,
  signal: AbortSignal,
): Promise<void> {
  await clock.sleep(backoffMs(attempt, { baseMs: 10, maxMs: 1_000 }), signal);
}
