import { objectAnnotations } from "../../../api/names.ts";
import { conditionTypes, eventReasons, reasons } from "../../../api/reasons.ts";
import { effectiveChanges, formatChanges, type Change } from "../../../apply/change-set.ts";
import type { InventoryEntry } from "../../../apply/inventory.ts";
import { findCondition } from "../../../kube/conditions.ts";
import type { Target } from "../../../render/target.ts";
import type { EventNote, EventRecorder } from "../../../runtime/events.ts";
import type { Logger } from "../../../runtime/log.ts";
import { type Clock, timestamp } from "../../../std/clock.ts";
import type { ActResult } from "../act/act.ts";
import type { WaitingPlan } from "../act/waiting-plan.ts";
import type { Converging, Decision, TargetWithNews, Rollback } from "../decision.ts";
import type { LastGoodState } from "../last-good.ts";
import { followingPlan, type Plan } from "../plan.ts";
import type { Reporter } from "../reporter.ts";
import type { FluxInstanceStatus } from "../status.ts";
import type { World } from "../world.ts";
import { ReconcileLog } from "./reconcile-log.ts";
import { rolledBackStatus, rollingBackStatus, rollbackIntentStatus } from "./rollback-status.ts";
import { unpinnedText, type ReconcileTime } from "./status-parts.ts";
import type { StatusWriter } from "./status-writer.ts";
import type { SyncHealth } from "./sync-health.ts";
import {
  appliedStatus,
  failedStatus,
  intentStatus,
  outdatedStatus,
  progressedStatus,
  progressMessage,
  waitingStatus,
  type Applied,
  type Failure,
} from "./instance-status.ts";

export type ConcludeDeps = {
  readonly events: EventRecorder;
  readonly clock: Clock;
  /** Whose lines name this reconcile. */
  readonly log: Logger;
};

/**
 * The one place that tells users what happened: status first, then events, and those only where the status has changed; and the lines of this
 * reconcile in the log.
 */
export class Conclusion {
  readonly log: ReconcileLog;
  /** As it was read; events are about what differs from this. */
  readonly #world: World;
  /** With what has been written to the status since. */
  #current: World;
  readonly #writer: StatusWriter;
  readonly #deps: ConcludeDeps;
  readonly #startedMs: number;
  /** The warnings that an event has told of. */
  #warned: string | undefined;

  constructor(world: World, writer: StatusWriter, deps: ConcludeDeps) {
    this.#world = world;
    this.#current = world;
    this.#warned = findCondition(world.recorded.conditions, conditionTypes.warning)?.message;
    this.#writer = writer;
    this.#deps = deps;
    this.#startedMs = deps.clock.monotonicMs();
    const { requestedAt } = world.settings;
    const isRequested = requestedAt !== undefined && requestedAt !== world.recorded.lastHandledReconcileAt;
    this.log = new ReconcileLog(deps.log, deps.clock, isRequested);
  }

  /** Tells what an act does to carry `decision` out. */
  reporter(decision: Converging, signal: AbortSignal): Reporter {
    return {
      warned: (warnings) => this.#warn(warnings),
      planned: (plan) => this.#planned(decision, plan),
      begun: async (inventory) =>
        decision.kind === "rollback"
          ? await this.rollingBack(decision, inventory, signal)
          : await this.#begun(decision, inventory, signal),
      announced: (notes) => notes.forEach((note) => this.#tell(note)),
      progressed: (message) => this.#progressed(message, signal),
      waited: (message) => this.log.waiting(message),
      changed: (change) => this.log.changed(change),
    };
  }

  get nowIso(): string {
    return timestamp(this.#deps.clock);
  }

  /** Writes a status that needs no event. Resolves to whether it was another one. */
  async write(status: FluxInstanceStatus, signal: AbortSignal): Promise<boolean> {
    return await this.#writer.write(status, signal);
  }

  /** What the preflight warns of; goes into the next status that is written. */
  #warn(texts: readonly string[]): void {
    const { warnings: _before, ...recorded } = this.#current.recorded;
    this.#current = { ...this.#current, recorded: texts.length === 0 ? recorded : { ...recorded, warnings: texts } };
  }

  /** Lets the next write tell what is about to be done. Repair and return have none of their own. */
  #planned(target: Converging, plan: Plan): void {
    if (target.kind === "settle" || target.kind === "rollback") return;
    const { recorded } = this.#current;
    this.#current = { ...this.#current, recorded: { ...recorded, plan: followingPlan(recorded.plan, plan) } };
  }

