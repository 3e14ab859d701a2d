// Tests: test/integration/flux-instance.test.ts, test/integration/rollback.test.ts, test/integration/upgrade-policy.test.ts
import { fluxInstance } from "../../api/names.ts";
import { isReason, reasons, type Reason } from "../../api/reasons.ts";
import type { ApiClient } from "../../client/api-client.ts";
import { isConflict, isNotFound } from "../../client/api-error.ts";
import { parseApiVersion, type GroupVersionKind } from "../../kube/gvk.ts";
import type { ObjectKey } from "../../kube/object.ts";
import { SignatureError } from "../../oci/signatures/signature-error.ts";
import type { Outcome } from "../../runtime/controller.ts";
import type { Logger } from "../../runtime/log.ts";
import { UnreachableError, type ReasonedError } from "../../std/errors.ts";
import { firstReasonOf } from "../../std/first-reason.ts";
import { DriftedError, InterruptedError } from "./act/act-error.ts";
import { act, type ActDeps, type ActResult } from "./act/act.ts";
import { planWaiting } from "./act/waiting-plan.ts";
import { Conclusion, type ConcludeDeps } from "./conclude/conclude.ts";
import { rollbackFailure } from "./conclude/rollback-status.ts";
import { readOtherImages } from "./conclude/running-images.ts";
import { StatusWriter } from "./conclude/status-writer.ts";
import { readSyncHealth, syncRecheckMs, type SyncHealth } from "./conclude/sync-health.ts";
import { suspendedStatus, type Failure } from "./conclude/instance-status.ts";
import { decide, isAppliedSpec } from "./decide/decide.ts";
import { dueIn, releasesAtHand, stayDespite } from "./decide/hold.ts";
import type { Converging, Decision } from "./decision.ts";
import type { LastGoodStore } from "./last-good-store.ts";
import { leaveElsewhere } from "./leave-elsewhere.ts";
import type { OwnDefinition } from "./own-definition.ts";
import { PreflightError } from "./preflight/preflight.ts";
import type { IndexContents } from "./releases/index-contents.ts";
import type { ReleaseSource } from "./releases/release-source.ts";
import { verifyBeforeApply, withImageProblem, type ImageSignatureDeps } from "./releases/image-signatures.ts";
import type { Releases } from "./releases/releases.ts";
import { removeInstance } from "./remove-instance.ts";
import { ensureFinalizer } from "./remove/finalizer.ts";
import type { UninstallDeps } from "./remove/uninstall.ts";
import { keepGood, recordFailure, rollbackAfter, type AfterFailure } from "./rollback.ts";
import { definitionDue, earlier, settled } from "./wake/due.ts";
import type { FollowedKinds } from "./wake/followed-kinds.ts";
import type { Interrupt, Interrupts } from "./wake/interrupts.ts";
import type { LiveIndex } from "./wake/live-index.ts";
import { isRequested, worldOf, type World } from "./world.ts";

/** The kind of FluxInstance in the API version in which the operator reads and writes it. */
export const fluxInstanceKind: GroupVersionKind = {
  ...parseApiVersion(fluxInstance.storageApiVersion),
  kind: fluxInstance.kind,
};

/** What a reconcile needs; `operator/wire.ts` constructs it once. `ownNamespace` is the namespace in which the operator runs. */
export type ReconcileDeps = ActDeps &
  Omit<ConcludeDeps, "log"> &
  UninstallDeps & {
    readonly client: ApiClient;
    readonly liveIndex: LiveIndex;
    readonly ownDefinition: Pick<OwnDefinition, "trouble">;
    readonly releases: Pick<ReleaseSource, "find" | "applied" | "forget">;
    readonly indexContents: Pick<IndexContents, "platformsOf">;
    readonly followed: Pick<FollowedKinds, "follow" | "isTrusted">;
    readonly signatures: ImageSignatureDeps["signatures"];
    readonly interrupts: Interrupts;
    readonly lastGood: Pick<LastGoodStore, "read" | "write" | "remove">;
    readonly ownNamespace: string;
  };

/**
 * One reconcile of the FluxInstance `key`, from start to end; resolves to when it is due again. Throws as ApiClient when the instance or its
 * status cannot be read or written.
 */
