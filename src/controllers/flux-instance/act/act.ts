// Tests: test/integration/flux-instance.test.ts, test/integration/migration.test.ts, test/integration/log.test.ts
import { ownerOf } from "../../../api/names.ts";
import { effectiveChanges, type Change } from "../../../apply/change-set.ts";
import { formatUnready } from "../../../apply/health/health-board.ts";
import type { WaitOptions } from "../../../apply/health/wait.ts";
import {
  entriesOf,
  inventoryOf,
  staleObjects,
  unionInventory,
  type InventoryEntry,
  type ManagedObject,
} from "../../../apply/inventory.ts";
import { migrate, rewriteStrays, type MigrationProgress } from "../../../apply/migrate/migrate.ts";
import { planBlind } from "../../../apply/plan/plan-apply.ts";
import type { PlannedObject } from "../../../apply/planned-object.ts";
import { waitUntilGone } from "../../../apply/remove/wait-until-gone.ts";
import { requestLimit } from "../../../apply/request.ts";
import { applyStages, type ApplyDeps, type Stage } from "../../../apply/write/apply-set.ts";
import type { ApiClient } from "../../../client/api-client.ts";
import { deploymentKind } from "../../../kube/kinds.ts";
import { formatObjectId } from "../../../kube/object-id.ts";
import type { Target } from "../../../render/target.ts";
import { mapConcurrent } from "../../../std/concurrent.ts";
import { planOf } from "../plan.ts";
import { planChecked } from "../preflight/preflight.ts";
import { goneOptions } from "../remove/remove.ts";
import { pruneStale, sortStale } from "../remove/stale.ts";
import { isSuspendedByUs, resume } from "../remove/suspension.ts";
import type { Reporter } from "../reporter.ts";
import { runningVersion } from "../status.ts";
import type { LiveIndex } from "../wake/live-index.ts";
import { ownerSelector, type World } from "../world.ts";
import { interrupted } from "./act-error.ts";
import { afterEnding, endingOf } from "./ending.ts";
import { throwUnlessHealthy, verifyHealth } from "./health.ts";
import { leftoverNotes } from "./leftovers.ts";
import { agreedMigrations, foreseeMigration, knownDefinitions, migrationMessage } from "./migration.ts";
import type { PlannedMigration } from "./migration.ts";
import { parkOverlapping } from "./overlap.ts";
import { stagesOf } from "./stages.ts";
import { movesStorage, tidyStorage } from "./storage.ts";
import { remainderNotes, takeoverNotes } from "./takeover-notes.ts";
import { mayHaveUnattended, readUnattended, scaledToNothing } from "./unattended.ts";

/** One client for all writes, and the watched Deployments; tests pass plain objects. `wire.ts` gives one with `guardWrites`. */
export type ActDeps = ApplyDeps & {
  readonly client: Pick<
    ApiClient,
    | "getOrUndefined"
    | "apply"
    | "patch"
    | "delete"
    | "list"
    | "listPage"
    | "watch"
    | "review"
    | "discovery"
    | "serverVersion"
  >;
  readonly liveIndex: Pick<LiveIndex, "deployment">;
};

/** What `act` has done. */
export type ActResult = {
  /** What was changed; empty when everything was as desired. */
  readonly changes: readonly Change[];
  readonly inventory: readonly InventoryEntry[];
  /** Resources that no controller reconciles, in sentences; empty when there are none. */
  readonly unattended: readonly string[];
  /** What failed without affecting the result, in sentences. */
  readonly warnings: readonly string[];
};

/** What `act` applies, and what it reports to. */
export type Act = {
  readonly target: Target;
  readonly world: World;
  /** Whether the preflight checks were made by the upgrade that was refused in this reconcile, and are not repeated. */
  readonly isChecked?: boolean;
  readonly reporter: Reporter;
  /** Aborted when the instance changes meanwhile. */
  readonly interrupt: AbortSignal;
};

/**
 * Brings the cluster to `target` in six steps: look, remember, clear, apply, health, prune (ARCHITECTURE.md). Throws ReasonedError, or an
 * AggregateError of several; what was done until then stays.
 */
export async function act(given: Act, deps: ActDeps, signal: AbortSignal): Promise<ActResult> {
  const work: Work = { ...given, deps: { ...deps, onChange: (change) => given.reporter.changed(change) } };
  const plan = await look(work, signal);
  if (plan.isDone) {
    await verifyHealth(work.target, waitOptions(work), deps, signal);
    return await resultOf({ changes: [], retained: plan.retained }, plan, work, signal);
  }
  await remember(plan, work, signal);
  const cleared = await clear(plan, work, signal);
  const applied = await applyAndWait(cleared, plan, work, signal);
  const pruned = await prune(plan, work, signal);
  return await resultOf({ ...pruned, changes: [...applied, ...pruned.changes] }, plan, work, signal);
}

type Work = Act & { readonly deps: ActDeps };

/** What `look` has found to be done. */
type ActPlan = {
  readonly planned: readonly PlannedObject[];
  readonly migrations: readonly PlannedMigration[];
  readonly inventory: readonly InventoryEntry[];
  /** What is in the recorded inventory and no longer desired. */
  readonly stale: readonly ManagedObject[];
  /** The CRDs among `stale` that are kept, since they are still in use. */
  readonly retained: readonly ManagedObject[];
  /** Whether there is nothing to be written. */
  readonly isDone: boolean;
};

