import { conditionTypes, reasons } from "../../../api/reasons.ts";
import type { DeletionPolicy } from "../../../api/spec.ts";
import { latestRelease } from "../../../distribution/catalog.ts";
import { findCondition } from "../../../kube/conditions.ts";
import { fieldsOf, textOf } from "../../../kube/fields.ts";
import { targetOf, type Catalogue, type Target } from "../../../render/target.ts";
import { attempt } from "../../../std/attempt.ts";
import { ReasonedError } from "../../../std/errors.ts";
import { deepEqual } from "../../../std/json.ts";
import { modeOf, type Decision, type TargetWithNews } from "../decision.ts";
import type { Releases } from "../releases/releases.ts";
import type { World } from "../world.ts";
import { holdBack, releasesAtHand } from "./hold.ts";
import { whyNotRetry, rollbackOf } from "./failed-before.ts";

/** What a decision is made from. */
type Question = {
  readonly world: World;
  readonly releases: Releases;
  readonly nowMs: number;
  /** What the spec asks for, or the error when it cannot be built; rendered at the first call. */
  readonly wanted: () => Target | ReasonedError;
};

type Step = (question: Question) => Decision | undefined;

/** The first step that decides wins. The last one always decides. */
const steps: readonly Step[] = [
  livesElsewhere,
  isBeingDeleted,
  isDisabled,
  mayHaveFailedBefore,
  hasFailedBefore,
  cannotBeBuilt,
  mustWait,
  isWanted,
];

/** What a reconcile does, given the world and the releases, at `nowMs` (Unix time). Pure. */
export function decide(world: World, releases: Releases, nowMs: number): Decision {
  const wanted = once(() => tryTarget(world, releases));
  const question: Question = { world, releases, nowMs, wanted };
  for (const step of steps) {
    const decision = step(question);
    if (decision !== undefined) return decision;
  }
  throw new Error("Cannot happen: no step of decide has decided");
}

/** What an instance elsewhere has installed is left to the operator there; without one, the user says that it may stay. */
function livesElsewhere({ world }: Question): Decision | undefined {
  const { key, ownNamespace, instance, recorded } = world;
  if (key.namespace === ownNamespace) return undefined;
  const removesNothing = deletionPolicyOf(world) === "Orphan" || (recorded.inventory?.entries ?? []).length === 0;
  return { kind: "elsewhere", isLetGo: instance.metadata.deletionTimestamp !== undefined && removesNothing };
}

function isBeingDeleted({ world }: Question): Decision | undefined {
  if (world.instance.metadata.deletionTimestamp === undefined) return undefined;
  return { kind: "uninstall", policy: deletionPolicyOf(world) };
}

function isDisabled({ world: { settings } }: Question): Decision | undefined {
  return settings.reconcile === "disabled" ? { kind: "suspend" } : undefined;
}

function mayHaveFailedBefore({ world }: Question): Decision | undefined {
  const error = whyNotRetry(world);
  return error === undefined ? undefined : { kind: "refuse", error };
}

/** The last good revision is applied in place of the one that failed. */
function hasFailedBefore({ world, releases, nowMs, wanted }: Question): Decision | undefined {
  const target = wanted();
  const isKnown = !(target instanceof ReasonedError) && !isUnsure(target, world, releases);
  const back = rollbackOf(world, isKnown ? target : undefined, nowMs);
  return back === undefined ? undefined : { ...back, ...newsOf(target, releases) };
}

/** While a registry cannot be asked after a restart, what runs is all that is known of it: what has failed may still be what it has. */
function isUnsure({ rendering }: Target, { lastGood }: World, { problem }: Releases): boolean {
  return problem !== undefined && lastGood.kind === "known" && rendering.revision === lastGood.good.revision;
}

function cannotBeBuilt(question: Question): Decision | undefined {
  const candidate = candidateOf(question);
  return candidate instanceof ReasonedError ? { kind: "refuse", error: candidate } : undefined;
}

/** The upgrade policy does not let another release replace the one that runs. */
function mustWait(question: Question): Decision | undefined {
  const { world, releases, nowMs } = question;
  const candidate = candidateOf(question);
  if (candidate instanceof ReasonedError) return undefined;
  return holdBack(candidate, world, nowMs, releasesAtHand(world, releases));
}

