import type { Rollback } from "../decision.ts";
import { conditionTypes, reasons, type Reason } from "../../../api/reasons.ts";
import { removeCondition, setCondition, type Condition, type NextCondition } from "../../../kube/conditions.ts";
import type { Rendering } from "../../../render/rendering.ts";
import { formatDuration } from "../../../std/duration.ts";
import { enumerate } from "../../../std/shorten.ts";
import type { FluxInstanceStatus, HistoryEntry } from "../status.ts";
import type { World } from "../world.ts";

/** When the reconcile ended, and how long it took. */
export type ReconcileTime = { readonly nowIso: string; readonly durationMs: number };

const historyLimit = 5;

/** The recorded status, with this generation and the requests in annotations marked as handled. */
export function handled({ recorded, settings, generation }: World): FluxInstanceStatus {
  const { requestedAt, forceAt } = settings;
  return {
    ...recorded,
    observedGeneration: generation,
    ...(requestedAt === undefined ? {} : { lastHandledReconcileAt: requestedAt }),
    ...(forceAt === undefined || forceAt !== requestedAt ? {} : { lastHandledForceAt: forceAt }),
  };
}

/** The Warning condition: everything that needs attention and does no harm to what runs. The first warning gives the reason. */
export function warnings(world: World): ConditionChange {
  const { settings, lastGood, recorded, unwatched, contested, otherImages, olderDefinition } = world;
  const found = [
    ...(recorded.warnings ?? []).map((message) => ({ reason: reasons.preflightWarning, message })),
    ...contestWarnings(contested),
    ...(otherImages === undefined ? [] : [{ reason: reasons.imageDiffers, message: otherImages }]),
    ...(olderDefinition === undefined ? [] : [{ reason: reasons.olderDefinition, message: olderDefinition }]),
    ...unwatched.map((message) => ({ reason: reasons.watchRefused, message })),
    ...settings.warnings.map(({ message }) => ({ reason: reasons.invalidAnnotation, message })),
    ...(lastGood.kind === "damaged" ? [{ reason: reasons.lastGoodFailed, message: lastGood.message }] : []),
  ];
  const [first] = found;
  if (first === undefined) return { type: conditionTypes.warning };
  const message = found.map((warning) => warning.message).join("; ");
  return { type: conditionTypes.warning, status: "True", reason: first.reason, message };
}

const contestsNamed = 3;

function contestWarnings(
  contested: readonly string[],
): readonly { readonly reason: Reason; readonly message: string }[] {
  if (contested.length === 0) return [];
  const message =
    `undone after each repair, so it is repaired seldom: ${enumerate(contested, contestsNamed)}; ` +
    "have that client leave the object alone, or leave the field to it with spec.driftIgnore";
  return [{ reason: reasons.contested, message }];
}

/** The end of UpToDate's message when images of `rendering` are not pinned by digest; empty when all are. */
export function unpinnedText({ unpinned }: Pick<Rendering, "unpinned">): string {
  if (unpinned === undefined) return "";
  return `; images are not pinned by digest: ${unpinned.reason} (${unpinned.components.join(", ")})`;
}

/** A condition to set; one with nothing but a type is removed. */
export type ConditionChange = Omit<NextCondition, "observedGeneration"> | { readonly type: string };

/** What a person reads; the API server takes 32,768 characters, and refuses the whole status for one more. */
const longestMessage = 500;
const [headLength, tailLength] = [300, 120];

/** `message` as a condition shows it: whole, or its beginning and its end, which says what to do, and how many characters are missing. */
export function cutMessage(message: string): string {
  if (message.length <= longestMessage) return message;
  const more = message.length - headLength - tailLength;
  const [head, tail] = [message.slice(0, headLength), message.slice(-tailLength)];
  return `${head}… (${more} more characters; the operator's log has them all) …${tail}`;
}

/** The recorded conditions with `changes` made, for this generation. */
export function withConditions(
  { recorded, generation }: World,
  nowIso: string,
  changes: readonly ConditionChange[],
): readonly Condition[] {
  return changes.reduce<readonly Condition[]>(
    (conditions, change) =>
      "status" in change
        ? setCondition(
            conditions,
            { ...change, message: cutMessage(change.message), observedGeneration: generation },
            nowIso,
          )
        : removeCondition(conditions, change.type),
    recorded.conditions,
  );
}

/** One outcome of a reconcile, for the history. */
export type Attempt = {
  readonly digest: string;
  readonly status: string;
  readonly changed: boolean;
  readonly metadata: { readonly flux: string };
};

/** The history with `attempt`, newest first, at most 5 entries. The same outcome again counts only when something was written for it. */
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

/** "sha256:<64 hex>" of a revision such as "v2.9.4@sha256:<64 hex>". */
export function digestOf(revision: string): string {
  return revision.split("@")[1] ?? revision;
}

/** The Unattended condition, from the sentences of `readUnattended`; removed when there are none. */
export function unattendedCondition(unattended: readonly string[]): ConditionChange {
  if (unattended.length === 0) return { type: conditionTypes.unattended };
  const message = `No controller reconciles ${unattended.join("; ")}`;
  return { type: conditionTypes.unattended, status: "True", reason: reasons.noController, message };
}

/** How messages name the upgrade that failed: by its version or, when the last good revision has the same version, by its revision. */
export function failedName({ failed, rendering }: Rollback): string {
  if (failed.version !== rendering.version) return `Flux ${failed.version}`;
  if (failed.rebuilt !== undefined) return `A rebuilt Flux ${failed.version} (images of ${failed.rebuilt.join(", ")})`;
  return `A new configuration of Flux ${failed.version} (revision ${shortRevision(failed.revision)})`;
}

/** How messages name the last good revision, as `failedName` does. */
export function goodName({ failed, rendering }: Rollback): string {
  if (failed.version !== rendering.version) return `Flux ${rendering.version}`;
  if (failed.rebuilt !== undefined) return `the images before (revision ${shortRevision(rendering.revision)})`;
  return `the configuration before (revision ${shortRevision(rendering.revision)})`;
}
