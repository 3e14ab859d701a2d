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
  /** What the spec asks for; the error where it cannot be built. Rendered when it is first asked for. */
  readonly wanted: () => Target | ReasonedError;
};

type Step = (question: Question) => Decision | undefined;

/** First hit wins. The last one always hits. */
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

/** What a reconcile does about the world, which the controller calls at `nowMs`. Pure. */
export function decide(world: World, releases: Releases, nowMs: number): Decision {
  const wanted = once(() => tryTarget(world, releases));
  const question: Question = { world, releases, nowMs, wanted };
  for (const step of steps) {
    const decision = step(question);
    if (decision !== undefined) return decision;
  }
  throw new Error("Cannot happen: no step of decide has decided");
}

function livesElsewhere({ world: { key, ownNamespace } }: Question): Decision | undefined {
  return key.namespace === ownNamespace ? undefined : { kind: "elsewhere" };
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

/** The last good revision stays in the place of one that has failed. */
function hasFailedBefore({ world, releases, wanted }: Question): Decision | undefined {
  const target = wanted();
  const back = rollbackOf(world, target instanceof ReasonedError ? undefined : target);
  return back === undefined ? undefined : { ...back, ...newsOf(target, releases) };
}

function cannotBeBuilt(question: Question): Decision | undefined {
  const candidate = candidateOf(question);
  return candidate instanceof ReasonedError ? { kind: "refuse", error: candidate } : undefined;
}

/** The upgrade policy keeps another release from being put in place of the one that runs. */
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

/** What the spec asks for or, where that cannot be built although it was applied, what the last success chose from. */
function candidateOf({ world, releases, wanted }: Question): TargetWithNews | ReasonedError {
  const target = wanted();
  if (!(target instanceof ReasonedError)) return { ...target, ...newsOf(target, releases) };
  const good = lastGoodCatalogue(world, releases);
  const kept = good !== undefined && isAppliedSpec(world) ? tryTargetOf(world, good) : target;
  return kept instanceof ReasonedError ? target : { ...kept, ...latestOf(world, releases), problem: target };
}

/** What the last success chose from: still held, or kept in the cluster since before a restart, where that was this spec. */
function lastGoodCatalogue({ instance, lastGood }: World, releases: Releases): Catalogue | undefined {
  if (releases.good !== undefined) return releases.good;
  if (lastGood.kind !== "known" || !deepEqual(lastGood.good.spec, fieldsOf(instance["spec"]))) return undefined;
  const { release, version, artifactRevision } = lastGood.good;
  return { versions: [version], load: () => release, ...(artifactRevision === undefined ? {} : { artifactRevision }) };
}

/** The newest release is news also where it cannot be used; while nobody knows, the news of before counts. */
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

/** Why it is not something newer. */
function newsOf(target: Target | ReasonedError, releases: Releases): { readonly problem?: ReasonedError } {
  const problem = target instanceof ReasonedError ? target : releases.problem;
  return problem === undefined ? {} : { problem };
}

/** Reasons of Ready for which nothing of the spec has come into the cluster. */
const unbuilt: ReadonlySet<string> = new Set([reasons.artifactFailed, reasons.buildFailed, reasons.needsNewerOperator]);

/** Whether the spec is the one that was applied: the status may have seen a later one while reconciliation was disabled. */
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
