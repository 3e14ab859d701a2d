import { fluxInstance } from "../../api/names.ts";
import { reasons, type Reason } from "../../api/reasons.ts";
import type { InventoryEntry } from "../../apply/inventory.ts";
import type { ApiClient } from "../../client/api-client.ts";
import { parseApiVersion, type GroupVersionKind } from "../../kube/gvk.ts";
import type { ObjectKey } from "../../kube/object.ts";
import type { Outcome } from "../../runtime/controller.ts";
import { UnreachableError, type ReasonedError } from "../../std/errors.ts";
import { reasoned } from "../../std/reasoned.ts";
import { DriftedError, InterruptedError } from "./act/act-error.ts";
import { act, type ActDeps, type ActResult } from "./act/act.ts";
import { planWaiting } from "./act/waiting-plan.ts";
import { Conclusion, type ConcludeDeps } from "./conclude/conclude.ts";
import { returnFailure } from "./conclude/rollback-status.ts";
import { StatusWriter } from "./conclude/status-writer.ts";
import { readSyncHealth, syncRecheckMs, type SyncHealth } from "./conclude/sync-health.ts";
import { elsewhereStatus, suspendedStatus, type Failure } from "./conclude/verdict.ts";
import { decide, isAppliedSpec } from "./decide/decide.ts";
import { dueIn, releasesAtHand, stayDespite, type RunningRelease } from "./decide/hold.ts";
import type { Decision, HeldTarget } from "./decision.ts";
import type { LastGoodStore } from "./last-good-store.ts";
import { PreflightError } from "./preflight/preflight.ts";
import type { ReleaseSource } from "./releases/release-source.ts";
import { removeInstance } from "./remove-instance.ts";
import { ensureFinalizer } from "./remove/finalizer.ts";
import type { UninstallDeps } from "./remove/uninstall.ts";
import { keepGood, recordFailure, wayFrom, type Way } from "./rollback.ts";
import type { FollowedKinds } from "./wake/followed-kinds.ts";
import type { Interrupt, Interrupts } from "./wake/interrupts.ts";
import type { LiveIndex } from "./wake/live-index.ts";
import { worldOf, type World } from "./world.ts";

export const fluxInstanceKind: GroupVersionKind = {
  ...parseApiVersion(fluxInstance.storageApiVersion),
  kind: fluxInstance.kind,
};

export type ReconcileDeps = ActDeps &
  ConcludeDeps &
  UninstallDeps & {
    readonly client: ApiClient;
    readonly liveIndex: LiveIndex;
    readonly releases: Pick<ReleaseSource, "find" | "applied" | "forget">;
    readonly followed: Pick<FollowedKinds, "follow">;
    readonly interrupts: Interrupts;
    readonly lastGood: Pick<LastGoodStore, "read" | "write" | "remove">;
    readonly ownNamespace: string;
  };

/** One reconcile of a FluxInstance, from start to end. */
export async function reconcileFluxInstance(
  key: ObjectKey,
  deps: ReconcileDeps,
  signal: AbortSignal,
): Promise<Outcome> {
  const interrupt = deps.interrupts.begin(key);
  try {
    return await walk(key, interrupt, deps, signal);
  } finally {
    interrupt.done();
  }
}

async function walk(key: ObjectKey, interrupt: Interrupt, deps: ReconcileDeps, signal: AbortSignal): Promise<Outcome> {
  const world = await gather(key, deps, signal);
  if (world === undefined) {
    deps.releases.forget(key);
    return { kind: "settled" };
  }
  interrupt.expect(world.instance);
  const releases = await deps.releases.find(world, signal);
  const running = releasesAtHand(world, releases);
  const decision = decide(world, releases, deps.clock.nowMs());
  const conclusion = new Conclusion(world, new StatusWriter(world.instance, deps.client), deps);
  switch (decision.kind) {
    case "elsewhere":
      await conclusion.write(elsewhereStatus(world, conclusion.nowIso), signal);
      return { kind: "settled" };
    case "suspend":
      return await suspend(world, conclusion, signal);
    case "refuse":
      return await refuse(world, conclusion, decision.error, signal);
    case "wait":
      return await wait({ world, conclusion, decision }, deps, signal);
    case "uninstall":
      await deps.followed.follow([]);
      return await removeInstance({ world, conclusion, policy: decision.policy }, deps, signal);
    case "install":
    case "upgrade":
    case "settle":
    case "rollback":
      return await converge({ world, conclusion, decision, running, interrupt: interrupt.signal }, deps, signal);
    default:
      throw new UnreachableError(decision);
  }
}

