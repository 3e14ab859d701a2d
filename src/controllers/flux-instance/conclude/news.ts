import { eventReasons } from "../../../api/reasons.ts";
import { latestRelease } from "../../../distribution/catalog.ts";
import type { Target } from "../../../render/target.ts";
import type { EventNote } from "../../../runtime/events.ts";
import { enumerate } from "../../../std/shorten.ts";
import type { Decision, Hold } from "../decision.ts";
import type { PlannedImage } from "../plan.ts";
import type { FluxInstanceStatus } from "../status.ts";

/**
 * `recorded` with what there is by `decision`: the newest version, the digests of the artifact and of the images. What a registry could not be
 * asked for stays as it was seen last, so that it is no news when it answers again. Pure.
 */
export function withSeen(recorded: FluxInstanceStatus, decision: Decision): FluxInstanceStatus {
  const wanted = wantedBy(decision);
  if (wanted === undefined) return recorded;
  const { lastSeenArtifact: _, lastSeenImages, ...others } = recorded;
  const { latestVersion, artifactRevision, live, rendering, spec } = wanted;
  const [place = ""] = (spec.distribution.artifact ?? "").split("@");
  const answered = Object.entries(rendering.digests ?? {}).map(([name, digest]) => ({ name, digest }));
  const images = live?.trouble === undefined ? answered : (lastSeenImages ?? []);
  return {
    ...others,
    latestVersion,
    ...(artifactRevision === undefined ? {} : { lastSeenArtifact: `${place}@${artifactRevision}` }),
    ...(images.length === 0 ? {} : { lastSeenImages: images }),
  };
}

/** What the spec asks for; undefined where that is not known for sure, or something else is applied in its place. */
function wantedBy(decision: Decision): Target | undefined {
  if (decision.kind === "wait") return sureOf(decision.hold);
  if (decision.kind !== "install" && decision.kind !== "upgrade" && decision.kind !== "settle") return undefined;
  if (decision.hold !== undefined) return sureOf(decision.hold);
  return decision.problem === undefined ? decision : undefined;
}

function sureOf({ waiting, problem }: Hold): Target | undefined {
  return problem === undefined ? waiting : undefined;
}

const imagesNamed = 3;

/** What is new in `after`, a note for each kind of news. What was not seen before, or of another artifact, is none. Pure. */
export function newsBetween(before: FluxInstanceStatus, after: FluxInstanceStatus): readonly EventNote[] {
  const notes: EventNote[] = [];
  if (isNewer(after.latestVersion, before.latestVersion))
    notes.push(note(eventReasons.newVersion, `Flux ${after.latestVersion} is available`));
  const artifact = movedArtifact(before.lastSeenArtifact, after.lastSeenArtifact);
  const images = movedImages(before.lastSeenImages ?? [], after.lastSeenImages ?? []);
  const moved = [...(artifact === undefined ? [] : [artifact]), ...images];
  if (moved.length > 0) {
    notes.push(note(eventReasons.newDigest, `New digest: ${enumerate(moved, imagesNamed)}`));
  }
  return notes;
}

function isNewer(version: string | undefined, before: string | undefined): boolean {
  if (version === undefined || before === undefined || version === before) return false;
  return latestRelease([version, before]) === version;
}

function movedArtifact(before: string | undefined, after: string | undefined): string | undefined {
  if (before === undefined || after === undefined || before === after) return undefined;
  const [placeBefore, place] = [before, after].map((seen) => seen.slice(0, seen.lastIndexOf("@")));
  return placeBefore === place ? after : undefined;
}

function movedImages(before: readonly PlannedImage[], after: readonly PlannedImage[]): readonly string[] {
  const seen = new Map(before.map(({ name, digest }) => [name, digest]));
  const moved = after.filter(({ name, digest }) => seen.has(name) && seen.get(name) !== digest);
  return moved.map(({ name, digest = "" }) => `${name}@${digest}`);
}

function note(reason: string, message: string): EventNote {
  return { type: "Normal", reason, message };
}
