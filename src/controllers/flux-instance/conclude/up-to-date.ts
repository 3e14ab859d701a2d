import type { Obstacle, TargetWithNews, Rollback, Hold } from "../decision.ts";
import { UnreachableError } from "../../../std/errors.ts";
import { type Reason, conditionTypes, reasons } from "../../../api/reasons.ts";
import { failedName, type ConditionChange, unpinnedText } from "./status-parts.ts";
import type { Rendering } from "../../../render/rendering.ts";
import { formatTime } from "../../../std/clock.ts";

/** What else UpToDate says about a hold. */
type Circumstances = {
  readonly obstacle?: Obstacle;
  /** Why the API server would reject the waiting upgrade. */
  readonly refusal?: string;
  /** What runs meanwhile. */
  readonly rendering?: Pick<Rendering, "unpinned">;
};

/** The UpToDate condition while the upgrade policy keeps an upgrade waiting. It stays the same until the next window opens. */
export function holdCondition(
  { gate, waiting, from }: Hold,
  { obstacle, refusal, rendering = {} }: Circumstances = {},
): ConditionChange {
  const to = waiting.rendering.version;
  const what =
    from === to ? `A rebuilt Flux ${to} (same version, other images)` : `The change of Flux from ${from} to ${to}`;
  const until =
    gate.kind === "paused"
      ? "waits until spec.upgrade.paused is removed"
      : `waits until ${formatTime(gate.opensMs)}, when the next window of spec.upgrade.windows opens`;
  const meanwhile = obstacle === undefined ? "" : `; until then nothing is changed: ${textOfObstacle(obstacle, from)}`;
  const trouble = refusal === undefined ? "" : `; the API server would reject it: ${refusal}`;
  return {
    type: conditionTypes.upToDate,
    status: "False",
    reason: gate.kind === "paused" ? reasons.upgradePaused : reasons.outsideWindow,
    message: `${what} ${until}${meanwhile}${trouble}${unpinnedText(rendering)}`,
  };
}

/** The UpToDate condition after a rollback. */
export function failedUpgradeCondition(to: Rollback): ConditionChange {
  const trouble = to.problem === undefined ? "" : `; no newer release can be used: ${to.problem.message}`;
  const { message: cause, attempts, retryAt, rebuilt } = to.failed;
  const source = rebuilt === undefined ? "artifact" : "tag";
  const times = attempts === 1 ? "" : ` ${attempts} times`;
  const message = `${failedName(to)} failed${times}: ${cause}; it is retried at ${retryAt}, or before when the spec, the ${source} or the operator changes, or when it is forced${trouble}${unpinnedText(to.rendering)}`;
  return { type: conditionTypes.upToDate, status: "False", reason: reasons.upgradeFailed, message };
}

/** What can keep a new artifact from being used; anything else is a matter of building it. */
const problemReasons: readonly Reason[] = [
  reasons.artifactFailed,
  reasons.verificationFailed,
  reasons.needsNewerOperator,
  reasons.preflightFailed,
];

/** The UpToDate condition of an applied target that has nothing waiting. */
export function upToDate({ spec, rendering, latestVersion, problem }: TargetWithNews): ConditionChange {
  const unpinned = unpinnedText(rendering);
  if (problem !== undefined) {
    const reason = problemReasons.find((known) => known === problem.reason) ?? reasons.buildFailed;
    return { type: conditionTypes.upToDate, status: "False", reason, message: problem.message + unpinned };
  }
  if (rendering.version === latestVersion) {
    const message = `Version ${rendering.version} is the latest${unpinned}`;
    return { type: conditionTypes.upToDate, status: "True", reason: reasons.upToDate, message };
  }
  const message = `Upgrade to latest version ${latestVersion} blocked by semver range ${spec.distribution.version}${unpinned}`;
  return { type: conditionTypes.upToDate, status: "False", reason: reasons.newVersionAvailable, message };
}

/** The UpToDate condition when the applied spec could not be built again, or its upgrade was refused; what runs stays. */
export function outdatedCondition({
  reason,
  message,
}: {
  readonly reason: Reason;
  readonly message: string;
}): ConditionChange {
  return { type: conditionTypes.upToDate, status: "False", reason, message };
}

function textOfObstacle(obstacle: Obstacle, from: string): string {
  switch (obstacle.kind) {
    case "unknown-release":
      return `this operator does not include Flux ${from}, so drift cannot be repaired`;
    case "unbuildable":
      return `with Flux ${from} it cannot be built: ${obstacle.message}`;
    default:
      throw new UnreachableError(obstacle);
  }
}
