import type { CanonicalSpec } from "../../../api/spec.ts";
import type { ObjectKey } from "../../../kube/object.ts";
import { RegistryError } from "../../../oci/registry-error.ts";
import type { Catalogue, Target } from "../../../render/target.ts";
import type { Outcome } from "../../../runtime/controller.ts";
import type { Logger } from "../../../runtime/log.ts";
import type { WorkQueue } from "../../../runtime/work-queue.ts";
import { withSpread, type Random } from "../../../std/backoff.ts";
import { ReasonedError } from "../../../std/errors.ts";
import { canonicalJson } from "../../../std/json.ts";
import type { World } from "../world.ts";
import { lookAtArtifact, type ArtifactLook, type LookDeps } from "./artifact-look.ts";
import type { CachedArtifact } from "./cached-artifact.ts";
import type { Releases } from "./releases.ts";

/** `embedded` are the releases of an instance without an artifact; the registry is asked only for the others. */
export type ReleaseSourceDeps = LookDeps & {
  readonly embedded: Catalogue;
  /** The queue of instances whose artifact is to be polled; its worker calls `poll`. */
  readonly polls: Pick<WorkQueue, "addAfter" | "retry" | "forget">;
  readonly random: Random;
  /** The time between two looks varies by this fraction of itself. */
  readonly jitter: number;
  /** Called when a poll has another result than the look before; `moved` when the digest is another one. */
  readonly onChange: (key: ObjectKey, moved: boolean) => void;
};

type ArtifactSpec = CanonicalSpec["distribution"] & { readonly artifact: string };

/** What is asked of the source. An equal request is answered from what the last look found. */
type ArtifactRequest = {
  readonly key: ObjectKey;
  readonly distribution: ArtifactSpec;
  /** Undefined: the artifact is not polled. */
  readonly everyMs: number | undefined;
  readonly requestedAt: string | undefined;
};

type State = {
  readonly request: ArtifactRequest;
  readonly look: ArtifactLook;
  /** What the last successful reconcile chose from, and the version. */
  readonly good?: CachedArtifact;
  readonly appliedVersion: string | undefined;
  /** Whether it is polled. */
  readonly active: boolean;
};

/**
 * Where the releases for an instance come from: embedded, or an artifact whose digest is asked for every now and then, and which is pulled when
 * that is new. What was pulled stays in memory, so that an unavailable registry delays nothing: a reconcile waits only for the first look of a
 * request, all others are made by `poll`. Bounded by the number of instances.
 */
export class ReleaseSource {
  readonly #deps: ReleaseSourceDeps;
  readonly #states = new Map<string, State>();

  constructor(deps: ReleaseSourceDeps) {
    this.#deps = deps;
  }

