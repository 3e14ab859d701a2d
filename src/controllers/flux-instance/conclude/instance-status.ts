import { conditionTypes, reasons, type Reason } from "../../../api/reasons.ts";
import type { InventoryEntry } from "../../../apply/inventory.ts";
import { minorOf } from "../../../distribution/vex.ts";
import { findCondition } from "../../../kube/conditions.ts";
import type { Target } from "../../../render/target.ts";
import type { WaitingPlan } from "../act/waiting-plan.ts";
import type { Obstacle, TargetWithNews, Hold } from "../decision.ts";
import { rebuiltImages } from "../applied-digests.ts";
import { plannedImages } from "../plan.ts";
import { goodDigest } from "../last-good.ts";
import type { FluxInstanceStatus } from "../status.ts";
import type { World } from "../world.ts";
import {
  digestOf,
  handled,
  shortRevision,
  warnings,
  withConditions,
  withHistory,
  type ConditionChange,
  type ReconcileTime,
  unattendedCondition,
} from "./status-parts.ts";
import type { SyncHealth } from "./sync-health.ts";
import { outdatedCondition, upToDate, holdCondition } from "./up-to-date.ts";

/** The status before the first write: what is attempted, and everything that may exist from now on. */
export function intentStatus(
  world: World,
  target: Target & { readonly kind: string },
  inventory: readonly InventoryEntry[],
  nowIso: string,
): FluxInstanceStatus {
  const { recorded } = world;
  const conditions = withConditions(world, nowIso, [warnings(world)]);
  const kept = { ...recorded, inventory: { entries: inventory }, conditions };
  if (target.kind === "settle") return kept;
  const base = recorded.plan === undefined ? kept : { ...kept, plan: { startedAt: nowIso, ...recorded.plan } };
  if (isRetry(world, target)) return base;
  const message = progressMessage(world, target);
  return {
    ...base,
    lastAttemptedRevision: target.rendering.revision,
    conditions: withConditions(world, nowIso, [
      { type: conditionTypes.ready, status: "Unknown", reason: reasons.progressing, message },
      { type: conditionTypes.reconciling, status: "True", reason: reasons.progressing, message },
      { type: conditionTypes.stalled },
      warnings(world),
    ]),
  };
}

/** Whether what failed is being retried: then the reason of the failure stays in status until there is something new. */
function isRetry({ recorded, generation }: World, { rendering }: Target): boolean {
  const ready = findCondition(recorded.conditions, conditionTypes.ready);
  return (
    ready?.status === "False" &&
    ready.observedGeneration === generation &&
    recorded.lastAttemptedRevision === rendering.revision
  );
}

/** The message while `target` is applied, such as "Changing Flux from 2.8.3 to 2.9.4". */
export function progressMessage(world: World, { rendering, artifactRevision }: Target): string {
  const { recorded } = world;
  const from = recorded.lastAppliedVersion;
  if (from === undefined) return `Installing Flux ${rendering.version}`;
  if (
    from === rendering.version &&
    artifactRevision !== undefined &&
    artifactRevision !== recorded.lastArtifactRevision
  )
    return `Applying Flux ${rendering.version} as artifact ${artifactRevision} has it`;
  const rebuilt = rebuiltImages(rendering, world);
  if (from === rendering.version && rebuilt.length > 0)
    return `Applying rebuilt images of Flux ${rendering.version}: ${rebuilt.join(", ")}`;
  if (from === rendering.version) return `Applying a new configuration of Flux ${rendering.version}`;
  return `Changing Flux from ${from} to ${rendering.version}`;
}

/** The status with `message` as its progress message; unchanged while it shows a failure that is being retried. */
export function progressedStatus(world: World, message: string, nowIso: string): FluxInstanceStatus {
  const { recorded } = world;
  const reconciling = findCondition(recorded.conditions, conditionTypes.reconciling);
  if (reconciling?.reason !== reasons.progressing) return recorded;
  return {
    ...recorded,
    conditions: withConditions(world, nowIso, [
      { type: conditionTypes.reconciling, status: "True", reason: reasons.progressing, message },
    ]),
  };
}

/** What an apply has resulted in. */
export type Applied = {
  readonly inventory: readonly InventoryEntry[];
  /** Whether anything had to be written. */
  readonly changed: boolean;
  /** Absent without `spec.sync`. */
  readonly sync: SyncHealth | undefined;
  /** Resources that no controller reconciles, in sentences. */
  readonly unattended: readonly string[];
  /** The plan of the upgrade that the upgrade policy keeps waiting. */
  readonly waiting?: WaitingPlan;
};

/** The status when everything is applied, healthy and pruned. */
export function appliedStatus(
  world: World,
  target: TargetWithNews,
  applied: Applied,
  moment: ReconcileTime,
): FluxInstanceStatus {
  const { rendering } = target;
  const message = `Applied version ${rendering.version} revision ${shortRevision(rendering.revision)}`;
  return {
    ...appliedFields(world, target, applied),
    history: withHistory(world, moment, {
      digest: digestOf(rendering.revision),
      status: reasons.reconciliationSucceeded,
      changed: applied.changed,
      metadata: { flux: `v${rendering.version}` },
    }),
    conditions: withConditions(world, moment.nowIso, [
      { type: conditionTypes.ready, status: "True", reason: reasons.reconciliationSucceeded, message },
      { type: conditionTypes.reconciling },
      { type: conditionTypes.stalled },
      target.hold === undefined ? upToDate(target) : holdCondition(target.hold, { rendering, ...applied.waiting }),
      applied.sync ?? { type: conditionTypes.synced },
      unattendedCondition(applied.unattended),
      warnings(world),
    ]),
  };
}

