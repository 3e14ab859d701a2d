import type { BackoffLimits } from "../std/backoff.ts";

/** How many requests are in flight at a time; more do not make the API server faster on two cores. */
export const requestLimit = 8;
/** How often a write that meets a conflict is tried, each time with what another client has made of the object meanwhile. */
export const maxConflicts = 10;
/** The pauses between these: who writes all the time is not answered with a loop of requests. */
export const conflictPause: BackoffLimits = { baseMs: 10, maxMs: 1_000 };