export async function reconcileFluxInstance(
  key: ObjectKey,
  deps: ReconcileDeps,
  log: Logger,
  signal: AbortSignal,
): Promise<Outcome> {
  const interrupt = deps.interrupts.begin(key);
  try {
    return await walk(key, interrupt, { ...deps, log }, signal);
  } finally {
    interrupt.done();
  }
}

type Deps = ReconcileDeps & ConcludeDeps;

async function walk(key: ObjectKey, interrupt: Interrupt, deps: Deps, signal: AbortSignal): Promise<Outcome> {
  const world = await gather(key, deps, signal);
  if (world === undefined) {
    deps.releases.forget(key);
    return { kind: "settled" };
  }
  interrupt.expect(world.instance);
  const releases = await deps.releases.find(world, signal);
  const conclusion = new Conclusion(world, new StatusWriter(world.instance, deps.client), deps);
  const step = { world, releases, conclusion, interrupt: interrupt.signal };
  const decision = decide(world, releases, deps.clock.nowMs());
  const end = await carryOut(decision, step, deps, signal);
  if (end.kind !== "instead") return end;
  const instead = await carryOut(end.decision, step, deps, signal);
  return instead.kind === "failed" ? instead : { kind: "failed", retry: { kind: "backoff" } };
}

async function gather(key: ObjectKey, deps: ReconcileDeps, signal: AbortSignal): Promise<World | undefined> {
  const instance = await deps.client.getOrUndefined(fluxInstanceKind, key, signal);
  if (instance === undefined) return undefined;
  const live = deps.liveIndex.metadata(key);
  if (key.namespace !== deps.ownNamespace) return worldOf(instance, live, deps.ownNamespace);
  const world = worldOf(instance, live, deps.ownNamespace, await deps.lastGood.read(instance, signal));
  return {
    ...world,
    unwatched: deps.liveIndex.troubles(),
    contested: deps.ledger.contested().texts,
    olderDefinition: await deps.ownDefinition.trouble(signal),
  };
}

type Step = {
  readonly world: World;
  readonly releases: Releases;
  readonly conclusion: Conclusion;
  /** Aborted when the instance changes, or its artifact has another digest. */
  readonly interrupt: AbortSignal;
};

type ConvergeStep = Step & { readonly decision: Converging };

/** How carrying out a decision ended. `instead`: it was refused before its first write, and this decision is carried out in its place. */
type End = Outcome | { readonly kind: "instead"; readonly decision: Converging };

async function carryOut(decision: Decision, step: Step, deps: Deps, signal: AbortSignal): Promise<End> {
  const { world, conclusion } = step;
  conclusion.log.decided(decision.kind);
  switch (decision.kind) {
    case "elsewhere":
      return await leaveElsewhere({ ...step, isLetGo: decision.isLetGo }, deps, signal);
    case "suspend":
      return await suspend(step, signal);
    case "refuse":
      return await refuse(decision.error, step, signal);
    case "wait":
      return await wait(decision, step, deps, signal);
    case "uninstall":
      await deps.followed.follow([]);
      return await removeInstance({ world, conclusion, policy: decision.policy }, deps, signal);
    case "install":
    case "upgrade":
    case "settle":
    case "rollback":
      return await converge(decision, step, deps, signal);
    default:
      throw new UnreachableError(decision);
  }
}

async function suspend({ world, conclusion }: Step, signal: AbortSignal): Promise<Outcome> {
  const status = suspendedStatus(world, conclusion.nowIso);
  const news = world.recorded.observedGeneration !== world.generation;
  await conclusion.write(status, signal);
  if (news) {
    const message = "Reconciliation is disabled; nothing is changed until the annotation is removed";
    conclusion.note({ type: "Warning", reason: reasons.reconciliationDisabled, message });
  }
  conclusion.log.ended({ kind: "reconciled" });
  return { kind: "settled" };
}

