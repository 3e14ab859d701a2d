// Tests: src/operator/candidate.test.ts
import type { Config } from "./config.ts";

/** Who this process is in the leader election. */
export type Candidate = {
  readonly identity: string;
  /** How the identities of earlier processes begin that have certainly ended; absent where that cannot be known. */
  readonly predecessors?: string;
};

/**
 * Who this process is, on `host`; `unique` is of this process alone. An earlier process of the same pod listened on the same port for probes for as
 * long as it ran, and all containers of a pod share its network: since this process listens there now, that one has ended. A pod is known by its
 * uid; its name may come again, and is that of the node on the node's network.
 */
export function candidateOf(
  { podUid, healthAddr }: Pick<Config, "podUid" | "healthAddr">,
  { host, unique }: { readonly host: string; readonly unique: string },
): Candidate {
  if (podUid === undefined || !/:[1-9]\d*$/.test(healthAddr)) return { identity: `${host}_${unique}` };
  const predecessors = `${host}_${podUid}_${healthAddr}_`;
  return { identity: predecessors + unique, predecessors };
}
