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

export type RemoveInstanceDeps = UninstallDeps & {
  readonly client: Pick<ApiClient, "getOrUndefined" | "list" | "listPage" | "patch" | "delete">;
  readonly lastGood: Pick<LastGoodStore, "remove">;
};

export type RemoveInstance = {
  readonly world: World;
  readonly conclusion: Conclusion;
  readonly policy: DeletionPolicy;
};

/** Deletions are waited for so long in one go; whoever changes the instance meanwhile is heard after that. */
const waitMs = 10_000;
/** Nobody tells when an obstacle goes, and its user is waiting: so it is looked at often, however long it stays. */
const retryMs = 5_000;

/** Removes what the instance has installed and lets the instance go; until all is done, our finalizer holds it. */
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

/** Tells users how far a removal is, and nothing twice: what was told by an earlier try is no news. */
class RemovalReport implements RemovalProgress {
  readonly waitMs = waitMs;
  /** What was told before this try. */
  readonly #before: Told;
  /** With what has been told since. */
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
    // An earlier try may have told that and more.
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
      // What stops the removal may also refuse the status, as permissions that were taken away do. Then the event is all there is to read.
      this.#conclusion.note({ ...note, message: `${text}; ${errorMessage(error)}` });
    }
  }

  ended(policy: DeletionPolicy, { stayed }: Uninstalled): void {
    const names = stayed.map(describeObject).toSorted();
    const what = policy === "Orphan" ? "Flux is no longer managed" : `${this.#flux()} is removed`;
    const left = names.length === 0 || policy === "Orphan" ? "" : `. Left in the cluster: ${enumerate(names, 20)}`;
    const message = `${what}; ${staying[policy]}${left}`;
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
