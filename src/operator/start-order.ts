// Tests: test/integration/standby.test.ts
import type { Informer } from "../runtime/informer.ts";
import type { LeaderElection } from "../runtime/leader-election.ts";
import type { Runnable, StartStep } from "../runtime/manager.ts";
import { electionRunnable, informerRunnable } from "./runnables.ts";

export type Started = {
  readonly instances: Informer;
  readonly managed: readonly Informer[];
  readonly election: LeaderElection | undefined;
  readonly writers: readonly Runnable[];
};

/** What starts after what, and why. */
export function startOrder(
  probes: readonly Runnable[],
  { election, instances, managed, writers }: Started,
): readonly StartStep[] {
  return [
    {
      // The election relies on it, too: see `candidateOf`.
      because: "probes must be answered from the first moment on",
      runnables: probes,
    },
    ...(election === undefined ? [] : [{ because: "only a leader writes", runnables: [electionRunnable(election)] }]),
    {
      because: "a reconcile reads what the watches know",
      runnables: [
        { ...informerRunnable(instances), ready: (signal) => instances.synced(signal) },
        ...managed.map(informerRunnable),
      ],
    },
    { because: "it may write now, and sees the world", runnables: writers },
  ];
}
