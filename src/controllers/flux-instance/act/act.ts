import { ownerLabels } from "../../../api/names.ts";
import type { Change } from "../../../apply/change-set.ts";
import { formatUnready, type Unready } from "../../../apply/health/health-board.ts";
import { waitUntilReady, type WaitOptions, type WaitResult } from "../../../apply/health/wait.ts";
import {
  entriesOf,
  inventoryOf,
  staleObjects,
  unionInventory,
  type InventoryEntry,
  type ManagedObject,
} from "../../../apply/inventory.ts";
import { migrate, rewriteStrays, settleStorage, type MigrationProgress } from "../../../apply/migrate/migrate.ts";
import { planBlind } from "../../../apply/plan/plan-apply.ts";
import type { PlannedObject } from "../../../apply/planned-object.ts";
import { waitUntilGone } from "../../../apply/remove/wait-until-gone.ts";
import { requestLimit } from "../../../apply/request.ts";
import { applyStages, type ApplyDeps, type Stage } from "../../../apply/write/apply-set.ts";
import type { ApiClient } from "../../../client/api-client.ts";
import { isDefinition } from "../../../kube/definition.ts";
import { objectIdOf } from "../../../kube/object-id.ts";
import type { KubeObject } from "../../../kube/object.ts";
import { readinessOf } from "../../../kube/readiness.ts";
import type { Target } from "../../../render/target.ts";
import type { EventNote } from "../../../runtime/events.ts";
import { mapConcurrent } from "../../../std/concurrent.ts";
import { errorMessage, ReasonedError, UnreachableError } from "../../../std/errors.ts";
import { planOf, type Plan } from "../plan.ts";
import { planChecked, type ReportWarnings } from "../preflight/preflight.ts";
import { goneOptions } from "../remove/remove.ts";
import { removeStale, sortStale } from "../remove/stale.ts";
import { isSuspendedByUs, resume } from "../remove/suspension.ts";
import { runningVersion } from "../status.ts";
import type { LiveIndex } from "../wake/live-index.ts";
import { isForced, ownerSelector, type World } from "../world.ts";
import { HealthError, DriftedError, InterruptedError } from "./act-error.ts";
import { afterEnding, endingOf } from "./ending.ts";
import { leftoverNotes } from "./leftovers.ts";
import { agreedMigrations, foreseeMigration, knownDefinitions, migrationMessage } from "./migration.ts";
import { parkOverlapping } from "./overlap.ts";
import { stagesOf } from "./stages.ts";
import { remainderNotes, takeoverNotes } from "./takeover-notes.ts";
import { mayHaveStrays, readUnattended } from "./unattended.ts";

export type ActDeps = ApplyDeps & {
  readonly client: Pick<
    ApiClient,
    "getOrUndefined" | "apply" | "patch" | "delete" | "list" | "listPage" | "watch" | "discovery" | "serverVersion"
  >;
  readonly liveIndex: Pick<LiveIndex, "deployment">;
};

/** Called before the first write, with all that may exist from now on. */
export type RecordIntent = (inventory: readonly InventoryEntry[]) => Promise<void>;

/** Told about what is going to happen, or has happened, to objects that are not only ours. */
export type Announce = (notes: readonly EventNote[]) => void;

/** Told what will be done, before anything is. */
export type ReportPlan = (plan: Plan) => void;

/** Told about work that takes long, in words that change seldom. */
export type ReportProgress = (message: string) => Promise<void>;

export type ActResult = {
  /** What was changed; empty when all was as it should be. */
  readonly changes: readonly Change[];
  readonly inventory: readonly InventoryEntry[];
  /** Resources that no controller reconciles, in sentences; empty when there are none. */
  readonly unattended: readonly string[];
  /** What went wrong without harm to what was wanted. */
  readonly warnings: readonly string[];
};

type ActContext = ActDeps & {
  readonly reportPlan: ReportPlan;
  readonly recordIntent: RecordIntent;
  readonly reportWarnings: ReportWarnings;
  readonly reportProgress: ReportProgress;
  readonly announce: Announce;
  readonly interrupt: AbortSignal;
};

