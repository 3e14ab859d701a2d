import { upgradeGate } from "../../../api/upgrade-policy.ts";
import type { Release } from "../../../distribution/release.ts";
import { isSameRelease } from "../../../distribution/same-release.ts";
import { renderInstance } from "../../../render/render-instance.ts";
import type { Target } from "../../../render/target.ts";
import { attempt } from "../../../std/attempt.ts";
import { ReasonedError } from "../../../std/errors.ts";
import { type Hold, modeOf, type Decision, type TargetWithNews } from "../decision.ts";
import { hasBegun } from "../plan.ts";
import type { Releases } from "../releases/releases.ts";
import { runningVersion } from "../status.ts";
import type { World } from "../world.ts";
import { rollbackOf } from "./failed-before.ts";

/** The release of that version as it was installed; undefined where nobody knows it any more. */
export type RunningRelease = (version: string) => Release | undefined;

/**
 * What is done while the upgrade policy does not let `candidate` put another release in place of the one that runs: the running release is
 * rendered with the spec as it is now, so that its configuration changes and drift is repaired. Undefined where the policy does not forbid
 * it. What has begun is finished, and nothing keeps an installation waiting. Pure.
 */
export function holdBack(
  candidate: TargetWithNews,
  world: World,
  nowMs: number,
  running: RunningRelease,
): Decision | undefined {
  if (modeOf(world, candidate) === "install") return undefined;
  const gate = upgradeGate(candidate.spec.upgrade, nowMs);
  const from = runningVersion(world.recorded);
  if (gate.kind === "open" || from === undefined || hasBegun(world.recorded.plan, candidate.rendering))
    return undefined;
  const release = running(from);
  if (release === undefined ? from === candidate.rendering.version : isSameRelease(release, candidate.release)) {
    return undefined;
  }
  const { problem: _, ...waiting } = candidate;
  const hold: Hold = { gate, waiting, from };
  if (release !== undefined) return stayWith(release, hold, world);
  return { kind: "wait", hold, obstacle: { kind: "unknown-release" } };
}

function stayWith(release: Release, hold: Hold, world: World): Decision {
  const rendering = attempt(() => renderInstance(hold.waiting.spec, release, world.key));
  if (rendering instanceof ReasonedError) {
    return { kind: "wait", hold, obstacle: { kind: "unbuildable", message: rendering.message } };
  }
  const { artifactRevision: _, ...waiting } = hold.waiting;
  const target: TargetWithNews = { ...waiting, ...artifactOf(world), release, rendering, hold };
  return rollbackOf(world, target) ?? { kind: modeOf(world, target), ...target };
}

/**
 * What runs, to be looked after with the spec as it is while `problem` keeps what is wanted from being begun; undefined where it is not the
 * spec that runs, or where nobody knows its release any more or can render it. Pure.
 */
export function stayDespite(
  problem: ReasonedError,
  wanted: Target,
  world: World,
  running: RunningRelease,
): TargetWithNews | undefined {
  const from = runningVersion(world.recorded);
  const release = from === undefined ? undefined : running(from);
  if (release === undefined) return undefined;
  // What stands against a release that ran before is of no interest beside the problem that is told.
  const rendering = attempt(() => renderInstance(wanted.spec, release, world.key));
  if (rendering instanceof ReasonedError || rendering.revision !== world.recorded.lastAppliedRevision) return undefined;
  const { artifactRevision: _, ...others } = wanted;
  return { ...others, ...artifactOf(world), release, rendering, problem };
}

function artifactOf({ recorded: { lastArtifactRevision } }: World): { readonly artifactRevision?: string } {
  return lastArtifactRevision === undefined ? {} : { artifactRevision: lastArtifactRevision };
}

/** What was kept at the last success, or else what it chose from, knows best what runs; a release of that version may be another edition. */
export function releasesAtHand({ lastGood }: World, releases: Releases): RunningRelease {
  const found = releases.kind === "found" ? [releases.catalogue] : [];
  const catalogues = releases.good === undefined ? found : [releases.good, ...found];
  const kept = lastGood.kind === "known" ? lastGood.good.release : undefined;
  return (version) =>
    kept?.version === version ? kept : catalogues.find(({ versions }) => versions.includes(version))?.load(version);
}

/** When the next window opens, as seen from `nowMs`. */
export function dueIn(hold: Hold | undefined, nowMs: number): { readonly dueMs?: number } {
  return hold?.gate.kind === "outside" ? { dueMs: Math.max(0, hold.gate.opensMs - nowMs) } : {};
}