  async #begun(
    target: Exclude<Converging, Rollback>,
    inventory: readonly InventoryEntry[],
    signal: AbortSignal,
  ): Promise<void> {
    const status = intentStatus(this.#current, target, inventory, this.nowIso);
    const written = await this.#writer.write(status, signal);
    this.#current = { ...this.#current, recorded: status };
    this.#tellWarnings(status);
    if (!written || target.kind === "settle") return;
    const message = progressMessage(this.#world, target);
    const { revision } = target.rendering;
    this.log.begun(message, { revision });
    const annotations = { [objectAnnotations.revision]: revision };
    this.#event({ type: "Normal", reason: reasons.progressing, message, annotations });
  }

  /** Says what takes so long, where there is no failure to be read instead. */
  async #progressed(message: string, signal: AbortSignal): Promise<void> {
    const status = progressedStatus(this.#current, message, this.nowIso);
    this.log.waiting(message);
    await this.#writer.write(status, signal);
    this.#current = { ...this.#current, recorded: status };
  }

  /** An upgrade has failed, and the last good revision is being put back; with `inventory`, right before a write for that. */
  async rollingBack(
    to: Rollback,
    inventory: readonly InventoryEntry[] | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const status =
      inventory === undefined
        ? rollingBackStatus(this.#current, to, this.#moment())
        : rollbackIntentStatus(this.#current, to, inventory, this.nowIso);
    await this.#writer.write(status, signal);
    if (inventory !== undefined) this.log.begun(rollbackMessage(to), { revision: to.rendering.revision });
    this.#current = { ...this.#current, recorded: status };
    this.#warnUpgradeFailed(status);
  }

  /** The last good revision is back, or still there. */
  async rolledBack(to: Rollback, result: ActResult, sync: SyncHealth | undefined, signal: AbortSignal): Promise<void> {
    const changed = effectiveChanges(result.changes).length > 0;
    const { inventory, unattended } = result;
    const status = rolledBackStatus(this.#current, to, { inventory, unattended, changed, sync }, this.#moment());
    await this.#writer.write(status, signal);
    this.#warnUpgradeFailed(status);
    if (changed) this.#event(rollbackNote(to, result.changes));
    this.#tellUnattended(status);
    for (const message of result.warnings) {
      this.#tell({ type: "Warning", reason: eventReasons.migrationFailed, message });
    }
  }

  /** What is on record of the last healthy revision from now on. */
  kept(lastGood: LastGoodState): void {
    this.#current = { ...this.#current, lastGood };
  }

  async applied(
    target: TargetWithNews,
    result: ActResult,
    found: Pick<Applied, "sync" | "waiting">,
    signal: AbortSignal,
  ): Promise<void> {
    const changed = effectiveChanges(result.changes).length > 0;
    const { inventory, unattended } = result;
    const applied = { inventory, unattended, changed, ...found };
    const status = appliedStatus(this.#current, target, applied, this.#moment());
    await this.#writer.write(status, signal);
    if (changed) this.#event(changeNote(target, result.changes));
    for (const message of result.warnings) {
      this.#tell({ type: "Warning", reason: eventReasons.migrationFailed, message });
    }
    this.#tellWarnings(status);
    this.#tellUpToDate(status, target);
    this.#tellUnattended(status);
    this.#tellLastGood();
  }

  async failed(failure: Failure, signal: AbortSignal): Promise<void> {
    const status = failedStatus(this.#current, failure, this.#moment());
    await this.#writer.write(status, signal);
    this.#tellWarnings(status);
    this.#warnIfNew(conditionTypes.ready, failure);
  }

  /** What runs stays as it is although `failure` kept the same spec from being built again. */
  async outdated(failure: Failure, signal: AbortSignal): Promise<void> {
    const status = outdatedStatus(this.#current, failure, this.#moment());
    await this.#writer.write(status, signal);
    this.#tellWarnings(status);
    this.#warnIfNew(conditionTypes.upToDate, failure);
  }

  /** Nothing can be done before the upgrade policy opens. */
  async waits(decision: Extract<Decision, { kind: "wait" }>, waiting: WaitingPlan, signal: AbortSignal): Promise<void> {
    const status = waitingStatus(this.#current, decision, waiting, this.nowIso);
    await this.#writer.write(status, signal);
    this.#tellUpToDate(status);
  }

  note(note: EventNote): void {
    this.#tell(note);
  }

  /** As `note`, for what the log tells in a line of its own. */
  event(note: EventNote): void {
    this.#event(note);
  }

  #moment(): ReconcileTime {
    return { nowIso: this.nowIso, durationMs: this.#deps.clock.monotonicMs() - this.#startedMs };
  }

  #tellWarnings({ conditions }: FluxInstanceStatus): void {
    const found = findCondition(conditions, conditionTypes.warning);
    if (found?.reason !== reasons.preflightWarning || found.message === this.#warned) return;
    this.#warned = found.message;
    this.#tell({ type: "Warning", reason: found.reason, message: found.message });
  }

  #tellUpToDate(status: FluxInstanceStatus, { problem, rendering }: Partial<TargetWithNews> = {}): void {
    const before = findCondition(this.#world.recorded.conditions, conditionTypes.upToDate);
    const after = findCondition(status.conditions, conditionTypes.upToDate);
    if (after === undefined || before?.message === after.message) return;
    if (problem !== undefined) {
      this.#tell({ type: "Warning", reason: after.reason, message: after.message });
    } else if (after.status === "False") {
      this.#tell({ type: "Normal", reason: eventReasons.outdatedVersion, message: after.message });
    }
    const unpinned = unpinnedText(rendering ?? {});
    if (unpinned !== "" && before?.message.includes(unpinned) !== true) {
      this.#tell({ type: "Warning", reason: eventReasons.unpinnedImages, message: after.message });
    }
  }

  #tellUnattended(status: FluxInstanceStatus): void {
    const before = findCondition(this.#world.recorded.conditions, conditionTypes.unattended);
    const after = findCondition(status.conditions, conditionTypes.unattended);
    if (after === undefined || before?.message === after.message) return;
    this.#tell({ type: "Warning", reason: reasons.noController, message: after.message });
  }

  #warnUpgradeFailed({ conditions }: FluxInstanceStatus): void {
    const message = findCondition(conditions, conditionTypes.upToDate)?.message ?? "";
    this.#warnIfNew(conditionTypes.upToDate, { reason: reasons.upgradeFailed, message });
  }

  /** A record that could not be read has been written anew by now; one that could not be written stays as a condition. */
  #tellLastGood(): void {
    const state = [this.#current.lastGood, this.#world.lastGood].find(({ kind }) => kind === "damaged");
    if (state?.kind !== "damaged") return;
    const told = findCondition(this.#world.recorded.conditions, conditionTypes.warning)?.message ?? "";
    if (told.includes(state.message)) return;
    this.#tell({ type: "Warning", reason: reasons.lastGoodFailed, message: state.message });
  }

  #warnIfNew(conditionType: string, failure: Pick<Failure, "reason" | "message">): void {
    const before = findCondition(this.#world.recorded.conditions, conditionType);
    if (before?.reason === failure.reason && before.message === failure.message) return;
    const type = failure.reason === reasons.healthCheckCanceled ? "Normal" : "Warning";
    this.#event({ type, reason: failure.reason, message: failure.message });
  }

  /** An event that stands in the log, too. The others come with a line of their own. */
  #tell(note: EventNote): void {
    this.log.noted(note.message, note.reason);
    this.#event(note);
  }

  #event(note: EventNote): void {
    this.#deps.events.record(this.#world.instance, note);
  }
}

function changeNote({ rendering, artifactRevision }: Target, changes: readonly Change[]): EventNote {
  const from = artifactRevision === undefined ? "" : ` from artifact ${artifactRevision}`;
  return {
    type: "Normal",
    reason: reasons.reconciliationSucceeded,
    message: `Flux ${rendering.version} applied${from}\n${formatChanges(changes)}`,
    annotations: { [objectAnnotations.revision]: rendering.revision },
  };
}

function rollbackMessage({ rendering, failed }: Rollback): string {
  return `Rolling back to Flux ${rendering.version} after Flux ${failed.version} has failed`;
}

function rollbackNote({ rendering, failed }: Rollback, changes: readonly Change[]): EventNote {
  return {
    type: "Normal",
    reason: reasons.rolledBack,
    message: `Flux ${rendering.version} restored after Flux ${failed.version} failed\n${formatChanges(changes)}`,
    annotations: { [objectAnnotations.revision]: rendering.revision },
  };
}