  /** The releases for the instance as it is now. Throws only the signal's reason, and errors that are bugs. */
  async find(world: World, signal: AbortSignal): Promise<Releases> {
    const { embedded, polls, random, jitter } = this.#deps;
    const request = requestOf(world);
    if (request === undefined) {
      this.rest(world.key);
      return { kind: "found", catalogue: embedded };
    }
    const id = idOf(world.key);
    const before = this.#states.get(id);
    if (before?.active === true && sameRequest(before.request, request)) return releasesOf(before, embedded);
    const appliedVersion = world.recorded.lastAppliedVersion;
    const cached = before === undefined ? [] : cachedOf(before);
    const look = await lookAtArtifact({ ...request, appliedVersion, cached }, this.#deps, signal);
    const state = { ...before, request, look, appliedVersion, active: true };
    this.#states.set(id, state);
    if (look.kind === "found") {
      polls.forget(world.key);
      if (request.everyMs !== undefined) polls.addAfter(world.key, withSpread(request.everyMs, jitter, random));
    } else if (look.problem.retry === "backoff") polls.retry(world.key, retryAfterMs(look.problem));
    return releasesOf(state, embedded);
  }

  /** Records that a reconcile with `target` was successful. */
  applied(key: ObjectKey, { rendering, artifactRevision }: Target): void {
    const state = this.#states.get(idOf(key));
    if (state === undefined) return;
    if (artifactRevision === undefined) return this.forget(key);
    const good = cachedOf(state).find(({ digest }) => digest === artifactRevision);
    const appliedVersion = rendering.version;
    this.#states.set(idOf(key), { ...state, appliedVersion, ...(good === undefined ? {} : { good }) });
  }

  /** Stops polling for `key` until its releases are asked for again. */
  rest(key: ObjectKey): void {
    const state = this.#states.get(idOf(key));
    if (state !== undefined) this.#states.set(idOf(key), { ...state, active: false });
  }

  /** Drops everything that is kept for `key`. */
  forget(key: ObjectKey): void {
    this.#states.delete(idOf(key));
  }

  /** Asks for the artifact's digest, and pulls a new one. Resolves to when the next poll is due. */
  async poll(key: ObjectKey, log: Logger, signal: AbortSignal): Promise<Outcome> {
    const before = this.#states.get(idOf(key));
    if (before?.active !== true) return { kind: "settled" };
    const { request, appliedVersion } = before;
    const rejected = before.look.kind === "failed" ? before.look.rejected : undefined;
    const wanted = {
      ...request,
      appliedVersion,
      cached: cachedOf(before),
      ...(rejected === undefined ? {} : { rejected }),
    };
    const look = await lookAtArtifact(wanted, this.#deps, signal);
    const now = this.#states.get(idOf(key));
    // A reconcile has made another request meanwhile, and its own look.
    if (now?.active !== true || now.request !== request) return { kind: "settled" };
    this.#states.set(idOf(key), { ...now, look });
    const moved = look.artifact?.digest !== before.look.artifact?.digest;
    const isNews = moved || messageOf(look) !== messageOf(before.look);
    if (isNews) this.#deps.onChange(key, moved);
    logLook(look, request, isNews, log);
    return outcomeOf(look, request.everyMs);
  }
}

function logLook(look: ArtifactLook, { distribution }: ArtifactRequest, isNews: boolean, log: Logger): void {
  const { artifact } = distribution;
  if (look.kind === "found") {
    const fields = { artifact, digest: look.artifact.digest };
    if (isNews) log.info("Artifact changed", fields);
    else log.debug("Artifact unchanged", fields);
    return;
  }
  const fields = { artifact, reason: look.problem.reason, next: "retry", error: look.problem.message };
  if (isNews) log.error("Artifact cannot be used", fields);
  else log.debug("Artifact cannot be used", fields);
}

function outcomeOf(look: ArtifactLook, everyMs: number | undefined): Outcome {
  if (look.kind === "found") return { kind: "settled", ...(everyMs === undefined ? {} : { recheckMs: everyMs }) };
  if (look.problem.retry === "on-change") {
    return { kind: "failed", retry: everyMs === undefined ? { kind: "on-change" } : { kind: "after", ms: everyMs } };
  }
  const atMost = everyMs === undefined ? {} : { atMostMs: everyMs };
  return { kind: "failed", retry: { kind: "backoff", atLeastMs: retryAfterMs(look.problem), ...atMost } };
}

/** The newest first. */
function cachedOf({ look, good }: State): readonly CachedArtifact[] {
  return [look?.artifact, good].filter((artifact) => artifact !== undefined);
}

function releasesOf({ look, good }: State, { versions: known }: Catalogue): Releases {
  const fallback = good === undefined || good === look.artifact ? {} : { good: good.catalogue(known) };
  if (look.kind === "found") return { kind: "found", catalogue: look.artifact.catalogue(known), ...fallback };
  const { artifact, problem } = look;
  if (artifact === undefined) return { kind: "none", problem, ...fallback };
  return { kind: "found", catalogue: artifact.catalogue(known), problem, ...fallback };
}

/** Undefined for an instance that uses no artifact, or that is not reconciled. */
function requestOf({ key, instance, settings, desired, ownNamespace }: World): ArtifactRequest | undefined {
  if (key.namespace !== ownNamespace || settings.reconcile === "disabled") return undefined;
  if (instance.metadata.deletionTimestamp !== undefined) return undefined;
  // `decide` reports what is wrong with the spec.
  if (desired instanceof ReasonedError) return undefined;
  const { distribution } = desired.spec;
  const { artifact } = distribution;
  if (artifact === undefined) return undefined;
  const everyMs = settings.reconcileArtifactEveryMs ?? settings.reconcileEveryMs;
  return { key, distribution: { ...distribution, artifact }, everyMs, requestedAt: settings.requestedAt };
}

function sameRequest(left: ArtifactRequest, right: ArtifactRequest): boolean {
  return textOf(left) === textOf(right);
}

function textOf({ distribution, everyMs = 0, requestedAt = "" }: ArtifactRequest): string {
  return canonicalJson({ distribution: JSON.stringify(distribution), everyMs, requestedAt });
}

function messageOf(look: ArtifactLook): string | undefined {
  return look.kind === "found" ? undefined : look.problem.message;
}

function retryAfterMs(problem: ReasonedError): number {
  return problem instanceof RegistryError ? (problem.retryAfterMs ?? 0) : 0;
}

function idOf({ namespace, name }: ObjectKey): string {
  return `${namespace}/${name}`;
}
