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
import { isRequested, type World } from "../world.ts";
import { newsBetween, withSeen } from "./news.ts";
import { ReconcileLog } from "./reconcile-log.ts";
import { rolledBackStatus, rollingBackStatus, rollbackIntentStatus } from "./rollback-status.ts";
import { cutMessage, unpinnedText, type ReconcileTime } from "./status-parts.ts";
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

/** Where a reconcile is reported besides status. `clock` dates conditions and events, and measures the reconcile. */
export type ConcludeDeps = {
  readonly events: EventRecorder;
  readonly clock: Clock;
  /** Its lines carry the ID of this reconcile. */
  readonly log: Logger;
};

/** Warnings that are news for an event. The others stand in what the user has just written. */
const eventful: ReadonlySet<string> = new Set([
  reasons.preflightWarning,
  reasons.watchRefused,
  reasons.contested,
  reasons.imageDiffers,
  reasons.olderDefinition,
]);

/**
 * The only writer of status and events, and of this reconcile's lines in the log. Events follow the status, and are sent only when it has
 * changed.
 */
export class Conclusion {
  readonly log: ReconcileLog;
  /** The world as it was read; events are about what differs from it. */
  readonly #world: World;
  /** The world with the status that has been written since. */
  #current: World;
  readonly #writer: StatusWriter;
  readonly #deps: ConcludeDeps;
  readonly #startedMs: number;
  /** The status as it was written last, or read. */
  #written: FluxInstanceStatus;
  /** The warnings of the last event about them. */
  #warned: string | undefined;

  constructor(world: World, writer: StatusWriter, deps: ConcludeDeps) {
    this.#world = world;
    this.#current = world;
    this.#written = world.recorded;
    this.#warned = findCondition(world.recorded.conditions, conditionTypes.warning)?.message;
    this.#writer = writer;
    this.#deps = deps;
    this.#startedMs = deps.clock.monotonicMs();
    const isRecovery = findCondition(world.recorded.conditions, conditionTypes.reconciling) !== undefined;
    this.log = new ReconcileLog(deps.log, deps.clock, isRequested(world) || isRecovery);
  }

