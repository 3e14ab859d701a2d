import { readFile } from "node:fs/promises";

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

/** Events of an audit log; a last line that is still being written is left out. */
export async function readAuditLog(path: string): Promise<readonly AuditEvent[]> {
  const text = await readFile(path, "utf8");
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