/** The fields of status that an applied target sets, without conditions and history. */
export function appliedFields(world: World, target: Target, { inventory, waiting }: Applied): FluxInstanceStatus {
  const { rendering, artifactRevision } = target;
  const { lastArtifactRevision: _, plan: __, vulnerabilities: ___, ...seen } = handled(world);
  const vulnerabilities = vulnerabilitiesOf(world.recorded, target);
  const { lastGood } = world;
  return {
    ...seen,
    latestVersion: target.latestVersion,
    ...(artifactRevision === undefined ? {} : { lastArtifactRevision: artifactRevision }),
    lastAppliedVersion: rendering.version,
    lastAppliedRevision: rendering.revision,
    lastAttemptedRevision: rendering.revision,
    lastAppliedImages: plannedImages(rendering),
    components: rendering.images.map((image) => ({ ...image })),
    ...(vulnerabilities === undefined ? {} : { vulnerabilities }),
    ...(lastGood.kind === "known" ? { lastGoodDigest: goodDigest(lastGood.good) } : {}),
    inventory: { entries: inventory },
    ...(waiting === undefined ? {} : { plan: waiting.plan }),
    patches: rendering.patches.map(({ index, matched }) => ({ index, matched: matched.length })),
  };
}

/** Where the record of the last success is what was applied from, its statements are those that status has. */
function vulnerabilitiesOf(
  { lastAppliedVersion = "", vulnerabilities }: FluxInstanceStatus,
  { rendering: { version }, artifactRevision, vex }: Target,
): FluxInstanceStatus["vulnerabilities"] {
  if (vex === undefined) return minorOf(lastAppliedVersion) === minorOf(version) ? vulnerabilities : undefined;
  const summary = vex[minorOf(version)];
  return summary && { source: artifactRevision === undefined ? "Embedded" : "Artifact", ...summary };
}

/** A failure as status shows it. */
export type Failure = {
  readonly reason: Reason;
  readonly message: string;
  /** Whether only a change of the spec helps. */
  readonly stalled: boolean;
  /** What was tried; absent when nothing could be built. */
  readonly revision?: string;
};

/** The status after a failure. What was applied before stays recorded. */
export function failedStatus(world: World, failure: Failure, moment: ReconcileTime): FluxInstanceStatus {
  const { reason, message } = failure;
  const retrying: ConditionChange[] = [
    {
      type: conditionTypes.reconciling,
      status: "True",
      reason: reasons.progressingWithRetry,
      message: "It is retried, with growing delays; the condition Ready says what has failed",
    },
    { type: conditionTypes.stalled },
  ];
  const stalled: ConditionChange[] = [
    { type: conditionTypes.reconciling },
    { type: conditionTypes.stalled, status: "True", reason, message },
  ];
  return {
    ...handled(world),
    ...(failure.revision === undefined
      ? {}
      : {
          lastAttemptedRevision: failure.revision,
          history: withHistory(world, moment, {
            digest: digestOf(failure.revision),
            status: reason,
            changed: false,
            metadata: { flux: failure.revision.split("@")[0] ?? "" },
          }),
        }),
    conditions: withConditions(world, moment.nowIso, [
      { type: conditionTypes.ready, status: "False", reason, message },
      ...(failure.stalled ? stalled : retrying),
      warnings(world),
    ]),
  };
}

/**
 * The status when the applied spec could not be built again. The fault is not in the spec, so Ready stays, UpToDate says why, and the operator
 * retries.
 */
export function outdatedStatus(world: World, failure: Failure, moment: ReconcileTime): FluxInstanceStatus {
  return {
    ...handled(world),
    conditions: withConditions(world, moment.nowIso, [outdatedCondition(failure), warnings(world)]),
  };
}

/** The status while the upgrade policy keeps an upgrade waiting, and `obstacle` keeps what runs from being verified. */
export function waitingStatus(
  world: World,
  { hold, obstacle }: { readonly hold: Hold; readonly obstacle: Obstacle },
  { plan, ...refused }: WaitingPlan,
  nowIso: string,
): FluxInstanceStatus {
  return {
    ...handled(world),
    plan,
    conditions: withConditions(world, nowIso, [holdCondition(hold, { obstacle, ...refused }), warnings(world)]),
  };
}

/** The status while reconciliation is disabled. Only an instance that has never been reconciled gets a Ready condition. */
export function suspendedStatus(world: World, nowIso: string): FluxInstanceStatus {
  const untouched = world.recorded.conditions.length === 0;
  const ready: ConditionChange = {
    type: conditionTypes.ready,
    status: "True",
    reason: reasons.reconciliationDisabled,
    message: "Initialized with reconciliation suspended",
  };
  return {
    ...handled(world),
    conditions: withConditions(world, nowIso, [...(untouched ? [ready] : []), warnings(world)]),
  };
}

/** The status of an instance in a namespace that the operator does not reconcile. */
export function elsewhereStatus(world: World, nowIso: string): FluxInstanceStatus {
  const message =
    world.instance.metadata.deletionTimestamp === undefined
      ? `Flux is managed by the FluxInstance in namespace ${world.ownNamespace}, where the operator runs; create it there and delete this one`
      : `What this FluxInstance has installed can only be removed by an operator in its own namespace, and this one runs in ${world.ownNamespace}; start one there, or set spec.deletionPolicy to Orphan to delete the instance and nothing else`;
  return {
    ...world.recorded,
    observedGeneration: world.generation,
    conditions: withConditions(world, nowIso, [
      { type: conditionTypes.ready, status: "False", reason: reasons.wrongNamespace, message },
      { type: conditionTypes.reconciling },
      { type: conditionTypes.stalled, status: "True", reason: reasons.wrongNamespace, message },
    ]),
  };
}