async function gather(key: ObjectKey, deps: ReconcileDeps, signal: AbortSignal): Promise<World | undefined> {
  const instance = await deps.client.getOrUndefined(fluxInstanceKind, key, signal);
  if (instance === undefined) return undefined;
  const live = deps.liveIndex.metadata(key);
  if (key.namespace !== deps.ownNamespace) return worldOf(instance, live, deps.ownNamespace);
  return worldOf(instance, live, deps.ownNamespace, await deps.lastGood.read(instance, signal));
}

async function suspend(world: World, conclusion: Conclusion, signal: AbortSignal): Promise<Outcome> {
  const status = suspendedStatus(world, conclusion.nowIso);
  const news = world.recorded.observedGeneration !== world.generation;
  await conclusion.write(status, signal);
  if (news) {
    const message = "Reconciliation is disabled; nothing is changed until the annotation is removed";
    conclusion.note({ type: "Warning", reason: reasons.reconciliationDisabled, message });
  }
  return { kind: "settled" };
}

/** A spec that cannot be built. What runs is left alone either way. */
async function refuse(
  world: World,
  conclusion: Conclusion,
  error: ReasonedError,
  signal: AbortSignal,
): Promise<Outcome> {
  const stalled = error.retry === "on-change";
  const failure: Failure = { reason: reasonOf(error), message: error.message, stalled };
  if (isAppliedSpec(world)) {
    await conclusion.outdated(failure, signal);
    return { kind: "failed", retry: "backoff" };
  }
  await conclusion.failed(failure, signal);
  return { kind: "failed", retry: error.retry };
}

/** Whether the spec is the one that runs, and nothing else has been begun: it is the range that finds a newer release now. */
function isRunning(world: World): boolean {
  return isAppliedSpec(world) && world.recorded.lastAttemptedRevision === world.recorded.lastAppliedRevision;
}

type Step<Kind extends Decision["kind"]> = {
  readonly world: World;
  readonly conclusion: Conclusion;
  readonly decision: Extract<Decision, { kind: Kind }>;
};

type Converging = "install" | "upgrade" | "settle" | "rollback";

type ConvergeStep = Step<Converging> & {
  readonly running: RunningRelease;
  readonly interrupt: AbortSignal;
};

async function converge(step: ConvergeStep, deps: ReconcileDeps, signal: AbortSignal): Promise<Outcome> {
  const { world, conclusion, decision, interrupt } = step;
  await ensureFinalizer(world.instance, deps.client, signal);
  let begun = false;
  try {
    const result = await act(
      decision,
      world,
      {
        ...deps,
        interrupt,
        reportPlan: (plan) => conclusion.planned(decision, plan),
        recordIntent: async (inventory) => {
          begun = true;
          await recordIntent(step, inventory, signal);
        },
        reportWarnings: (warnings) => conclusion.warned(warnings),
        reportProgress: (message) => conclusion.progressed(message, signal),
        announce: (notes) => notes.forEach((note) => conclusion.note(note)),
      },
      signal,
    );
    await deps.followed.follow(decision.rendering.objects);
    const sync = await concludeSuccess(step, result, deps, signal);
    const due = decision.kind === "rollback" ? {} : dueIn(decision.hold, deps.clock.nowMs());
    if (sync === undefined || sync.status === "True") return settled(world, due);
    return { kind: "waiting", retryMs: Math.min(syncRecheckMs, due.dueMs ?? syncRecheckMs) };
  } catch (error) {
    signal.throwIfAborted();
    const kept = begun ? undefined : keptDespite(step, error);
    if (kept === undefined) return await concludeFailure(step, error, deps, signal);
    // What is warned of has been looked at for the upgrade just now; the settle would take it back, and the next try tell it again.
    const { warnings: _, ...recorded } = world.recorded;
    const settle = { ...step, world: { ...world, recorded }, decision: { kind: "settle", ...kept } } as const;
    const outcome = await converge(settle, deps, signal);
    return outcome.kind === "failed" ? outcome : { kind: "failed", retry: "backoff" };
  }
}