/** Asks the API server what would change, and whether that is allowed. The only writes resume what an interrupted removal has suspended. */
async function look(work: Work, signal: AbortSignal): Promise<ActPlan> {
  const { target, world, reporter, deps } = work;
  const inventory = inventoryOf(target.rendering.objects);
  const planned = await planChecked(work, (warnings) => reporter.warned(warnings), deps, signal);
  const stale = staleObjects(world.recorded.inventory?.entries ?? [], inventory);
  const { going, retained } = await sortStale(stale, world, deps, signal);
  const outlook = await foreseeMigration(planned, deps, signal);
  reporter.planned(planOf(target.rendering, runningVersion(world.recorded), { planned, stale: going, ...outlook }));
  const migrations = agreedMigrations(outlook, target, world);
  await resumeWanted(planned, deps, signal);
  const isUnchanged = planned.every(({ action }) => action === "unchanged") && endingOf(planned).length === 0;
  return { planned, migrations, inventory, stale, retained, isDone: going.length === 0 && isUnchanged };
}

/** Records all that may exist from now on, so that a crash leaves no orphan, and reports whose objects are taken over. */
async function remember({ planned, inventory }: ActPlan, work: Work, signal: AbortSignal): Promise<void> {
  const { world, reporter, deps } = work;
  await reporter.begun(unionInventory(world.recorded.inventory?.entries ?? [], inventory));
  reporter.announced([...takeoverNotes(planned), ...(await leftoverNotes(planned, world, deps, signal))]);
}

/**
 * Removes what stands in the way of the apply: moves stored objects out of the versions that are dropped, waits for objects that are being
 * deleted, and stops controllers whose objects another one is about to reconcile. Resolves to the plan as it is after that.
 */
async function clear(plan: ActPlan, work: Work, signal: AbortSignal): Promise<readonly PlannedObject[]> {
  const { world, reporter, interrupt, deps } = work;
  const onProgress = (progress: MigrationProgress): Promise<void> => reporter.progressed(migrationMessage(progress));
  await migrate(plan.migrations, { interrupt, onProgress }, deps, signal);
  if (interrupt.aborted) throw interrupted();
  const onWaiting = (message: string): Promise<void> => reporter.progressed(message);
  const gone = { ...goneOptions(world, deps, signal), onWaiting };
  await unlessInterrupted(work, signal, (own) => waitUntilGone(endingOf(plan.planned), gone, deps, own));
  const { timeoutMs } = waitOptions(work);
  const parting = { planned: afterEnding(plan.planned), owner: ownerOf(world.key), timeoutMs };
  return await unlessInterrupted(work, signal, (own) => parkOverlapping(plan.stale, parting, deps, own));
}

/** Applies stage after stage, and waits for the health of each. */
async function applyAndWait(
  planned: readonly PlannedObject[],
  plan: ActPlan,
  work: Work,
  signal: AbortSignal,
): Promise<readonly Change[]> {
  const stages = lookAgain(stagesOf(planned, work.target.spec.wait), plan, work);
  const applied = await applyStages(stages, waitOptions(work), work.deps, signal);
  work.reporter.announced(remainderNotes(applied.changes));
  throwUnlessHealthy(applied.wait);
  return applied.changes;
}

/** Deletes what is no longer desired. This comes last, when everything else is healthy, so that a failed upgrade can be rolled back. */
async function prune({ stale }: ActPlan, { target, world, deps }: Work, signal: AbortSignal): Promise<Pruned> {
  const pruned = await pruneStale(stale, world, deps, signal);
  deps.ledger.forgetOthers(target.rendering.objects);
  return pruned;
}

type Pruned = { readonly changes: readonly Change[]; readonly retained: readonly ManagedObject[] };

/** What the instance manages from now on, and which of the user's resources are unattended. */
async function resultOf(
  { changes, retained }: Pruned,
  { planned, inventory: wanted, stale }: ActPlan,
  { target, world, deps }: Work,
  signal: AbortSignal,
): Promise<ActResult> {
  const warnings = await tidyStorage({ planned, target, world }, deps, signal);
  const inventory = unionInventory(entriesOf(retained), wanted);
  const strays = mayHaveUnattended(stale, world);
  const unattended = await readUnattended({ target, retained, strays }, world, deps, signal);
  // The watch may not have seen yet what was just applied.
  const applied = new Set(effectiveChanges(changes).map(({ id }) => formatObjectId(id)));
  const idle = scaledToNothing(target, (key) =>
    applied.has(formatObjectId({ ...deploymentKind, ...key })) ? undefined : deps.liveIndex.deployment(key),
  );
  return { changes, warnings, inventory, unattended: [...idle, ...unattended] };
}

/** A removal that was interrupted, and is no longer desired, may have suspended what is desired now. */
async function resumeWanted(planned: readonly PlannedObject[], deps: ActDeps, signal: AbortSignal): Promise<void> {
  const suspended = planned.flatMap(({ live }) => (live !== undefined && isSuspendedByUs(live) ? [live] : []));
  await mapConcurrent(suspended, requestLimit, (live) => resume(live, deps, signal));
}

async function unlessInterrupted<T>(
  { interrupt }: Pick<Work, "interrupt">,
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

/**
 * When the CRDs of their stage are served, blind objects are dry-run before anything else is written. Controllers of the old release write
 * objects until the API versions that they know are dropped, so managedFields are rewritten once more after that.
 */
function lookAgain(stages: readonly Stage[], { planned }: ActPlan, { target, world, deps }: Work): readonly Stage[] {
  const afterwards = async (signal: AbortSignal): Promise<void> => {
    await planBlind(planned, deps, signal);
    if (movesStorage(target, world)) await rewriteStrays(knownDefinitions(planned), deps, signal);
  };
  return stages.map((stage) => (stage.name === "definitions" ? { ...stage, afterwards } : stage));
}

function waitOptions({ world, reporter, interrupt }: Work): WaitOptions {
  return {
    timeoutMs: world.settings.reconcileTimeoutMs,
    labelSelector: ownerSelector(world.key),
    interrupt,
    onWaiting: (unready) => reporter.waited(formatUnready(unready)),
  };
}
