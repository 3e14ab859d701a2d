import { randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { JsonObject } from "../../src/kube/object.ts";
import type { Rest } from "./rest.ts";

/** The part of audit.k8s.io/v1 Event that tests look at. */
export type AuditEvent = {
  readonly stage: string;
  readonly verb: string;
  readonly requestURI: string;
  readonly userAgent?: string;
  readonly user: {
    readonly username: string;
    readonly groups?: readonly string[];
    /** "authentication.kubernetes.io/credential-id" tells tokens of one account apart. */
    readonly extra?: { readonly [name: string]: readonly string[] };
  };
  readonly objectRef?: {
    readonly apiGroup?: string;
    readonly resource?: string;
    readonly namespace?: string;
    readonly name?: string;
    readonly subresource?: string;
  };
  readonly responseStatus?: { readonly code?: number; readonly message?: string };
  /** The object that a write of a Lease in flux-system was answered with. */
  readonly responseObject?: JsonObject;
  readonly requestReceivedTimestamp: string;
  /** When the answer was complete. */
  readonly stageTimestamp: string;
};

const pollMs = 10;
/** The API server logs within milliseconds; one that does not has a fault of its own. */
const patienceMs = 60_000;

export type AuditLog = {
  /**
   * Events up to now. A request is logged shortly after its answer has gone out, so this sends one more and waits until the log has that;
   * it is not in the result.
   */
  settled(): Promise<readonly AuditEvent[]>;
};

/** The log at `path` of the API server behind `rest`. It grows to megabytes, so each look reads on where the last one ended. */
export function openAuditLog(rest: Rest, path: string): AuditLog {
  const events: AuditEvent[] = [];
  let readBytes = 0;
  let turn: Promise<void> = Promise.resolve();
  const readOn = async (): Promise<void> => {
    const text = await readFrom(path, readBytes);
    // A last line that is still being written is left for the next time.
    const whole = text.subarray(0, text.lastIndexOf("\n") + 1);
    readBytes += whole.length;
    for (const event of parseLines(whole.toString("utf8"))) events.push(event);
  };
  return {
    settled: async () => {
      const mark = `${markPath}${randomUUID()}`;
      await rest.request("GET", mark);
      const deadline = AbortSignal.timeout(patienceMs);
      for (;;) {
        // One at a time, so that no line is read twice.
        turn = turn.catch(() => undefined).then(readOn);
        await turn;
        if (events.findLast(({ requestURI }) => requestURI === mark) !== undefined) break;
        await sleep(pollMs, undefined, { signal: deadline });
      }
      return events.filter(({ requestURI }) => !requestURI.startsWith(markPath));
    },
  };
}

const markPath = "/version?audit-mark=";

async function readFrom(path: string, start: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of createReadStream(path, { start })) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function parseLines(text: string): readonly AuditEvent[] {
  return text
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
  rules: [
    {
      level: "RequestResponse",
      verbs: ["create", "update", "patch"],
      namespaces: ["flux-system"],
      resources: [{ group: "coordination.k8s.io", resources: ["leases"] }],
    },
    { level: "Metadata" },
  ],
};