/** Reports a spec that cannot be built. What runs is not changed. */
async function refuse(error: ReasonedError, { world, conclusion }: Step, signal: AbortSignal): Promise<Outcome> {
  const stalled = error.retry === "on-change";
  const failure: Failure = { reason: reasonOf(error), message: error.message, stalled };
  if (isAppliedSpec(world)) {
    await conclusion.outdated(failure, signal);
    conclusion.log.ended({ kind: "failed", error: failure, next: "retry" });
    return { kind: "failed", retry: { kind: "backoff" } };
  }
  await conclusion.failed(failure, signal);
  conclusion.log.ended({ kind: "failed", error: failure, next: stalled ? "change" : "retry" });
  return { kind: "failed", retry: { kind: error.retry } };
}

/**
 * Whether the spec is applied, and no other revision was attempted since. Then an upgrade comes from the version range or the artifact, not
 * from the user.
 */
function isRunning(world: World): boolean {
  return isAppliedSpec(world) && world.recorded.lastAttemptedRevision === world.recorded.lastAppliedRevision;
}

async function converge(decision: Converging, step: Step, deps: Deps, signal: AbortSignal): Promise<End> {
  const { world, conclusion, interrupt } = step;
  const report = conclusion.reporter(decision, signal);
  if (isRequested(world)) deps.ledger.resume();
  let begun = false;
  const reporter: typeof report = {
    ...report,
    begun: async (inventory) => {
      begun = true;
      await report.begun(inventory);
    },
  };
  const isChecked = decision.kind === "settle" && decision.isChecked === true;
  try {
    await ensureFinalizer(world.instance, deps.client, signal);
    await verifyBeforeApply(decision, world, deps, signal);
    const result = await act({ target: decision, world, isChecked, reporter, interrupt }, deps, signal);
    await deps.followed.follow(decision.rendering.objects);
    const isWatched = deps.followed.isTrusted;
    const told = await withImageProblem(decision, world, deps, signal);
    const { sync, isOnRecord } = await concludeSuccess(result, { ...step, decision: told }, deps, signal);
    if (!isOnRecord) return backoff;
    if (told !== decision) return { kind: "waiting", retryMs: imageRecheckMs };
    const due = earlier(dueIn(decision, deps.clock.nowMs()), deps.ledger.contested(), definitionDue(world));
    if (sync === undefined || sync.status === "True" || isWatched) return settled(world, due);
    return { kind: "waiting", retryMs: Math.min(syncRecheckMs, due.dueMs ?? syncRecheckMs) };
  } catch (error) {
    signal.throwIfAborted();
    // The instance has changed, or is gone, before it had our finalizer: the next reconcile reads it anew.
    if (!begun && (isConflict(error) || isNotFound(error))) throw error;
    const kept = begun ? undefined : keptDespite(decision, error, step);
    if (kept === undefined) return await concludeFailure(error, { ...step, decision }, deps, signal);
    conclusion.log.ended({ kind: "failed", error: firstReasonOf(error), next: "keep" });
    return { kind: "instead", decision: kept };
  }
}

/**
 * An upgrade that the user did not ask for, and that is refused before its first write, leaves a healthy instance as it is: what to settle
 * instead. Undefined for any other failure.
 */
function keptDespite(decision: Converging, thrown: unknown, { world, releases }: Step): Converging | undefined {
  if (decision.kind !== "upgrade" || thrown instanceof InterruptedError || !isRunning(world)) return undefined;
  const { kind: _, ...wanted } = decision;
  const kept = stayDespite(firstReasonOf(thrown), wanted, world, releasesAtHand(world, releases));
  return kept === undefined ? undefined : { kind: "settle", ...kept, isChecked: true };
}

type Success = {
  readonly sync: SyncHealth | undefined;
  /** False where a retry may write what is healthy now to the record, and this one could not. */
  readonly isOnRecord: boolean;
};

