import type { HttpAnswer } from "./http-server.ts";
import type { Informer } from "./informer.ts";
import type { LeaderElection } from "./leader-election.ts";

/** `check` returns undefined when all is well, else what is wrong. */
export type HealthCheck = { readonly name: string; readonly check: () => string | undefined };

/** An informer that has heard nothing for longer than this is of no use, and a new process may do better. */
const staleMs = 15 * 60_000;

/** For liveness: whether the API server was heard lately, by an event, a bookmark or an answer of any status. */
export function watchIsAlive(informer: Pick<Informer, "silentMs" | "gvk">): HealthCheck {
  const { kind } = informer.gvk;
  const check = (): string | undefined =>
    informer.silentMs() < staleMs ? undefined : `the watch of ${kind} is silent for too long`;
  return { name: `watch-${kind}`, check };
}

/** Whether the first list is complete. */
function hasSynced(informer: Probed): HealthCheck {
  const { kind } = informer.gvk;
  return { name: `sync-${kind}`, check: () => (informer.hasSynced ? undefined : `${kind} is not listed yet`) };
}

/** Whether the API server lets us follow the kind. */
function isWatched(informer: Probed): HealthCheck {
  return { name: `watch of ${informer.gvk.kind}`, check: () => informer.trouble?.message };
}

type Probed = Pick<Informer, "hasSynced" | "trouble" | "gvk">;

/** Tells whether this process leads, or stands by for the one that does. */
type Standing = Pick<LeaderElection, "hasHeard" | "isLeading">;

/**
 * For readiness. Who stands by is ready as soon as the API server has told who holds the lease, since a rolling update ends the leader only
 * then; the watches begin when it leads, and count from then on. `election` is undefined for a process that leads without a lease. Of
 * `followed` kinds, which are served only while Flux is installed, nothing counts but what keeps them from being watched.
 */
export function readyChecks(
  election: Standing | undefined,
  informers: readonly Probed[],
  followed: readonly Probed[] = [],
): readonly HealthCheck[] {
  const troubled = [...informers, ...followed].filter(({ trouble }) => trouble !== undefined).map(isWatched);
  const synced = [...informers.filter(({ trouble }) => trouble === undefined).map(hasSynced), ...troubled];
  if (election === undefined) return synced;
  const wrong = "the API server has not told yet who holds the lease";
  const heard = { name: "lease", check: () => (election.hasHeard ? undefined : wrong) };
  return election.isLeading() ? [heard, ...synced] : [heard];
}

/** 200 "ok", or 503 with a line for each check, as the API server's own /readyz writes them; with the query "verbose" always those lines. */
export function answerHealth(checks: readonly HealthCheck[], query = ""): HttpAnswer {
  const results = checks.map(({ name, check }) => ({ name, wrong: check() }));
  const isWell = results.every(({ wrong }) => wrong === undefined);
  if (isWell && !new URLSearchParams(query).has("verbose"))
    return { status: 200, contentType: "text/plain", body: "ok\n" };
  const lines = results.map(({ name, wrong }) =>
    wrong === undefined ? `[+]${name} ok\n` : `[-]${name} failed: ${wrong}\n`,
  );
  return { status: isWell ? 200 : 503, contentType: "text/plain", body: lines.join("") };
}