  /** What `act` reports to while it carries out `decision`. */
  reporter(decision: Converging, signal: AbortSignal): Reporter {
    this.#see(decision);
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

  /** The current time (RFC 3339). */
  get nowIso(): string {
    return timestamp(this.#deps.clock);
  }

  /** Writes a status that needs no event. Resolves to whether it differs from the one before. Throws as ApiClient. */
  async write(status: FluxInstanceStatus, signal: AbortSignal): Promise<boolean> {
    return await this.#write(status, signal);
  }

  /** Writes the status, then tells which versions and digests it shows for the first time. */
  async #write(status: FluxInstanceStatus, signal: AbortSignal): Promise<boolean> {
    const isOther = await this.#writer.write(status, signal);
    const news = newsBetween(this.#written, status);
    this.#written = status;
    news.forEach((note) => this.#tell(note));
    return isOther;
  }

  /** Adds the versions and digests that `decision` knows of to the next status that is written. */
  #see(decision: Decision): void {
    this.#current = { ...this.#current, recorded: withSeen(this.#current.recorded, decision) };
  }

  /** What the preflight warns of; goes into the next status that is written. */
  #warn(texts: readonly string[]): void {
    const { warnings: _before, ...recorded } = this.#current.recorded;
    this.#current = { ...this.#current, recorded: texts.length === 0 ? recorded : { ...recorded, warnings: texts } };
  }

  /** Adds the plan to the next status that is written. Repairs and rollbacks have no plan. */
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
    const written = await this.#write(status, signal);
    this.#current = { ...this.#current, recorded: status };
    this.#tellWarnings(status);
    if (!written || target.kind === "settle") return;
    const message = progressMessage(this.#world, target);
    const { revision } = target.rendering;
    this.log.begun(message, { revision });
    const annotations = { [objectAnnotations.revision]: revision };
    this.#event({ type: "Normal", reason: reasons.progressing, message, annotations });
  }

  /** Writes what takes long into the status, unless that shows a failure that is being retried. */
  async #progressed(message: string, signal: AbortSignal): Promise<void> {
    const status = progressedStatus(this.#current, message, this.nowIso);
    this.log.waiting(message);
    await this.#write(status, signal);
    this.#current = { ...this.#current, recorded: status };
  }

  /** An upgrade has failed, and is rolled back. `inventory` is given right before the first write of the rollback. */
  async rollingBack(
    to: Rollback,
    inventory: readonly InventoryEntry[] | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const status =
      inventory === undefined
        ? rollingBackStatus(this.#current, to, this.#moment())
        : rollbackIntentStatus(this.#current, to, inventory, this.nowIso);
    await this.#write(status, signal);
    if (inventory !== undefined) this.log.begun(rollbackMessage(to), { revision: to.rendering.revision });
    this.#current = { ...this.#current, recorded: status };
    this.#warnUpgradeFailed(status);
  }

  /** The last good revision has been restored, or is still applied. */
  async rolledBack(to: Rollback, result: ActResult, sync: SyncHealth | undefined, signal: AbortSignal): Promise<void> {
    const changed = effectiveChanges(result.changes).length > 0;
    const { inventory, unattended } = result;
    const status = rolledBackStatus(this.#current, to, { inventory, unattended, changed, sync }, this.#moment());
    await this.#write(status, signal);
    this.#warnUpgradeFailed(status);
    if (changed) this.#event(rollbackNote(to, result.changes));
    this.#tellUnattended(status);
    for (const message of result.warnings) {
      this.#tell({ type: "Warning", reason: eventReasons.migrationFailed, message });
    }
  }

  /** Sets the record of the last good revision as it is from now on. */
  kept(lastGood: LastGoodState): void {
    this.#current = { ...this.#current, lastGood };
  }

  /** Sets who undoes our repairs as it is from now on. */
  contested(texts: readonly string[]): void {
    this.#current = { ...this.#current, contested: texts };
  }

  /** Sets which pods run other images than were applied, as a sentence, from now on. */
  otherImages(text: string | undefined): void {
    this.#current = { ...this.#current, ...(text === undefined ? {} : { otherImages: text }) };
  }

  /** `target` is applied, healthy and pruned: writes the status, then its events. */
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
    await this.#write(status, signal);
    if (changed) this.#event(changeNote(target, result.changes));
    for (const message of result.warnings) {
      this.#tell({ type: "Warning", reason: eventReasons.migrationFailed, message });
    }
    this.#tellWarnings(status);
    this.#tellUpToDate(status, target);
    this.#tellUnattended(status);
    this.#tellLastGood();
  }

  /** The reconcile has failed: writes the status, then an event if the failure is new. */
  async failed(failure: Failure, signal: AbortSignal): Promise<void> {
    const status = failedStatus(this.#current, failure, this.#moment());
    await this.#write(status, signal);
    this.#tellWarnings(status);
    this.#warnIfNew(conditionTypes.ready, failure);
  }

  /** `failure` kept the applied spec from being built again: what runs stays, and UpToDate says why. */
  async outdated(failure: Failure, signal: AbortSignal): Promise<void> {
    const status = outdatedStatus(this.#current, failure, this.#moment());
    await this.#write(status, signal);
    this.#tellWarnings(status);
    this.#warnIfNew(conditionTypes.upToDate, failure);
  }

  /** An upgrade waits for the upgrade policy, and what runs cannot be verified meanwhile. */
  async waits(decision: Extract<Decision, { kind: "wait" }>, waiting: WaitingPlan, signal: AbortSignal): Promise<void> {
    this.#see(decision);
    const status = waitingStatus(this.#current, decision, waiting, this.nowIso);
    await this.#write(status, signal);
    this.#tellUpToDate(status);
  }

  /** Sends an event, and logs its message. */
  note(note: EventNote): void {
    this.#tell(note);
  }

  /** Sends an event whose message the log has in a line of its own. */
  event(note: EventNote): void {
    this.#event(note);
  }

  #moment(): ReconcileTime {
    return { nowIso: this.nowIso, durationMs: this.#deps.clock.monotonicMs() - this.#startedMs };
  }

  #tellWarnings({ conditions }: FluxInstanceStatus): void {
    const found = findCondition(conditions, conditionTypes.warning);
    if (found === undefined || !eventful.has(found.reason) || found.message === this.#warned) return;
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

  /** A record that could not be read has been rewritten by now; one that could not be written stays in the Warning condition. */
  #tellLastGood(): void {
    const state = [this.#current.lastGood, this.#world.lastGood].find(({ kind }) => kind === "damaged");
    if (state?.kind !== "damaged") return;
    const told = findCondition(this.#world.recorded.conditions, conditionTypes.warning)?.message ?? "";
    if (told.includes(state.message)) return;
    this.#tell({ type: "Warning", reason: reasons.lastGoodFailed, message: state.message });
  }

  #warnIfNew(conditionType: string, failure: Pick<Failure, "reason" | "message">): void {
    const before = findCondition(this.#world.recorded.conditions, conditionType);
    if (before?.reason === failure.reason && before.message === cutMessage(failure.message)) return;
    const type = failure.reason === reasons.healthCheckCanceled ? "Normal" : "Warning";
    this.#event({ type, reason: failure.reason, message: failure.message });
  }

  /** Sends an event, and logs its message. Other events come with a line of their own. */
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
