// Tests: src/controllers/flux-instance/conclude/instance-status.test.ts
import { readInventory, type InventoryEntry } from "../../apply/inventory.ts";
import type { VexSummary } from "../../distribution/vex.ts";
import { fieldsOf, listOf, textOf } from "../../kube/fields.ts";
import type { Condition } from "../../kube/conditions.ts";
import type { JsonObject, JsonValue } from "../../kube/object.ts";
import { readPlan, type Plan } from "./plan.ts";

/** One entry of `status.history`, in the Go operator's form: one for each revision and outcome. */
export type HistoryEntry = {
  readonly digest: string;
  readonly firstReconciled: string;
  readonly lastReconciled: string;
  readonly lastReconciledDuration: string;
  readonly lastReconciledStatus: string;
  readonly totalReconciliations: number;
  readonly metadata?: { readonly flux: string };
};

/** The status that we write: the RFC's fields and the Go operator's. Fields of neither are left as they are. */
export type FluxInstanceStatus = {
  readonly observedGeneration?: number;
  readonly conditions: readonly Condition[];
  readonly latestVersion?: string;
  readonly lastAppliedVersion?: string;
  readonly lastAppliedImages?: readonly { readonly name: string; readonly digest?: string }[];
  readonly lastAppliedRevision?: string;
  readonly lastAttemptedRevision?: string;
  readonly lastArtifactRevision?: string;
  /** "oci://host/path:tag@sha256:..." as the registry had it last; absent for embedded releases. */
  readonly lastSeenArtifact?: string;
  /** The digests that the registry of the images had last; absent where they come from the release. */
  readonly lastSeenImages?: readonly { readonly name: string; readonly digest?: string }[];
  /** Which record of the last good revision is the operator's own: `goodDigest` of it. */
  readonly lastGoodDigest?: string;
  readonly lastHandledReconcileAt?: string;
  readonly lastHandledForceAt?: string;
  readonly components?: readonly JsonObject[];
  /** Which statements about vulnerabilities come with what is applied. */
  readonly vulnerabilities?: VexSummary & { readonly source: "Embedded" | "Artifact" };
  readonly inventory?: { readonly entries: readonly InventoryEntry[] };
  readonly history?: readonly HistoryEntry[];
  /** What the last preflight warned of. */
  readonly warnings?: readonly string[];
  readonly plan?: Plan;
  readonly patches?: readonly { readonly index: number; readonly matched: number }[];
};

/**
 * Reads the status as the API server returns it. Its schema was checked at admission and no other client writes it, so parts on which no
 * decision depends are copied as they are; conditions, inventory and plan are read one by one.
 */
export function readStatus(status: JsonValue | undefined): FluxInstanceStatus {
  const fields = fieldsOf(status);
  const { plan: _, ...others } = fields;
  const plan = readPlan(fields["plan"]);
  return {
    ...others,
    ...(plan === undefined ? {} : { plan }),
    conditions: listOf(fields["conditions"]).map((entry) => readCondition(fieldsOf(entry))),
    ...(fields["warnings"] === undefined ? {} : { warnings: listOf(fields["warnings"]).map(textOf) }),
    ...(fields["inventory"] === undefined ? {} : { inventory: { entries: readInventory(status) } }),
  };
}

/** The version that was last applied. The Go operator writes it only as part of the revision ("v2.8.4@sha256:..."). */
export function runningVersion({ lastAppliedVersion, lastAppliedRevision }: FluxInstanceStatus): string | undefined {
  return lastAppliedVersion ?? lastAppliedRevision?.split("@")[0]?.replace(/^v/, "");
}

function readCondition(fields: JsonObject): Condition {
  const status = textOf(fields["status"]);
  const observed = fields["observedGeneration"];
  return {
    type: textOf(fields["type"]),
    status: status === "True" || status === "False" ? status : "Unknown",
    reason: textOf(fields["reason"]),
    message: textOf(fields["message"]),
    lastTransitionTime: textOf(fields["lastTransitionTime"]),
    ...(typeof observed === "number" ? { observedGeneration: observed } : {}),
  };
}
