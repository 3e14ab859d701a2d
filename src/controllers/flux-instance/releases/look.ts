// Tests: src/controllers/flux-instance/releases/release-source.test.ts
import type { ResolvedDigests } from "../../../distribution/images.ts";
import type { Catalogue } from "../../../render/target.ts";
import type { ReasonedError } from "../../../std/errors.ts";
import { lookAtArtifact, type ArtifactLook, type LookDeps } from "./artifact-look.ts";
import type { CachedArtifact } from "./cached-artifact.ts";
import { lookAtImages, movedImages, wantedImages, type ImageLook, type ImageRequest } from "./image-look.ts";

/** What is asked of the registries. An equal request is answered from what the last look found. */
export type LookRequest = ImageRequest & {
  /** Undefined: it is not polled. */
  readonly everyMs: number | undefined;
  readonly requestedAt: string | undefined;
};

/** What one look has found: of the artifact, absent for embedded releases, and of the images, absent when the release has their digests. */
export type Look = { readonly artifact?: ArtifactLook; readonly images?: ImageLook };

/** One look: what it is for, and what is known already. */
export type LookFor = {
  readonly request: LookRequest;
  readonly appliedVersion: string | undefined;
  readonly cached: readonly CachedArtifact[];
  readonly applied: ResolvedDigests;
  readonly before: Look | undefined;
  /** Whether a reconcile waits for it. */
  readonly isAwaited: boolean;
};

/** The registry that the spec does not ask for may be out of reach: a reconcile waits less for it, and a poll gives the same message. */
const [timeoutMs, shortTimeoutMs] = [30_000, 5_000];

/** Asks the registries of the request. Throws only the signal's reason, and errors that are bugs. */
export async function lookAt(
  wanted: LookFor,
  deps: LookDeps & { readonly embedded: Catalogue },
  signal: AbortSignal,
): Promise<Look> {
  const artifact = await artifactOf(wanted, deps, signal);
  const images = await imagesOf(wanted, artifact, deps, signal);
  return { ...(artifact === undefined ? {} : { artifact }), ...(images === undefined ? {} : { images }) };
}

async function artifactOf(
  { request, appliedVersion, cached, before, isAwaited }: LookFor,
  deps: LookDeps,
  signal: AbortSignal,
): Promise<ArtifactLook | undefined> {
  const { artifact } = request.distribution;
  if (artifact === undefined) return undefined;
  const distribution = { ...request.distribution, artifact };
  const rejected = before?.artifact?.kind === "failed" && !isAwaited ? before.artifact.rejected : undefined;
  const known = rejected === undefined ? {} : { rejected };
  return await lookAtArtifact({ key: request.key, distribution, appliedVersion, cached, ...known }, deps, signal);
}

async function imagesOf(
  { request, appliedVersion, applied, before }: LookFor,
  artifact: ArtifactLook | undefined,
  deps: LookDeps & { readonly embedded: Catalogue },
  signal: AbortSignal,
): Promise<ImageLook | undefined> {
  const { digests } = request.distribution;
  if (digests === "Catalog") return undefined;
  const { embedded } = deps;
  const catalogue = artifact === undefined ? embedded : artifact.artifact?.catalogue(embedded.versions);
  const images = wantedImages(request, catalogue, appliedVersion);
  const known = { ...applied, ...pick(before?.images?.live.resolved ?? {}, images.all) };
  const look = { ...request, images, known, timeoutMs: digests === "Registry" ? timeoutMs : shortTimeoutMs };
  return await lookAtImages(look, deps, signal);
}

/** Images that are not wanted any more are forgotten. */
function pick(resolved: ResolvedDigests, images: readonly string[]): ResolvedDigests {
  const wanted = new Set(images);
  return Object.fromEntries(Object.entries(resolved).filter(([image]) => wanted.has(image)));
}

/** What a look could not find out, the artifact's problem first. */
export function problemsOf({ artifact, images }: Look): readonly ReasonedError[] {
  const problems = [artifact?.kind === "failed" ? artifact.problem : undefined, images?.problem];
  return problems.filter((problem) => problem !== undefined);
}

/** What is new in a look. */
export type LookNews = {
  readonly artifact: boolean;
  readonly images: boolean;
  /** Whether a digest is another one. */
  readonly moved: boolean;
};

/** What `after` has that `before` had not; a problem that stays the same is no news. */
export function newsOf(before: Look, after: Look): LookNews {
  const isMoved = before.artifact?.artifact?.digest !== after.artifact?.artifact?.digest;
  const isRebuilt = hasMoved(before.images, after.images);
  return {
    artifact: isMoved || messageOf(before.artifact) !== messageOf(after.artifact),
    images: isRebuilt || before.images?.problem?.message !== after.images?.problem?.message,
    moved: isMoved || isRebuilt,
  };
}

function hasMoved(before: ImageLook | undefined, after: ImageLook | undefined): boolean {
  return before !== undefined && after !== undefined && movedImages(before, after).length > 0;
}

function messageOf(look: ArtifactLook | undefined): string | undefined {
  return look?.kind === "failed" ? look.problem.message : undefined;
}