/** An upgrade that nobody has asked for, and that is refused before its first write, leaves a healthy instance as it is. */
function keptDespite({ world, decision, running }: ConvergeStep, thrown: unknown): HeldTarget | undefined {
  if (decision.kind !== "upgrade" || thrown instanceof InterruptedError || !isRunning(world)) return undefined;
  const { kind: _, ...wanted } = decision;
  return stayDespite(reasoned(thrown), wanted, world, running);
}

async function recordIntent(
  { conclusion, decision }: Step<Converging>,
  inventory: readonly InventoryEntry[],
  signal: AbortSignal,
): Promise<void> {
  if (decision.kind === "rollback") return await conclusion.returning(decision, inventory, signal);
  await conclusion.begun(decision, inventory, signal);
}

async function concludeSuccess(
  { world, conclusion, decision }: Step<Converging>,
  result: ActResult,
  deps: ReconcileDeps,
  signal: AbortSignal,
): Promise<SyncHealth | undefined> {
  if (decision.kind === "rollback") {
    const sync = await readSyncHealth(decision.rendering.objects, deps, signal);
    await conclusion.returned(decision, result, sync, signal);
    return sync;
  }
  conclusion.kept(await keepGood(world, decision, deps.lastGood, signal));
  const { hold } = decision;
  const { inventory } = result;
  const waiting = hold === undefined ? {} : { waiting: await planWaiting(hold, { world, inventory }, deps, signal) };
  const sync = await readSyncHealth(decision.rendering.objects, deps, signal);
  await conclusion.applied(decision, result, { sync, ...waiting }, signal);
  if (hold === undefined) deps.releases.applied(world.key, decision);
  return sync;
}

/** The upgrade policy keeps an upgrade waiting, and what runs cannot be looked after. */
async function wait(
  { world, conclusion, decision }: Step<"wait">,
  deps: ReconcileDeps,
  signal: AbortSignal,
): Promise<Outcome> {
  const inventory = world.recorded.inventory?.entries ?? [];
  const waiting = await planWaiting(decision.hold, { world, inventory }, deps, signal);
  await conclusion.waits(decision, waiting, signal);
  return settled(world, dueIn(decision.hold, deps.clock.nowMs()));
}

function settled({ settings: { reconcileEveryMs } }: World, due: { readonly dueMs?: number }): Outcome {
  return { kind: "settled", ...due, ...(reconcileEveryMs === undefined ? {} : { recheckMs: reconcileEveryMs }) };
}

async function concludeFailure(
  { world, conclusion, decision }: Step<Converging>,
  thrown: unknown,
  { lastGood }: Pick<ReconcileDeps, "lastGood">,
  signal: AbortSignal,
): Promise<Outcome> {
  const error = reasoned(thrown);
  // Nothing has failed: the next reconcile, for which the drift has asked already, makes it anew.
  if (error instanceof DriftedError) return { kind: "failed", retry: "backoff" };
  const found: Way = decision.kind === "upgrade" ? wayFrom(thrown, error, world, decision) : { kind: "stay" };
  const way = await recordFailure(found, world, lastGood, signal);
  if (way.kind === "return") {
    await conclusion.returning(way.to, undefined, signal);
    return { kind: "waiting", retryMs: 0 };
  }
  if (decision.kind !== "rollback" && error instanceof PreflightError && isRunning(world)) {
    await conclusion.outdated({ reason: reasonOf(error), message: error.message, stalled: false }, signal);
    return { kind: "failed", retry: "backoff" };
  }
  await conclusion.failed(failureOf(error, decision, world, way), signal);
  if (error instanceof InterruptedError) return { kind: "waiting", retryMs: 0 };
  return { kind: "failed", retry: "backoff" };
}

function failureOf(error: ReasonedError, decision: Step<Converging>["decision"], world: World, way: Way): Failure {
  const { message } = error;
  if (decision.kind === "rollback" && !(error instanceof InterruptedError)) {
    return returnFailure(world, decision, message);
  }
  const because = way.kind === "stay" && way.because !== undefined ? `; not rolled back: ${way.because}` : "";
  const tried = decision.kind === "rollback" ? {} : { revision: decision.rendering.revision };
  return { reason: reasonOf(error), message: message + because, stalled: false, ...tried };
}

const knownReasons = new Set<string>(Object.values(reasons));

function isReason(reason: string): reason is Reason {
  return knownReasons.has(reason);
}

function reasonOf(error: ReasonedError): Reason {
  return isReason(error.reason) ? error.reason : reasons.reconciliationFailed;
}