/** Makes the cluster what `target` says, in the order of the law (ARCHITECTURE.md). Throws ReasonedError; what was done until then stays. */
export async function act(
  target: Target,
  world: World,
  { reportPlan, recordIntent, reportWarnings, reportProgress, announce, interrupt, ...deps }: ActContext,
  signal: AbortSignal,
): Promise<ActResult> {
  const { objects } = target.rendering;
  const inventory = inventoryOf(objects);
  const recorded = world.recorded.inventory?.entries ?? [];
  const planned = await planChecked({ target, world }, reportWarnings, deps, signal);
  const stale = staleObjects(recorded, inventory);
  const { going, retained } = await sortStale(stale, world, deps, signal);
  const outlook = await foreseeMigration(planned, deps, signal);
  reportPlan(planOf(target.rendering, runningVersion(world.recorded), { planned, stale: going, ...outlook }));
  const migrations = agreedMigrations(outlook, target, world);
  const wait = waitOptions(world, interrupt);
  await resumeWanted(planned, deps, signal);
  const isSettled = planned.every(({ action }) => action === "unchanged") && endingOf(planned).length === 0;
  if (going.length === 0 && isSettled) {
    await verifyHealth(target, wait, deps, signal);
    const warnings = await tidyStorage({ planned, target, world }, deps, signal);
    return { changes: [], warnings, ...(await remains({ target, stale, retained }, world, deps, signal)) };
  }
  await recordIntent(unionInventory(recorded, inventory));
  announce([...takeoverNotes(planned), ...(await leftoverNotes(planned, world, deps, signal))]);
  const onProgress = (progress: MigrationProgress): Promise<void> => reportProgress(migrationMessage(progress));
  await migrate(migrations, { interrupt, onProgress }, deps, signal);
  if (interrupt.aborted) throw interrupted();
  await waitForEnding(endingOf(planned), world, { ...deps, interrupt, reportProgress }, signal);
  const parting = { planned: afterEnding(planned), owner: ownerLabels(world.key), timeoutMs: wait.timeoutMs };
  const ready = await unlessInterrupted(interrupt, signal, (own) => parkOverlapping(stale, parting, deps, own));
  const stages = lookAgain(stagesOf(ready, target.spec.wait), { planned, target, world }, deps);
  const applied = await applyStages(stages, wait, deps, signal);
  announce(remainderNotes(applied.changes));
  throwUnlessHealthy(applied.wait);
  const pruned = await removeStale(stale, world, deps, signal);
  deps.ledger.forgetOthers(objects);
  const warnings = await tidyStorage({ planned, target, world }, deps, signal);
  const left = await remains({ target, stale, retained: pruned.retained }, world, deps, signal);
  return { changes: [...applied.changes, ...pruned.changes], warnings, ...left };
}

type Left = {
  readonly target: Target;
  readonly stale: readonly ManagedObject[];
  readonly retained: readonly ManagedObject[];
};

/** What is ours from now on, and what of the user's has no controller. */
async function remains(
  { target, stale, retained }: Left,
  world: World,
  deps: ActDeps,
  signal: AbortSignal,
): Promise<Pick<ActResult, "inventory" | "unattended">> {
  const inventory = unionInventory(entriesOf(retained), inventoryOf(target.rendering.objects));
  const strays = mayHaveStrays(stale, world);
  return { inventory, unattended: await readUnattended({ target, retained, strays }, world, deps, signal) };
}

/** A removal that was interrupted, and is no longer wanted, may have suspended what is wanted now. */
async function resumeWanted(planned: readonly PlannedObject[], deps: ActDeps, signal: AbortSignal): Promise<void> {
  const suspended = planned.flatMap(({ live }) => (live !== undefined && isSuspendedByUs(live) ? [live] : []));
  await mapConcurrent(suspended, requestLimit, (live) => resume(live, deps, signal));
}

/** Waits for what ends on its own until something newer is wanted. */
async function waitForEnding(
  ending: readonly ManagedObject[],
  world: World,
  { interrupt, reportProgress, ...deps }: ActDeps & Pick<ActContext, "interrupt" | "reportProgress">,
  signal: AbortSignal,
): Promise<void> {
  const options = { ...goneOptions(world, deps, signal), onWaiting: reportProgress };
  await unlessInterrupted(interrupt, signal, (own) => waitUntilGone(ending, options, deps, own));
}

