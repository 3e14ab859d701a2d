import { upgradeGate } from "../../../api/upgrade-policy.ts";
import type { Release } from "../../../distribution/release.ts";
import { isSameRelease } from "../../../distribution/same-release.ts";
import { renderInstance } from "../../../render/render-instance.ts";
import type { Target } from "../../../render/target.ts";
import { attempt } from "../../../std/attempt.ts";
import { ReasonedError } from "../../../std/errors.ts";
import { type Hold, modeOf, type Decision, type Rollback, type TargetWithNews } from "../decision.ts";
import { digestsThatRun, mayChangeImages } from "../applied-digests.ts";
import { hasBegun } from "../plan.ts";
import type { Releases } from "../releases/releases.ts";
import { runningVersion } from "../status.ts";
import type { World } from "../world.ts";
import { retryMs, rollbackOf } from "./failed-before.ts";

/** The release of `version` as it was installed; undefined when it is not available any more. */
export type RunningRelease = (version: string) => Release | undefined;

/**
 * What is done while the upgrade policy does not let `candidate` replace the release that runs: that release is rendered with the current spec,
 * so that its configuration changes and drift is repaired. Undefined when the policy allows `candidate`. An upgrade that has begun is finished,
 * and an installation never waits. Pure.
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
  const release = running(from) ?? (from === candidate.rendering.version ? candidate.release : undefined);
  const isSame = release !== undefined && isSameRelease(release, candidate.release);
  if (isSame && !mayChangeImages(candidate.rendering, world)) return undefined;
  const { problem, ...waiting } = candidate;
  const hold: Hold = { gate, waiting, from, ...(problem === undefined ? {} : { problem }) };
  if (release !== undefined) return stayWith(release, hold, world, nowMs);
  return { kind: "wait", hold, obstacle: { kind: "unknown-release" } };
}

function stayWith(release: Release, hold: Hold, world: World, nowMs: number): Decision {
  const live = digestsThatRun(hold.waiting, world);
  const rendering = attempt(() => renderInstance(hold.waiting.spec, release, world.key, live));
  if (rendering instanceof ReasonedError) {
    return { kind: "wait", hold, obstacle: { kind: "unbuildable", message: rendering.message } };
  }
  const { artifactRevision: _, ...waiting } = hold.waiting;
  const target: TargetWithNews = { ...waiting, ...artifactOf(world), release, rendering, hold };
  return rollbackOf(world, target, nowMs) ?? { kind: modeOf(world, target), ...target };
}

/**
 * What runs, to be verified and repaired with the current spec while `problem` keeps the desired release from being started. Undefined when
 * what runs has another spec, or its release is not available or cannot be rendered. Pure.
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
  // Why the release that runs cannot be rendered is not reported: `problem` is.
  const live = digestsThatRun(wanted, world);
  const rendering = attempt(() => renderInstance(wanted.spec, release, world.key, live));
  if (rendering instanceof ReasonedError || rendering.revision !== world.recorded.lastAppliedRevision) return undefined;
  const { artifactRevision: _, ...others } = wanted;
  return { ...others, ...artifactOf(world), release, rendering, problem };
}

function artifactOf({ recorded: { lastArtifactRevision } }: World): { readonly artifactRevision?: string } {
  return lastArtifactRevision === undefined ? {} : { artifactRevision: lastArtifactRevision };
}

/**
 * Looks for a release in the record of the last success first, then in what that chose from: elsewhere, a release of the same version may be a
 * rebuilt one.
 */
export function releasesAtHand({ lastGood }: World, releases: Releases): RunningRelease {
  const found = releases.kind === "found" ? [releases.catalogue] : [];
  const catalogues = releases.good === undefined ? found : [releases.good, ...found];
  const kept = lastGood.kind === "known" ? lastGood.good.release : undefined;
  return (version) =>
    kept?.version === version ? kept : catalogues.find(({ versions }) => versions.includes(version))?.load(version);
}

/** Milliseconds from `nowMs` until the next upgrade window opens, or what failed is retried; empty when nothing is waited for. */
export function dueIn(decision: { readonly hold?: Hold } | Rollback, nowMs: number): { readonly dueMs?: number } {
  const atMs = "failed" in decision ? retryMs(decision.failed) : opensMs(decision.hold);
  return atMs === undefined ? {} : { dueMs: Math.max(0, atMs - nowMs) };
}

function opensMs(hold: Hold | undefined): number | undefined {
  return hold?.gate.kind === "outside" ? hold.gate.opensMs : undefined;
}
