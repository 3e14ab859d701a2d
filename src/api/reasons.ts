import type { Condition, ConditionStatus } from "../kube/conditions.ts";

/** Every condition that a FluxInstance can have. */
export const conditionTypes = {
  /** What was installed is healthy; with `wait: false`: applied. */
  ready: "Ready",
  /** Abnormal-true: a reconcile is in progress or will be retried. Never together with Stalled. */
  reconciling: "Reconciling",
  /** Abnormal-true: the spec cannot work; only a change of it helps. */
  stalled: "Stalled",
  /** What runs is the newest of what the catalogue has. */
  upToDate: "UpToDate",
  /** Health of the sync source and Kustomization; absent without `spec.sync`. */
  synced: "Synced",
  /** Abnormal-true: custom resources of Flux that no installed controller reconciles. Absent when there are none. */
  unattended: "Unattended",
  /** Abnormal-true: something is not as the user wrote it, but nothing is broken by it. Absent when there is no warning. */
  warning: "Warning",
} as const;

/** The type of one of these conditions. */
export type ConditionType = (typeof conditionTypes)[keyof typeof conditionTypes];

/** Every reason that a condition can have. `legalReasons` says which type and status each belongs to. */
export const reasons = {
  progressing: "Progressing",
  progressingWithRetry: "ProgressingWithRetry",
  reconciliationSucceeded: "ReconciliationSucceeded",
  reconciliationFailed: "ReconciliationFailed",
  reconciliationDisabled: "ReconciliationDisabled",
  artifactFailed: "ArtifactFailed",
  verificationFailed: "VerificationFailed",
  buildFailed: "BuildFailed",
  healthCheckFailed: "HealthCheckFailed",
  healthCheckCanceled: "HealthCheckCanceled",
  preflightFailed: "PreflightFailed",
  wrongNamespace: "WrongNamespace",
  upgradeFailed: "UpgradeFailed",
  rolledBack: "RolledBack",
  uninstalling: "Uninstalling",
  uninstallFailed: "UninstallFailed",
  upToDate: "UpToDate",
  newVersionAvailable: "NewVersionAvailable",
  upgradePaused: "UpgradePaused",
  outsideWindow: "OutsideWindow",
  needsNewerOperator: "NeedsNewerOperator",
  syncSucceeded: "SyncSucceeded",
  syncProgressing: "SyncProgressing",
  syncFailed: "SyncFailed",
  syncSuspended: "SyncSuspended",
  invalidAnnotation: "InvalidAnnotation",
  preflightWarning: "PreflightWarning",
  noController: "NoController",
  lastGoodFailed: "LastGoodFailed",
  watchRefused: "WatchRefused",
  contested: "Contested",
  imageDiffers: "ImageDiffers",
  olderDefinition: "OlderDefinition",
} as const;

/** One of `reasons`. */
export type Reason = (typeof reasons)[keyof typeof reasons];

const knownReasons = new Set<string>(Object.values(reasons));

/** Whether a condition can have that reason. */
export function isReason(reason: string): reason is Reason {
  return knownReasons.has(reason);
}

/** Reasons of events that are no reasons of conditions; the other events use the condition's reason. */
export const eventReasons = {
  /** What runs is older than the newest stable version. */
  outdatedVersion: "OutdatedVersion",
  /** A newer stable version is there than was seen before, whatever keeps it from being applied. */
  newVersion: "NewVersion",
  /** The artifact or images have another digest in the registry than was seen before, whatever keeps it from being applied. */
  newDigest: "NewDigest",
  /** Images that could not be pinned to a digest. */
  unpinnedImages: "UnpinnedImages",
  /** Objects could not be moved to the storage version, which the next upgrade may need. */
  migrationFailed: "MigrationFailed",
  /** The instance is about to be deleted, after what it had installed. */
  uninstalled: "Uninstalled",
  /** Objects that other field managers had managed become ours. */
  takenOver: "TakenOver",
  /** Objects of a previous installation that the instance does not have. */
  leftovers: "Leftovers",
} as const;

type Legal = { readonly [status in ConditionStatus]?: readonly Reason[] };

/** Which reasons are legal for which type and status. A type that is abnormal-true is only ever True, else absent. */
export const legalReasons = {
  Ready: {
    True: [reasons.reconciliationSucceeded, reasons.reconciliationDisabled, reasons.rolledBack],
    False: [
      reasons.artifactFailed,
      reasons.verificationFailed,
      reasons.buildFailed,
      reasons.reconciliationFailed,
      reasons.healthCheckFailed,
      reasons.healthCheckCanceled,
      reasons.preflightFailed,
      reasons.needsNewerOperator,
      reasons.wrongNamespace,
      reasons.upgradeFailed,
      reasons.uninstallFailed,
    ],
    Unknown: [reasons.progressing, reasons.uninstalling],
  },
  Reconciling: { True: [reasons.progressing, reasons.progressingWithRetry, reasons.uninstalling] },
  Stalled: { True: [reasons.buildFailed, reasons.needsNewerOperator, reasons.wrongNamespace, reasons.upgradeFailed] },
  UpToDate: {
    True: [reasons.upToDate],
    False: [
      reasons.newVersionAvailable,
      reasons.upgradePaused,
      reasons.outsideWindow,
      reasons.needsNewerOperator,
      reasons.upgradeFailed,
      reasons.artifactFailed,
      reasons.verificationFailed,
      reasons.buildFailed,
      reasons.preflightFailed,
    ],
  },
  Synced: {
    True: [reasons.syncSucceeded],
    False: [reasons.syncFailed, reasons.syncSuspended],
    Unknown: [reasons.syncProgressing],
  },
  Unattended: { True: [reasons.noController] },
  Warning: {
    True: [
      reasons.invalidAnnotation,
      reasons.preflightWarning,
      reasons.lastGoodFailed,
      reasons.watchRefused,
      reasons.contested,
      reasons.imageDiffers,
      reasons.olderDefinition,
    ],
  },
} as const satisfies { readonly [type in ConditionType]: Legal };

/**
 * What is wrong with a list of conditions by the table above and by kstatus (cli-utils pkg/kstatus), as sentences that name the condition.
 * Empty when the list is legal. Tests use it.
 */
export function conditionFaults(conditions: readonly Condition[]): readonly string[] {
  const types = conditions.map((condition) => condition.type);
  const doubled = types.filter((type, index) => types.indexOf(type) !== index);
  const together = types.includes(conditionTypes.reconciling) && types.includes(conditionTypes.stalled);
  const ready = conditions.find((condition) => condition.type === conditionTypes.ready);
  const readyAndStalled = ready?.status === "True" && types.includes(conditionTypes.stalled);
  return [
    ...doubled.map((type) => `${type} stands twice`),
    ...(together ? ["Reconciling and Stalled stand together"] : []),
    ...(readyAndStalled ? ["Stalled stands beside Ready True"] : []),
    ...conditions.flatMap((condition) => faultOf(condition)),
  ];
}

function faultOf(condition: Condition): readonly string[] {
  const named = `${condition.type} ${condition.status} / ${condition.reason}`;
  const table: { readonly [type: string]: Legal } = legalReasons;
  const legal = table[condition.type]?.[condition.status];
  const known = legal?.some((reason) => reason === condition.reason) ?? false;
  return [
    ...(known ? [] : [`${named} is not in the table of reasons`]),
    ...(condition.message === "" ? [`${named} has no message`] : []),
    ...(condition.observedGeneration === undefined ? [`${named} has no observedGeneration`] : []),
  ];
}
