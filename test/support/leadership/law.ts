import type { AuditEvent } from "../../../scripts/control-plane/audit.ts";
import { fieldsOf, textOf } from "../../../src/kube/fields.ts";

/** One of several operators: by what the audit log tells its requests from those of the others, and what its identity in the Lease contains. */
export type Candidate = { readonly name: string; readonly credential: string; readonly uid: string };

/** A write of an operator to the Lease; `holder` is the one that the Lease names from then on, "" for nobody. */
type Turn = Span & { readonly by: string; readonly holder: string };
/** From when the request was received until its answer was complete, in milliseconds since 1970. */
type Span = { readonly fromMs: number; readonly toMs: number };
type Write = Span & { readonly by: string; readonly what: string };

const writeVerbs = new Set(["create", "update", "patch", "delete", "deletecollection"]);

/** All writes of operators in the audit log, events included, but for those of the Lease, and for questions, which store nothing. */
export function writesOf(events: readonly AuditEvent[], candidates: readonly Candidate[]): readonly Write[] {
  return events.flatMap((event) => {
    const by = candidateOf(event, candidates);
    if (by === undefined || !writeVerbs.has(event.verb) || isLease(event) || isQuestion(event)) return [];
    return [{ ...spanOf(event), by: by.name, what: `${event.verb} ${event.requestURI.split("?")[0]}` }];
  });
}

/**
 * What is wrong with each write that an operator has made while the Lease named another one, or nobody, or its own name for longer than
 * `leaseMs`. What the operators themselves have written into the Lease counts; what others do to it is no news to anybody before it is heard.
 */
export function leadershipFaults(
  events: readonly AuditEvent[],
  { candidates, leaseMs }: { readonly candidates: readonly Candidate[]; readonly leaseMs: number },
): readonly string[] {
  const turns = turnsOf(events, candidates);
  return writesOf(events, candidates).flatMap((write) => {
    const fault = faultOf(write, turns, leaseMs);
    return fault === undefined ? [] : [`${write.by} ${fault}: ${write.what}`];
  });
}

/**
 * Each time that an operator has got the Lease of another one that had not given it back, sooner than `leaseMs` after that one has renewed it.
 * Where a stranger has held it in between, a process that began meanwhile knows of no other than that one.
 */
export function takeoverFaults(
  events: readonly AuditEvent[],
  { candidates, leaseMs }: { readonly candidates: readonly Candidate[]; readonly leaseMs: number },
): readonly string[] {
  const turns = turnsOf(events, candidates);
  const strangers = events.flatMap((event) => {
    const isTheirs = isLease(event) && writeVerbs.has(event.verb) && candidateOf(event, candidates) === undefined;
    return isTheirs && holderIn(event) !== "" ? [spanOf(event).fromMs] : [];
  });
  return turns.flatMap((turn, index) => {
    const before = turns[index - 1];
    if (before === undefined || before.holder === "" || before.by === turn.by) return [];
    if (strangers.some((atMs) => before.fromMs < atMs && atMs < turn.fromMs)) return [];
    const ms = turn.fromMs - before.fromMs;
    return ms >= leaseMs ? [] : [`${turn.by} got the lease of ${before.by} after ${Math.round(ms)} ms`];
  });
}

function faultOf(write: Write, turns: readonly Turn[], leaseMs: number): string | undefined {
  const own = turns.findLast(({ by, fromMs }) => by === write.by && fromMs <= write.fromMs);
  if (own === undefined) return "never had the lease";
  if (own.holder !== own.by) return "has given the lease back";
  const other = turns.find(({ by, fromMs }) => by !== write.by && fromMs >= own.fromMs && fromMs <= write.toMs);
  if (other !== undefined) return `wrote while ${other.by} had the lease`;
  if (write.fromMs - own.fromMs > leaseMs) return "wrote after its lease was over";
  return undefined;
}

/** In the order in which they were received. */
function turnsOf(events: readonly AuditEvent[], candidates: readonly Candidate[]): readonly Turn[] {
  return events
    .flatMap((event) => {
      const by = candidateOf(event, candidates);
      const { code = 0 } = event.responseStatus ?? {};
      if (by === undefined || !isLease(event) || !writeVerbs.has(event.verb) || code >= 300) return [];
      const identity = holderIn(event);
      const holder = candidates.find(({ uid }) => identity.includes(uid))?.name ?? identity;
      return [{ ...spanOf(event), by: by.name, holder }];
    })
    .toSorted((left, right) => left.fromMs - right.fromMs);
}

function holderIn({ responseObject }: AuditEvent): string {
  return textOf(fieldsOf(fieldsOf(responseObject)["spec"])["holderIdentity"]);
}

function candidateOf({ user }: AuditEvent, candidates: readonly Candidate[]): Candidate | undefined {
  const credentials = user.extra?.["authentication.kubernetes.io/credential-id"] ?? [];
  return candidates.find(({ credential }) => credentials.includes(credential));
}

function isLease({ objectRef }: AuditEvent): boolean {
  return objectRef?.resource === "leases";
}

function isQuestion({ objectRef, requestURI }: AuditEvent): boolean {
  return objectRef?.apiGroup === "authorization.k8s.io" || requestURI.includes("dryRun=All");
}

function spanOf({ requestReceivedTimestamp, stageTimestamp }: AuditEvent): Span {
  return { fromMs: millisOf(requestReceivedTimestamp), toMs: millisOf(stageTimestamp) };
}

/** metav1.MicroTime, of which Date.parse drops the microseconds. */
function millisOf(time: string): number {
  return Date.parse(time) + Number(/\.\d{3}(\d{3})Z$/.exec(time)?.[1] ?? 0) / 1000;
}