function isWanted(question: Question): Decision | undefined {
  const candidate = candidateOf(question);
  return candidate instanceof ReasonedError ? undefined : { kind: modeOf(question.world, candidate), ...candidate };
}

/** What the spec asks for; when that cannot be built although the spec was applied, what the last success chose from. */
function candidateOf({ world, releases, wanted }: Question): TargetWithNews | ReasonedError {
  const target = wanted();
  if (!(target instanceof ReasonedError)) return { ...target, ...newsOf(target, releases) };
  const good = lastGoodCatalogue(world, releases);
  const kept = good !== undefined && isAppliedSpec(world) ? tryTargetOf(world, good) : target;
  return kept instanceof ReasonedError ? target : { ...kept, ...latestOf(world, releases), problem: target };
}

/**
 * What the last success chose from: the artifact in memory or, after a restart, the release in the record of the last good revision, if that
 * has this spec. Its images may have been rebuilt since, whatever the registry lacks of a newer version.
 */
function lastGoodCatalogue({ instance, lastGood }: World, releases: Releases): Catalogue | undefined {
  if (releases.good !== undefined) return releases.good;
  if (lastGood.kind !== "known" || !deepEqual(lastGood.good.spec, fieldsOf(instance["spec"]))) return undefined;
  const { release, version, artifactRevision, digests } = lastGood.good;
  const known = releases.kind === "none" ? releases.live : undefined;
  return {
    versions: [version],
    load: () => release,
    ...(artifactRevision === undefined ? {} : { artifactRevision }),
    ...(digests === undefined ? {} : { live: known ?? { resolved: digests } }),
  };
}

/** The newest release is reported even when it cannot be used; while it is unknown, the one in status counts. */
function latestOf({ recorded }: World, releases: Releases): Pick<Target, "latestVersion"> | undefined {
  const latestVersion = releases.kind === "found" ? latestRelease(releases.catalogue.versions) : recorded.latestVersion;
  return latestVersion === undefined ? undefined : { latestVersion };
}

function tryTarget(world: World, releases: Releases): Target | ReasonedError {
  return releases.kind === "none" ? releases.problem : tryTargetOf(world, releases.catalogue);
}

function tryTargetOf({ desired }: World, catalogue: Catalogue): Target | ReasonedError {
  return desired instanceof ReasonedError ? desired : attempt(() => targetOf(desired, catalogue));
}

/** Why a newer release is not used. */
function newsOf(target: Target | ReasonedError, releases: Releases): { readonly problem?: ReasonedError } {
  const problem = target instanceof ReasonedError ? target : releases.problem;
  return problem === undefined ? {} : { problem };
}

/** Reasons of Ready with which nothing of the spec has been applied. */
const unbuilt: ReadonlySet<string> = new Set([
  reasons.artifactFailed,
  reasons.verificationFailed,
  reasons.buildFailed,
  reasons.needsNewerOperator,
]);

/**
 * Whether the spec is the one that was applied. `status.observedGeneration` does not tell: it also counts a spec that was seen while
 * reconciliation was disabled.
 */
export function isAppliedSpec({ recorded, generation }: World): boolean {
  const ready = findCondition(recorded.conditions, conditionTypes.ready);
  const stalled = findCondition(recorded.conditions, conditionTypes.stalled);
  return (
    recorded.lastAppliedRevision !== undefined &&
    ready?.observedGeneration === generation &&
    !unbuilt.has(ready.reason) &&
    stalled === undefined
  );
}

/** Reads the policy without parsing the rest: an instance whose spec is broken can still be deleted. */
function deletionPolicyOf({ instance, settings }: World): DeletionPolicy {
  if (settings.reconcile === "disabled") return "Orphan";
  const policy = textOf(fieldsOf(instance["spec"])["deletionPolicy"]);
  return policy === "KeepResources" || policy === "Orphan" ? policy : "Uninstall";
}

function once<T>(compute: () => T): () => T {
  let known: { readonly value: T } | undefined;
  return () => (known ??= { value: compute() }).value;
}