async function concludeSuccess(
  result: ActResult,
  { world, conclusion, decision }: ConvergeStep,
  deps: Deps,
  signal: AbortSignal,
): Promise<Success> {
  const { version, revision } = decision.rendering;
  conclusion.contested(deps.ledger.contested().texts);
  conclusion.otherImages(await readOtherImages(decision, world.key.namespace, deps, signal));
  const ending = { kind: "reconciled", version, revision } as const;
  if (decision.kind === "rollback") {
    const sync = await readSyncHealth(decision.rendering.objects, deps, signal);
    await conclusion.rolledBack(decision, result, sync, signal);
    conclusion.log.ended(ending);
    return { sync, isOnRecord: true };
  }
  const kept = await keepGood(world, decision, deps.lastGood, signal);
  conclusion.kept(kept.state);
  const { hold } = decision;
  const { inventory } = result;
  const waiting = hold === undefined ? {} : { waiting: await planWaiting(hold, { world, inventory }, deps, signal) };
  const sync = await readSyncHealth(decision.rendering.objects, deps, signal);
  await conclusion.applied(decision, result, { sync, ...waiting }, signal);
  if (hold === undefined) deps.releases.applied(world.key, decision);
  conclusion.log.ended(ending);
  return { sync, isOnRecord: kept.isFinal };
}

/** The upgrade policy keeps an upgrade waiting, and what runs cannot be verified meanwhile. */
async function wait(
  decision: Extract<Decision, { kind: "wait" }>,
  { world, conclusion }: Step,
  deps: Deps,
  signal: AbortSignal,
): Promise<Outcome> {
  const inventory = world.recorded.inventory?.entries ?? [];
  const waiting = await planWaiting(decision.hold, { world, inventory }, deps, signal);
  await conclusion.waits(decision, waiting, signal);
  conclusion.log.ended({ kind: "reconciled" });
  return settled(world, dueIn(decision, deps.clock.nowMs()));
}

/** After which time images that run and cannot be trusted are looked at again: registries count who asks for so many of them. */
const imageRecheckMs = 600_000;
const backoff: Outcome = { kind: "failed", retry: { kind: "backoff" } };
const atOnce: Outcome = { kind: "waiting", retryMs: 0 };

async function concludeFailure(
  thrown: unknown,
  { world, conclusion, decision }: ConvergeStep,
  { lastGood, clock }: Pick<Deps, "lastGood" | "clock">,
  signal: AbortSignal,
): Promise<Outcome> {
  const error = firstReasonOf(thrown);
  // Nothing has failed: the drift has already queued the next reconcile, which repairs it.
  if (error instanceof DriftedError) {
    conclusion.log.ended({ kind: "restarted", message: error.message });
    return backoff;
  }
  const found: AfterFailure =
    decision.kind === "upgrade"
      ? rollbackAfter(thrown, error, { world, target: decision, nowMs: clock.nowMs() })
      : { kind: "stay" };
  const way = await recordFailure(found, world, lastGood, signal);
  if (way.kind === "rollback") {
    await conclusion.rollingBack(way.to, undefined, signal);
    conclusion.log.ended({ kind: "failed", error, next: "rollback" });
    return atOnce;
  }
  if (
    decision.kind !== "rollback" &&
    (error instanceof PreflightError || error instanceof SignatureError) &&
    isRunning(world)
  ) {
    await conclusion.outdated({ reason: reasonOf(error), message: error.message, stalled: false }, signal);
    conclusion.log.ended({ kind: "failed", error, next: "retry" });
    return backoff;
  }
  const failure = failureOf(error, decision, world, way);
  await conclusion.failed(failure, signal);
  if (error instanceof InterruptedError) {
    conclusion.log.ended({ kind: "restarted", message: error.message });
    return atOnce;
  }
  conclusion.log.ended({ kind: "failed", error: failure, next: "retry" });
  return backoff;
}

function failureOf(error: ReasonedError, decision: Converging, world: World, way: AfterFailure): Failure {
  const { message } = error;
  if (decision.kind === "rollback" && !(error instanceof InterruptedError)) {
    return rollbackFailure(world, decision, message);
  }
  const because = way.kind === "stay" && way.because !== undefined ? `; not rolled back: ${way.because}` : "";
  const tried = decision.kind === "rollback" ? {} : { revision: decision.rendering.revision };
  return { reason: reasonOf(error), message: message + because, stalled: false, ...tried };
}

function reasonOf(error: ReasonedError): Reason {
  return isReason(error.reason) ? error.reason : reasons.reconciliationFailed;
}
