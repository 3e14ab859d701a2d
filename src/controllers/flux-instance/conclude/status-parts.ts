import type { Rollback } from "../decision.ts";
import { conditionTypes, reasons } from "../../../api/reasons.ts";
import { removeCondition, setCondition, type Condition, type NextCondition } from "../../../kube/conditions.ts";
import type { Rendering } from "../../../render/rendering.ts";
import { formatDuration } from "../../../std/duration.ts";
import type { FluxInstanceStatus, HistoryEntry } from "../status.ts";
import type { World } from "../world.ts";

/** When the reconcile ended, and how long it took. */
export type ReconcileTime = { readonly nowIso: string; readonly durationMs: number };

const historyLimit = 5;

/** The recorded status with this generation and these requests seen. */
export function handled({ recorded, settings, generation }: World): FluxInstanceStatus {
  const { requestedAt, forceAt } = settings;
  return {
    ...recorded,
    observedGeneration: generation,
    ...(requestedAt === undefined ? {} : { lastHandledReconcileAt: requestedAt }),
    ...(forceAt === undefined || forceAt !== requestedAt ? {} : { lastHandledForceAt: forceAt }),
  };
}

/** All that is not as it should be without harm to what runs; the first gives the reason. */
export function warnings({ settings, lastGood, recorded }: World): ConditionChange {
  const found = [
    ...(recorded.warnings ?? []).map((message) => ({ reason: reasons.preflightWarning, message })),
    ...settings.warnings.map(({ message }) => ({ reason: reasons.invalidAnnotation, message })),
    ...(lastGood.kind === "damaged" ? [{ reason: reasons.lastGoodFailed, message: lastGood.message }] : []),
  ];
  const [first] = found;
  if (first === undefined) return { type: conditionTypes.warning };
  const message = found.map((warning) => warning.message).join("; ");
  return { type: conditionTypes.warning, status: "True", reason: first.reason, message };
}

/** What UpToDate adds where images of `rendering` are not pinned, whatever else it has to say; empty where all are. */
export function unpinnedText({ unpinned }: Pick<Rendering, "unpinned">): string {
  if (unpinned === undefined) return "";
  return `; images are not pinned by digest: ${unpinned.reason} (${unpinned.components.join(", ")})`;
}

/** A condition to set; one with nothing but a type is removed. */
export type ConditionChange = Omit<NextCondition, "observedGeneration"> | { readonly type: string };

export function withConditions(
  { recorded, generation }: World,
  nowIso: string,
  changes: readonly ConditionChange[],
): readonly Condition[] {
  return changes.reduce<readonly Condition[]>(
    (conditions, change) =>
      "status" in change
        ? setCondition(conditions, { ...change, observedGeneration: generation }, nowIso)
        : removeCondition(conditions, change.type),
    recorded.conditions,
  );
}

export type Attempt = {
  readonly digest: string;
  readonly status: string;
  readonly changed: boolean;
  readonly metadata: { readonly flux: string };
};

/** Newest first. The same outcome again counts only when something was written for it. */
export function withHistory({ recorded }: World, moment: ReconcileTime, attempt: Attempt): readonly HistoryEntry[] {
  const history = recorded.history ?? [];
  const same = history.find(
    (entry) => entry.digest === attempt.digest && entry.lastReconciledStatus === attempt.status,
  );
  if (same !== undefined && same === history[0] && !attempt.changed) return history;
  const entry: HistoryEntry = {
    digest: attempt.digest,
    firstReconciled: same?.firstReconciled ?? moment.nowIso,
    lastReconciled: moment.nowIso,
    lastReconciledDuration: formatDuration(moment.durationMs),
    lastReconciledStatus: attempt.status,
    totalReconciliations: (same?.totalReconciliations ?? 0) + 1,
    metadata: attempt.metadata,
  };
  return [entry, ...history.filter((other) => other !== same)].slice(0, historyLimit);
}

/** "e197eca", the first 7 hex digits of the revision's digest. */
export function shortRevision(revision: string): string {
  return digestOf(revision).replace("sha256:", "").slice(0, 7);
}

export function digestOf(revision: string): string {
  return revision.split("@")[1] ?? revision;
}

export function unattendedCondition(unattended: readonly string[]): ConditionChange {
  if (unattended.length === 0) return { type: conditionTypes.unattended };
  const message = `No controller reconciles ${unattended.join("; ")}`;
  return { type: conditionTypes.unattended, status: "True", reason: reasons.noController, message };
}

/** Versions tell two releases apart; of one release, only the revisions do. */
export function failedName({ failed, rendering }: Rollback): string {
  if (failed.version !== rendering.version) return `Flux ${failed.version}`;
  return `A new configuration of Flux ${failed.version} (revision ${shortRevision(failed.revision)})`;
}

export function goodName({ failed, rendering }: Rollback): string {
  if (failed.version !== rendering.version) return `Flux ${rendering.version}`;
  return `the configuration before (revision ${shortRevision(rendering.revision)})`;
}
