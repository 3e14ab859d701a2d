import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { Rest } from "./rest.ts";

/** The part of audit.k8s.io/v1 Event that tests look at. */
export type AuditEvent = {
  readonly stage: string;
  readonly verb: string;
  readonly requestURI: string;
  readonly userAgent?: string;
  readonly user: { readonly username: string; readonly groups?: readonly string[] };
  readonly objectRef?: {
    readonly apiGroup?: string;
    readonly resource?: string;
    readonly namespace?: string;
    readonly name?: string;
    readonly subresource?: string;
  };
  readonly responseStatus?: { readonly code?: number };
  readonly requestReceivedTimestamp: string;
};

const pollMs = 10;
/** The API server logs within milliseconds; one that does not has a fault of its own. */
const patienceMs = 60_000;

/**
 * Events of the audit log up to now. A request is logged shortly after its answer has gone out, so this sends one more and waits until
 * the log has that; it is not in the result.
 */
export async function readSettledAuditLog(rest: Rest, path: string): Promise<readonly AuditEvent[]> {
  const mark = `/version?audit-mark=${randomUUID()}`;
  await rest.request("GET", mark);
  const deadline = AbortSignal.timeout(patienceMs);
  let text = await readFile(path, "utf8");
  while (!text.includes(mark)) {
    await sleep(pollMs, undefined, { signal: deadline });
    text = await readFile(path, "utf8");
  }
  return parseAuditLog(text).filter(({ requestURI }) => !requestURI.startsWith("/version?audit-mark="));
}

/** A last line that is still being written is left out. */
function parseAuditLog(text: string): readonly AuditEvent[] {
  return text
    .slice(0, text.lastIndexOf("\n") + 1)
    .split("\n")
    .filter((line) => line !== "")
    .map((line): AuditEvent => JSON.parse(line));
}

/** The audit.k8s.io/v1 Policy that gives such a log. */
export const auditPolicy = {
  apiVersion: "audit.k8s.io/v1",
  kind: "Policy",
  omitStages: ["RequestReceived"],
  omitManagedFields: true,
  rules: [{ level: "Metadata" }],
};
