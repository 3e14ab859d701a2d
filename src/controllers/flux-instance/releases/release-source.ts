import type { ResolvedDigests } from "../../../distribution/images.ts";
import type { ObjectKey } from "../../../kube/object.ts";
import { RegistryError } from "../../../oci/registry-error.ts";
import type { Catalogue, Target } from "../../../render/target.ts";
import type { Outcome } from "../../../runtime/controller.ts";
import type { Logger } from "../../../runtime/log.ts";
import type { WorkQueue } from "../../../runtime/work-queue.ts";
import { withSpread, type Random } from "../../../std/backoff.ts";
import { ReasonedError } from "../../../std/errors.ts";
import { canonicalJson } from "../../../std/json.ts";
import { appliedDigests } from "../applied-digests.ts";
import type { World } from "../world.ts";
import type { LookDeps } from "./artifact-look.ts";
import type { CachedArtifact } from "./cached-artifact.ts";
import { isComplete } from "./image-look.ts";
import { logLook } from "./look-log.ts";
import { lookAt, newsOf, problemsOf, type Look, type LookRequest } from "./look.ts";
import type { Releases } from "./releases.ts";

/** `embedded` are the releases of an instance without an artifact. */
export type ReleaseSourceDeps = LookDeps & {
  readonly embedded: Catalogue;
  /** The queue of instances for which a registry is polled; its worker calls `poll`. */
  readonly polls: Pick<WorkQueue, "addAfter" | "retry" | "forget">;
  readonly random: Random;
  /** The time between two looks varies by this fraction of itself. */
  readonly jitter: number;
  /** Called when a poll has another result than the look before; `moved` when a digest is another one. */
  readonly onChange: (key: ObjectKey, moved: boolean) => void;
};

type State = {
  readonly request: LookRequest;
  readonly look: Look;
  /** The digests with which the images ran when the request was made. */
  readonly applied: ResolvedDigests;
  /** What the last successful reconcile chose from, and the version. */
  readonly good?: CachedArtifact;
  readonly appliedVersion: string | undefined;
  /** Whether it is polled. */
  readonly active: boolean;
};

/**
 * Where the releases for an instance come from: embedded, or an artifact whose digest is asked for every now and then, and which is pulled when
 * that is new; and where the digests of its images come from, if that is the registry. What was found stays in memory, so that an unavailable
 * registry delays nothing: a reconcile waits only for the first look of a request, all others are made by `poll`. Bounded by the number of
 * instances.
 */
export class ReleaseSource {
  readonly #deps: ReleaseSourceDeps;
  readonly #states = new Map<string, State>();

  constructor(deps: ReleaseSourceDeps) {
    this.#deps = deps;
  }

  /** The releases for the instance as it is now. Throws only the signal's reason, and errors that are bugs. */
  async find(world: World, signal: AbortSignal): Promise<Releases> {
    const { embedded } = this.#deps;
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
    const applied = appliedDigests(world);
    const wanted = { request, appliedVersion, cached, applied, before: before?.look, isAwaited: true };
    const look = await lookAt(wanted, this.#deps, signal);
    const state = { ...before, request, look, applied, appliedVersion, active: true };
    this.#states.set(id, state);
    this.#schedule(request, look);
    return releasesOf(state, embedded);
  }

  #schedule({ key, everyMs }: LookRequest, look: Look): void {
    const { polls, random, jitter } = this.#deps;
    const problems = problemsOf(look);
    if (problems.length === 0) {
      polls.forget(key);
      if (everyMs !== undefined) polls.addAfter(key, withSpread(everyMs, jitter, random));
    } else if (problems.some(({ retry }) => retry === "backoff")) polls.retry(key, retryAfterMs(problems, random));
  }

