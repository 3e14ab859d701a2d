import { parseStoredFluxInstance } from "../../../api/flux-instance.ts";
import { conditionTypes, reasons } from "../../../api/reasons.ts";
import type { DeletionPolicy } from "../../../api/spec.ts";
import { latestRelease } from "../../../distribution/catalog.ts";
import { findCondition } from "../../../kube/conditions.ts";
import { fieldsOf, textOf } from "../../../kube/fields.ts";
import { targetOf, type Catalogue, type Target } from "../../../render/target.ts";
import { ReasonedError } from "../../../std/errors.ts";
import { deepEqual } from "../../../std/json.ts";
import { type Decision, modeOf } from "../decision.ts";
import type { Releases } from "../releases/releases.ts";
import type { World } from "../world.ts";
import { doubtOf, returnOf } from "./return.ts";

/** Pure. First hit wins: where the instance is, whether it goes, whether it is on hold, whether it can be built. */
export function decide(world: World, releases: Releases): Decision {
  if (world.key.namespace !== world.ownNamespace) return { kind: "elsewhere" };
  if (world.instance.metadata.deletionTimestamp !== undefined) {
    return { kind: "uninstall", policy: deletionPolicyOf(world) };
  }
  if (world.settings.reconcile === "disabled") return { kind: "suspend" };
  const doubt = doubtOf(world);
  if (doubt !== undefined) return { kind: "refuse", error: doubt };
  const wanted = tryTarget(world, releases);
  const back = returnOf(world, wanted instanceof ReasonedError ? undefined : wanted);
  const problem = problemOf(wanted instanceof ReasonedError ? { problem: wanted } : releases);
  if (back !== undefined) return { ...back, ...problem };
  if (!(wanted instanceof ReasonedError)) return { kind: modeOf(world, wanted), ...wanted, ...problem };
  const good = goodOf(world, releases);
  const kept = good !== undefined && isAppliedSpec(world) ? tryTargetOf(world, good) : wanted;
  if (kept instanceof ReasonedError) return { kind: "refuse", error: wanted };
  return { kind: modeOf(world, kept), ...kept, ...latestOf(world, releases), problem: wanted };
}

/** What the last success chose from: still held, or kept in the cluster since before a restart, where that was this spec. */
function goodOf({ instance, lastGood }: World, releases: Releases): Catalogue | undefined {
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

function tryTargetOf(world: World, catalogue: Catalogue): Target | ReasonedError {
  try {
    return targetOf(parseStoredFluxInstance(world.instance), catalogue);
  } catch (error) {
    if (error instanceof ReasonedError) return error;
    throw error;
  }
}

function problemOf({ problem }: Pick<Releases, "problem">): { readonly problem?: ReasonedError } {
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
