import { eventReasons, reasons } from "../../api/reasons.ts";
import type { DeletionPolicy } from "../../api/spec.ts";
import type { OnChange } from "../../apply/change-set.ts";
import { StillThereError } from "../../apply/remove/wait-until-gone.ts";
import type { ApiClient } from "../../client/api-client.ts";
import { describeObject } from "../../kube/object-id.ts";
import type { Outcome } from "../../runtime/controller.ts";
import { errorMessage } from "../../std/errors.ts";
import { firstReasonOf } from "../../std/first-reason.ts";
import { enumerate } from "../../std/shorten.ts";
import type { Conclusion } from "./conclude/conclude.ts";
import { indexOfPhase, removalMessage, removalStatus, reportedSoFar, type Removal } from "./conclude/removal-status.ts";
import type { LastGoodStore } from "./last-good-store.ts";
import { hasFinalizer, removeFinalizer } from "./remove/finalizer.ts";
import { namespaceTrouble } from "./remove/namespace-trouble.ts";
import { removalPhases, type RemovalPhase, type RemovalProgress } from "./remove/removal-phase.ts";
import { uninstall, type UninstallDeps, type Uninstalled } from "./remove/uninstall.ts";
import type { World } from "./world.ts";

/** A client that deletes and patches but never applies, and the record of the last good revision, which is deleted with the instance. */
export type RemoveInstanceDeps = UninstallDeps & {
  readonly client: Pick<ApiClient, "getOrUndefined" | "list" | "listPage" | "patch" | "delete" | "discovery">;
  readonly lastGood: Pick<LastGoodStore, "remove">;
};

/** An instance that is being deleted, and how much of its installation is deleted with it. */
export type RemoveInstance = {
  readonly world: World;
  readonly conclusion: Conclusion;
  readonly policy: DeletionPolicy;
};

/** How long one reconcile waits for deletions. A change of the instance, such as another deletion policy, takes effect after that. */
const waitMs = 10_000;
/** No watch reports that an obstacle was removed, and the user is waiting for the deletion, so it is checked often, however long it stays. */
const retryMs = 5_000;

/**
 * Removes what the instance has installed, as far as `policy` says, and then our finalizer from the instance. Failures are reported in status
 * and the event; resolves to an outcome that comes back every 5 seconds while something blocks the removal.
 */
export async function removeInstance(
  { world, conclusion, policy }: RemoveInstance,
  deps: RemoveInstanceDeps,
  signal: AbortSignal,
): Promise<Outcome> {
  if (!hasFinalizer(world.instance)) return { kind: "settled" };
  const report = new RemovalReport(world, conclusion, signal);
  try {
    report.started(policy);
    const onChange: OnChange = (change) => conclusion.log.changed(change);
    const uninstalled = await uninstall(policy, world, { ...deps, onChange, progress: report }, signal);
    await deps.lastGood.remove(world.instance, signal);
    report.ended(policy, uninstalled);
    await removeFinalizer(world.instance, deps.client, signal);
    conclusion.log.ended({ kind: "reconciled" });
    return { kind: "settled" };
  } catch (thrown) {
    signal.throwIfAborted();
    const error = firstReasonOf(thrown);
    const trouble = await namespaceTrouble(world.key.namespace, deps.client, signal);
    const kind = error instanceof StillThereError ? "waiting" : "failed";
    await report.stopped(kind, `${error.message}${trouble === undefined ? "" : `; ${trouble}`}`);
    return kind === "waiting" ? { kind, retryMs } : { kind, retry: { kind: "after", ms: retryMs } };
  }
}

type Told = ReturnType<typeof reportedSoFar>;

/** Reports to users how far a removal is, in status, events and log. What an earlier try has reported is not reported again. */
class RemovalReport implements RemovalProgress {
  readonly waitMs = waitMs;
  /** What status said before this try. */
  readonly #before: Told;
  /** The world with the status that has been written since. */
  #world: World;
  readonly #conclusion: Conclusion;
  readonly #signal: AbortSignal;
  #phase: RemovalPhase = "suspend";

  constructor(world: World, conclusion: Conclusion, signal: AbortSignal) {
    this.#world = world;
    this.#conclusion = conclusion;
    this.#signal = signal;
    this.#before = reportedSoFar(world);
  }

  started(policy: DeletionPolicy): void {
    if (this.#before !== undefined) return;
    const message = policy === "Orphan" ? "Letting go of Flux" : `Removing ${this.#flux()}`;
    this.#conclusion.note({ type: "Normal", reason: reasons.uninstalling, message: `${message}; ${staying[policy]}` });
  }

  async begin(phase: RemovalPhase): Promise<void> {
    this.#phase = phase;
    const told = reportedSoFar(this.#world)?.phaseIndex ?? -1;
    if (indexOfPhase(phase) <= told) return;
    this.#conclusion.log.begun(removalPhases[phase]);
    await this.#tell({ kind: "working", phase });
  }

  async waiting(message: string): Promise<void> {
    const removal = { kind: "waiting", phase: this.#phase, message } as const;
    // An earlier try may have reported this and more.
    if (reportedSoFar(this.#world)?.message.startsWith(removalMessage(removal)) === true) return;
    this.#conclusion.log.waiting(message);
    await this.#tell(removal);
  }

  async stopped(kind: "waiting" | "failed", message: string): Promise<void> {
    const removal = { kind, phase: this.#phase, message };
    const text = removalMessage(removal);
    const isNews = this.#before?.message !== text;
    const note = {
      type: "Warning",
      reason: kind === "failed" ? reasons.uninstallFailed : reasons.uninstalling,
      message: text,
    } as const;
    const { log } = this.#conclusion;
    if (kind === "waiting" && isNews) log.waiting(message);
    if (kind === "failed") log.ended({ kind, error: { reason: note.reason, message: text }, next: "retry", isNews });
    try {
      await this.#tell(removal);
      if (isNews) this.#conclusion.event(note);
    } catch (error) {
      this.#signal.throwIfAborted();
      // What stops the removal may also stop the status write, such as permissions that were removed. Then the event is the only report.
      this.#conclusion.note({ ...note, message: `${text}; ${errorMessage(error)}` });
    }
  }

  ended(policy: DeletionPolicy, { stayed, watchedBy }: Uninstalled): void {
    const names = stayed.map(describeObject).toSorted();
    const what = policy === "Orphan" ? "Flux is no longer managed" : `${this.#flux()} is removed`;
    const left = names.length === 0 || policy === "Orphan" ? "" : `. Left in the cluster: ${enumerate(names, 20)}`;
    const watched =
      watchedBy.length === 0
        ? ""
        : `. Custom resources keep Flux's finalizer, since another Flux still runs: ${enumerate(watchedBy, 5)}`;
    const message = `${what}; ${staying[policy]}${left}${watched}`;
    this.#conclusion.note({ type: "Normal", reason: eventReasons.uninstalled, message });
  }

  #flux(): string {
    const { lastAppliedVersion } = this.#world.recorded;
    return lastAppliedVersion === undefined ? "Flux" : `Flux ${lastAppliedVersion}`;
  }

  async #tell(removal: Removal): Promise<void> {
    const status = removalStatus(this.#world, removal, this.#conclusion.nowIso);
    await this.#conclusion.write(status, this.#signal);
    this.#world = { ...this.#world, recorded: status };
  }
}

const staying = {
  Uninstall: "workloads stay",
  KeepResources: "CRDs, custom resources, claims and workloads stay",
  Orphan: "it keeps running, and nothing is deleted",
} satisfies { readonly [policy in DeletionPolicy]: string };