  /** Records that a reconcile with `target` was successful. */
  applied(key: ObjectKey, { rendering, artifactRevision }: Target): void {
    const state = this.#states.get(idOf(key));
    if (state === undefined) return;
    if (!state.active) return this.forget(key);
    const { good: before, ...others } = state;
    const cached = cachedOf(state).find(({ digest }) => digest === artifactRevision);
    const good = artifactRevision === undefined ? undefined : (cached ?? before);
    const appliedVersion = rendering.version;
    this.#states.set(idOf(key), { ...others, appliedVersion, ...(good === undefined ? {} : { good }) });
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

  /** Asks for the digests of the artifact and the images, and pulls a new artifact. Resolves to when the next poll is due. */
  async poll(key: ObjectKey, log: Logger, signal: AbortSignal): Promise<Outcome> {
    const before = this.#states.get(idOf(key));
    if (before?.active !== true) return { kind: "settled" };
    const { request, appliedVersion, applied } = before;
    const wanted = {
      request,
      appliedVersion,
      applied,
      cached: cachedOf(before),
      before: before.look,
      isAwaited: false,
    };
    const look = await lookAt(wanted, this.#deps, signal);
    const now = this.#states.get(idOf(key));
    // A reconcile has made another request meanwhile, and its own look.
    if (now?.active !== true || now.request !== request) return { kind: "settled" };
    this.#states.set(idOf(key), { ...now, look });
    const news = newsOf(before.look, look);
    if (news.artifact || news.images) this.#deps.onChange(key, news.moved);
    logLook(look, request, news, log);
    return outcomeOf(look, request.everyMs, this.#deps.random);
  }
}

function outcomeOf(look: Look, everyMs: number | undefined, random: Random): Outcome {
  const problems = problemsOf(look);
  if (problems.length === 0) return { kind: "settled", ...(everyMs === undefined ? {} : { recheckMs: everyMs }) };
  if (problems.every(({ retry }) => retry === "on-change")) {
    return { kind: "failed", retry: everyMs === undefined ? { kind: "on-change" } : { kind: "after", ms: everyMs } };
  }
  const atMost = everyMs === undefined ? {} : { atMostMs: everyMs };
  return { kind: "failed", retry: { kind: "backoff", atLeastMs: retryAfterMs(problems, random), ...atMost } };
}

/** The newest first. */
function cachedOf({ look, good }: State): readonly CachedArtifact[] {
  return [look.artifact?.artifact, good].filter((artifact) => artifact !== undefined);
}

function releasesOf(state: State, embedded: Catalogue): Releases {
  const { images } = state.look;
  const releases = withoutDigests(state, embedded);
  if (images === undefined) return releases;
  const { live, problem } = images;
  const good = releases.good === undefined ? {} : { good: { ...releases.good, live } };
  if (releases.kind === "none") return { ...releases, ...good };
  const found = { ...releases, ...good, catalogue: { ...releases.catalogue, live } };
  if (problem === undefined) return found;
  if (isComplete(images)) return { problem, ...found };
  // The render room says of an image that it is not pinned, and why. Where the user asks for the registry's digests, nothing else will do.
  return state.request.distribution.digests === "Registry" ? { kind: "none", problem, live, ...good } : found;
}

function withoutDigests({ look, good }: State, embedded: Catalogue): Releases {
  if (look.artifact === undefined) return { kind: "found", catalogue: embedded };
  const { versions: known } = embedded;
  const fallback = good === undefined || good === look.artifact.artifact ? {} : { good: good.catalogue(known) };
  if (look.artifact.kind === "found") {
    return { kind: "found", catalogue: look.artifact.artifact.catalogue(known), ...fallback };
  }
  const { artifact, problem } = look.artifact;
  if (artifact === undefined) return { kind: "none", problem, ...fallback };
  return { kind: "found", catalogue: artifact.catalogue(known), problem, ...fallback };
}

/** Undefined for an instance for which no registry is asked, or that is not reconciled. */
function requestOf({ key, instance, settings, desired, ownNamespace }: World): LookRequest | undefined {
  if (key.namespace !== ownNamespace || settings.reconcile === "disabled") return undefined;
  if (instance.metadata.deletionTimestamp !== undefined) return undefined;
  // `decide` reports what is wrong with the spec.
  if (desired instanceof ReasonedError) return undefined;
  const { distribution, components } = desired.spec;
  if (distribution.artifact === undefined && distribution.digests === "Catalog") return undefined;
  const everyMs = settings.reconcileArtifactEveryMs ?? settings.reconcileEveryMs;
  return { key, distribution, components, everyMs, requestedAt: settings.requestedAt };
}

function sameRequest(left: LookRequest, right: LookRequest): boolean {
  return textOf(left) === textOf(right);
}

/** Components count only where their images are asked for. */
function textOf({ distribution, components, everyMs = 0, requestedAt = "" }: LookRequest): string {
  const images = distribution.digests === "Catalog" ? [] : components;
  return canonicalJson({ distribution: JSON.stringify(distribution), images: [...images], everyMs, requestedAt });
}

/** The longest time by which a registry's Retry-After is lengthened. */
const spreadMs = 60_000;

/**
 * How long a registry that limits us is left alone; 0 where none does. It names the same moment to a whole fleet, which comes back over the minute that
 * follows it.
 */
function retryAfterMs(problems: readonly ReasonedError[], random: Random): number {
  const named = problems.flatMap((problem) => (problem instanceof RegistryError ? (problem.retryAfterMs ?? []) : []));
  return named.length === 0 ? 0 : Math.max(...named) + spreadMs * random();
}

function idOf({ namespace, name }: ObjectKey): string {
  return `${namespace}/${name}`;
}
