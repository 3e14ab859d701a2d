import { firstOf, isAbortOf, orAborted, withDeadline } from "../client/abort.ts";
import type { ApiClient } from "../client/api-client.ts";
import { isAlreadyExists, isConflict, isNamespaceTerminating, isNotFound } from "../client/api-error.ts";
import type { KubeObject, ObjectKey } from "../kube/object.ts";
import { microTimestamp } from "../std/clock.ts";
import type { Clock } from "../std/clock.ts";
import { ReasonedError } from "../std/errors.ts";
import { freeLease, leaseKind, newLease, readLease, renewedLease, takenLease, type Renewal } from "./lease.ts";
import type { Logger } from "./log.ts";
import { ObservedLease } from "./observed-lease.ts";

/** The Lease, who asks for it, and how long it is valid. `onChange` is called when this process gets or loses it. */
export type LeaderElectionOptions = {
  readonly client: Pick<ApiClient, "getOrUndefined" | "create" | "replace" | "watch">;
  readonly lease: ObjectKey;
  /** Unique among all processes that try to get the lease: "<pod>_<uuid>". */
  readonly identity: string;
  /** How the identities of earlier processes begin that have certainly ended: their lease need not be over. */
  readonly predecessors?: string;
  /** "flux-operator" */
  readonly fieldManager: string;
  /** How long the lease is valid after a renewal: 35 s by default. */
  readonly leaseMs?: number;
  /** How long this process trusts in a renewal, and waits for the answer to the next: 30 s by default. */
  readonly renewMs?: number;
  /** How often it renews, and how soon it tries again after a failure: 5 s by default. */
  readonly retryMs?: number;
  /** Whether the lease is given back at the end: true by default. */
  readonly releaseOnCancel?: boolean;
  readonly clock: Clock;
  readonly log: Logger;
  readonly onChange?: (leading: boolean) => void;
};

/** This process must not write any more: another one may hold the lease by now. */
export class LeadershipLostError extends ReasonedError {
  constructor(message: string, cause?: unknown) {
    super({ reason: "LeadershipLost", retry: "on-change", message, cause });
  }
}

/** One candidate for the lease. */
export type LeaderElection = {
  /** Resolves once we lead; rejects with the signal's reason. */
  elected(signal: AbortSignal): Promise<void>;
  /** Whether the API server has told who holds the lease: from then on this process leads, or stands by for the one that does. */
  readonly hasHeard: boolean;
  /** Whether the lease is certainly ours still, by a clock that does not jump; false also when this process slept too long. */
  isLeading(): boolean;
  /** Throws LeadershipLostError unless `isLeading()`. For `guardWrites`. */
  assertLeading(): void;
  /** Gets and renews the lease. Resolves after the signal is aborted and the lease is given up; rejects with LeadershipLostError. */
  run(signal: AbortSignal): Promise<void>;
};

/** How long it may take to give the lease back. */
const releaseMs = 5_000;

/**
 * Leader election over a Lease by client-go's rules: optimistic locking, and a lease of another process is timed by when we saw it change, not
 * by the clock of that process. Other than there, who stands by watches the lease, and so has it as soon as it is given back; who leads watches
 * it, too, and so hears at once what others do to it; and a lease that was deleted, or emptied by another hand, is not free before its last
 * holder has certainly stopped.
 */
export function createLeaderElection(options: LeaderElectionOptions): LeaderElection {
  return new Election(options);
}

class Election implements LeaderElection {
  readonly #options: LeaderElectionOptions;
  readonly #leaseMs: number;
  readonly #renewMs: number;
  readonly #retryMs: number;
  readonly #electedOnce = Promise.withResolvers<void>();
  /** When the last successful renewal was sent; undefined while we do not lead. */
  #renewedMs: number | undefined;
  readonly #seen: ObservedLease;
  #hasHeard = false;
  /** Who was last told in the log to hold the lease. */
  #toldHolder = "";
  /** Resolved when the lease was deleted or emptied since the last try: then it is renewed at once. */
  #emptied = Promise.withResolvers<void>();
  /** When we first asked for the lease. */
  #askedMs = 0;

