import type { Informer } from "../runtime/informer.ts";
import type { LeaderElection } from "../runtime/leader-election.ts";
import type { Runnable } from "../runtime/manager.ts";

/** The election, ready when this process leads. */
export function electionRunnable(election: LeaderElection): Runnable {
  return {
    name: "leader election",
    run: (signal) => election.run(signal),
    ready: (signal) => election.elected(signal),
  };
}

/** A watch, ready when the API server has answered its first list. */
export function informerRunnable(informer: Informer): Runnable {
  return {
    name: `watch of ${informer.gvk.kind}`,
    run: (signal) => informer.run(signal),
    // Objects of a kind that may not be listed are asked for one by one.
    ready: (signal) => informer.answered(signal),
  };
}

/** A part under a name. */
export function runnable(name: string, part: { run(signal: AbortSignal): Promise<void> }): Runnable {
  return { name, run: (signal) => part.run(signal) };
}