async function unlessInterrupted<T>(
  interrupt: AbortSignal,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  try {
    return await work(AbortSignal.any([signal, interrupt]));
  } catch (error) {
    signal.throwIfAborted();
    throw interrupt.aborted ? interrupted() : error;
  }
}

type PlannedTarget = { readonly planned: readonly PlannedObject[]; readonly target: Target; readonly world: World };

/**
 * Once definitions are served: what was blind is dry-run, before anything else is written. Controllers of the old version write until
 * the versions that they know are gone, so there is a last look after that.
 */
function lookAgain(
  stages: readonly Stage[],
  { planned, target, world }: PlannedTarget,
  deps: ActDeps,
): readonly Stage[] {
  const afterwards = async (signal: AbortSignal): Promise<void> => {
    await planBlind(planned, deps, signal);
    if (movesStorage(target, world)) await rewriteStrays(knownDefinitions(planned), deps, signal);
  };
  return stages.map((stage) => (stage.name === "definitions" ? { ...stage, afterwards } : stage));
}

/** Only the next upgrade would need this, so its failure takes nothing from the success of this one. */
async function tidyStorage(
  { planned, target, world }: PlannedTarget,
  deps: ActDeps,
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (!movesStorage(target, world)) return [];
  const all = target.rendering.objects.filter(isDefinition);
  try {
    await settleStorage(isForced(world) ? all : knownDefinitions(planned), deps, signal);
    return [];
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof ReasonedError) && !(error instanceof AggregateError)) throw error;
    return [errorMessage(error)];
  }
}

/** Also on the way back from a version that was tried and never stood on record as applied. */
function movesStorage({ spec, rendering }: Target, world: World): boolean {
  const { lastAppliedVersion, lastAttemptedRevision = "" } = world.recorded;
  const isThere =
    lastAppliedVersion === rendering.version && lastAttemptedRevision.startsWith(`v${lastAppliedVersion}@`);
  return spec.migrateResources && (isForced(world) || !isThere);
}

function waitOptions(world: World, interrupt: AbortSignal): WaitOptions {
  return { timeoutMs: world.settings.reconcileTimeoutMs, labelSelector: ownerSelector(world.key), interrupt };
}

/** Nothing was written, so health is read from the watch; only what is ill there is waited for. */
async function verifyHealth(target: Target, wait: WaitOptions, deps: ActDeps, signal: AbortSignal): Promise<void> {
  if (!target.spec.wait) return;
  const ill = target.rendering.objects.filter((object) => object.kind === "Deployment" && !isHealthy(object, deps));
  if (ill.length > 0) throwUnlessHealthy(await waitUntilReady(ill, wait, deps, signal));
}

function isHealthy(object: KubeObject, { liveIndex }: Pick<ActDeps, "liveIndex">): boolean {
  const live = liveIndex.deployment(objectIdOf(object));
  return live !== undefined && readinessOf(live).status === "Current";
}

function throwUnlessHealthy(result: WaitResult): void {
  switch (result.kind) {
    case "ready":
      return;
    case "failed":
      throw unhealthy(result.unready, "will not become ready");
    case "timeout":
      throw unhealthy(result.unready, "not ready in time");
    case "missing":
      throw new DriftedError({
        reason: "ReconciliationFailed",
        retry: "backoff",
        message: `Stopped waiting for health, to repair drift: ${formatUnready(result.unready)}`,
      });
    case "interrupted":
      throw interrupted();
    default:
      throw new UnreachableError(result);
  }
}

function interrupted(): InterruptedError {
  return new InterruptedError({
    reason: "HealthCheckCanceled",
    retry: "backoff",
    message: "Stopped waiting for health: a newer reconciliation was requested",
  });
}

function unhealthy(unready: readonly Unready[], what: string): HealthError {
  return new HealthError({
    reason: "HealthCheckFailed",
    retry: "backoff",
    message: `${unready.length} ${unready.length === 1 ? "object" : "objects"} ${what}: ${formatUnready(unready)}`,
  });
}