  constructor(options: LeaderElectionOptions) {
    this.#options = options;
    this.#leaseMs = options.leaseMs ?? 35_000;
    this.#renewMs = options.renewMs ?? 30_000;
    this.#retryMs = options.retryMs ?? 5_000;
    const graceMs = Math.max(0, this.#leaseMs - this.#renewMs);
    this.#seen = new ObservedLease({ ...options, leaseMs: this.#leaseMs, retryMs: this.#retryMs, graceMs });
  }

  get hasHeard(): boolean {
    return this.#hasHeard;
  }

  async elected(signal: AbortSignal): Promise<void> {
    await orAborted(this.#electedOnce.promise, signal);
  }

  isLeading(): boolean {
    return this.#trustedMs() > 0;
  }

  assertLeading(): void {
    if (!this.isLeading()) throw this.#lost();
  }

  async run(signal: AbortSignal): Promise<void> {
    try {
      await this.#acquire(signal);
      await this.#keep(signal);
    } catch (error) {
      if (!isAbortOf(signal, error)) throw error;
      const held = this.isLeading();
      // Whatever has not stopped by now must not write after another process has the lease.
      this.#stopLeading();
      if (held && this.#options.releaseOnCancel !== false) await this.#release();
    } finally {
      this.#stopLeading();
    }
  }

  #stopLeading(): void {
    if (this.#renewedMs !== undefined) this.#options.onChange?.(false);
    this.#renewedMs = undefined;
  }

  /** For how long the last renewal can be trusted. */
  #trustedMs(): number {
    return this.#renewedMs === undefined ? 0 : this.#renewedMs + this.#renewMs - this.#options.clock.monotonicMs();
  }

  async #acquire(signal: AbortSignal): Promise<void> {
    const { clock, log, lease, identity } = this.#options;
    log.info("Waiting for the lease", { lease: lease.name, identity });
    this.#askedMs = clock.monotonicMs();
    for (;;) {
      const answer = await this.#tryQuietly(this.#renewMs, signal);
      if (answer === "ours") break;
      if (answer === "held") await this.#standBy(signal);
      else await clock.sleep(this.#retryMs, signal);
    }
    log.info("Got the lease", { lease: lease.name, identity });
    this.#options.onChange?.(true);
    this.#electedOnce.resolve();
  }

  async #standBy(signal: AbortSignal): Promise<void> {
    const { log, lease } = this.#options;
    const { holder = "" } = this.#seen;
    if (holder !== this.#toldHolder) log.info("Another process holds the lease", { lease: lease.name, holder });
    this.#toldHolder = holder;
    await this.#seen.untilFree(signal);
  }

  /** Until the lease is lost, which is thrown. */
  async #keep(signal: AbortSignal): Promise<void> {
    const onEmptied = (): void => this.#emptied.resolve();
    const theirs = async (own: AbortSignal): Promise<void> => {
      await this.#seen.untilTheirs(this.#options.identity, onEmptied, own);
      this.#stopLeading();
    };
    await firstOf([theirs, (own) => this.#renewOn(own)], signal);
    throw this.#lost();
  }

  async #renewOn(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    for (let triedMs = clock.monotonicMs(); ;) {
      const restMs = Math.max(0, this.#retryMs - (clock.monotonicMs() - triedMs));
      const { promise: emptied } = this.#emptied;
      await firstOf([(own) => clock.sleep(restMs, own), (own) => orAborted(emptied, own)], signal);
      // A process that was stopped or busy for too long notices that here, before it asks: another process may have had the lease meanwhile.
      if (!this.isLeading()) throw this.#lost();
      this.#emptied = Promise.withResolvers<void>();
      triedMs = clock.monotonicMs();
      const answer = await this.#tryQuietly(this.#trustedMs(), signal);
      if (answer === "failed") triedMs = clock.monotonicMs();
      if (!this.isLeading() || this.#seen.holder !== this.#options.identity) throw this.#lost();
    }
  }

  /** Whether the lease is ours now. Nothing but an abort is thrown: an API server that does not answer is asked again. */
  async #tryQuietly(timeoutMs: number, signal: AbortSignal): Promise<"ours" | "held" | "failed"> {
    const { clock, log } = this.#options;
    const timeoutReason = (): Error => new Error(`no answer within ${timeoutMs / 1000} s`);
    try {
      const ours = await withDeadline({ signal, timeoutMs, timeoutReason, clock }, (own) => this.#try(own));
      this.#hasHeard = true;
      return ours ? "ours" : "held";
    } catch (error) {
      if (signal.aborted) throw error;
      const expected = isConflict(error) || isAlreadyExists(error);
      log[expected ? "debug" : "error"]("Cannot get or renew the lease, trying again", {
        lease: this.#options.lease.name,
        error,
      });
      return "failed";
    }
  }

  async #try(signal: AbortSignal): Promise<boolean> {
    if (this.isLeading() && (await this.#renewAtOnce(signal))) return true;
    const { client, lease, identity } = this.#options;
    const live = await client.getOrUndefined(leaseKind, lease, signal);
    this.#seen.observe(live);
    const isOurs = this.#seen.holder === identity;
    if (!isOurs && this.#seen.heldForMs() > 0) return false;
    if (live === undefined) return await this.#create(signal);
    await this.#replace((isOurs ? renewedLease : takenLease)(live, this.#renewal()), signal);
    return true;
  }

  /** One PUT of the lease as we know it. False when it is not as we know it: then it must be read. */
  async #renewAtOnce(signal: AbortSignal): Promise<boolean> {
    const { live } = this.#seen;
    if (live === undefined) return false;
    try {
      await this.#replace(renewedLease(live, this.#renewal()), signal);
      return true;
    } catch (error) {
      if (isConflict(error) || isNotFound(error)) return false;
      throw error;
    }
  }

  /** A renewal counts from when it was sent: the answer may come late. */
  async #replace(lease: KubeObject, signal: AbortSignal): Promise<void> {
    const { client, fieldManager, clock } = this.#options;
    const sentMs = clock.monotonicMs();
    this.#seen.observe(await client.replace(lease, { fieldManager }, signal));
    this.#renewedMs = sentMs;
  }

  /**
   * The lease is deleted with a namespace that is being deleted, and cannot be created there again, while the operator has to finish what
   * blocks that deletion. Then a leader continues without it, and another process may start after the length of a lease. False until then.
   */
  async #create(signal: AbortSignal): Promise<boolean> {
    const { client, fieldManager, clock } = this.#options;
    const lease = newLease(this.#options.lease, this.#renewal());
    const sentMs = clock.monotonicMs();
    try {
      this.#seen.observe(await client.create(lease, { fieldManager }, signal));
    } catch (error) {
      if (!isNamespaceTerminating(error)) throw error;
      if (!this.#mayLeadWithout()) return false;
      this.#seen.assume(lease);
    }
    this.#renewedMs = sentMs;
    return true;
  }

  /** Whether no other process can still be at work by the lease that was there. */
  #mayLeadWithout(): boolean {
    if (this.isLeading() || this.#seen.holder === "") return true;
    const sinceMs = this.#seen.atMs ?? this.#askedMs;
    return this.#options.clock.monotonicMs() - sinceMs >= this.#leaseMs;
  }

  #renewal(): Renewal {
    const { identity, clock } = this.#options;
    return { identity, durationMs: this.#leaseMs, now: microTimestamp(clock) };
  }

  /** Gives up the lease, so that another process can get it at once. If this fails, that process has to wait for the length of the lease. */
  async #release(): Promise<void> {
    const { client, lease, fieldManager, log, identity, clock } = this.#options;
    const limit = {
      signal: new AbortController().signal,
      timeoutMs: releaseMs,
      timeoutReason: () => new Error(`no answer within ${releaseMs / 1000} s`),
      clock,
    };
    try {
      await withDeadline(limit, async (signal) => {
        // A renewal may have been under way: what we know of the lease may be out of date.
        const live = await client.getOrUndefined(leaseKind, lease, signal);
        if (live === undefined || readLease(live, this.#leaseMs).holder !== identity) return;
        await client.replace(freeLease(live, microTimestamp(clock)), { fieldManager }, signal);
      });
    } catch (error) {
      log.error("Cannot give the lease back", { lease: lease.name, error });
    }
  }

  #lost(): LeadershipLostError {
    const { lease } = this.#options;
    return new LeadershipLostError(
      `Cannot go on without Lease/${lease.namespace}/${lease.name}: it was not renewed in time, or another process holds it`,
    );
  }
}
