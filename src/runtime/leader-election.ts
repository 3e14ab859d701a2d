import { isAbortOf, withDeadline } from "../client/abort.ts";
import type { ApiClient } from "../client/api-client.ts";
import { isAlreadyExists, isConflict, isNamespaceTerminating } from "../client/api-error.ts";
import type { JsonObject, KubeObject, ObjectKey } from "../kube/object.ts";
import { microTimestamp } from "../std/clock.ts";
import type { Clock } from "../std/clock.ts";
import { ReasonedError } from "../std/errors.ts";
import { isJsonObject } from "../std/json.ts";
import type { Logger } from "./log.ts";

/** The Lease, who asks for it, and how long it is valid. `onChange` is called when this process gets or loses it. */
export type LeaderElectionOptions = {
  readonly client: Pick<ApiClient, "getOrUndefined" | "create" | "replace">;
  readonly lease: ObjectKey;
  /** Unique among all processes that try to get the lease: "<pod>_<uuid>". */
  readonly identity: string;
  /** "flux-operator" */
  readonly fieldManager: string;
  /** 35 s, 30 s and 5 s by default. */
  readonly leaseMs?: number;
  readonly renewMs?: number;
  readonly retryMs?: number;
  /** Whether the lease is given up at the end; true by default. */
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
  /** Whether the lease is certainly ours still, by a clock that does not jump; false also when this process slept too long. */
  isLeading(): boolean;
  /** Throws LeadershipLostError unless `isLeading()`. For `guardWrites`. */
  assertLeading(): void;
  /** Gets and renews the lease. Resolves after the signal is aborted and the lease is given up; rejects with LeadershipLostError. */
  run(signal: AbortSignal): Promise<void>;
};

const leaseKind = { group: "coordination.k8s.io", version: "v1", kind: "Lease" };

/**
 * Leader election over a Lease by client-go's rules: optimistic locking, and a lease of another process is timed by when we saw it change, not
 * by the clock of that process.
 */
export function createLeaderElection(options: LeaderElectionOptions): LeaderElection {
  return new Election(options);
}

/** What the lease said, and when we first saw that. */
type Observed = { readonly renewTime: string; readonly holder: string; readonly atMs: number };

class Election implements LeaderElection {
  readonly #options: LeaderElectionOptions;
  readonly #leaseMs: number;
  readonly #renewMs: number;
  readonly #retryMs: number;
  readonly #electedOnce = Promise.withResolvers<void>();
  /** When the last successful renewal was sent; undefined while we do not lead. */
  #renewedMs: number | undefined;
  #observed: Observed | undefined;
  /** When we first asked for the lease. */
  #askedMs = 0;

  constructor(options: LeaderElectionOptions) {
    this.#options = options;
    this.#leaseMs = options.leaseMs ?? 35_000;
    this.#renewMs = options.renewMs ?? 30_000;
    this.#retryMs = options.retryMs ?? 5_000;
  }

  async elected(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const aborted = Promise.withResolvers<never>();
    const onAbort = (): void => aborted.reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      await Promise.race([this.#electedOnce.promise, aborted.promise]);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  isLeading(): boolean {
    return this.#renewedMs !== undefined && this.#options.clock.monotonicMs() - this.#renewedMs < this.#renewMs;
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
      if (this.#options.releaseOnCancel !== false) await this.#release();
    } finally {
      if (this.#renewedMs !== undefined) this.#options.onChange?.(false);
      this.#renewedMs = undefined;
    }
  }

  async #acquire(signal: AbortSignal): Promise<void> {
    const { clock, log, lease, identity } = this.#options;
    log.info("Waiting for the lease", { lease: lease.name, identity });
    this.#askedMs = clock.monotonicMs();
    while (!(await this.#tryQuietly(signal))) await clock.sleep(this.#retryMs, signal);
    log.info("Got the lease", { lease: lease.name, identity });
    this.#options.onChange?.(true);
    this.#electedOnce.resolve();
  }

  async #keep(signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.#options.clock.sleep(this.#retryMs, signal);
      // A process that was stopped or busy for too long notices that here, before it asks: another process may have had the lease meanwhile.
      if (!this.isLeading()) throw this.#lost();
      await this.#tryQuietly(signal);
      if (this.#observed?.holder !== this.#options.identity) throw this.#lost();
    }
  }

  /** Whether the lease is ours now. An API server that does not answer counts as a lease that another process holds. */
  async #tryQuietly(signal: AbortSignal): Promise<boolean> {
    const { clock, log } = this.#options;
    const sentMs = clock.monotonicMs();
    const timeoutMs = this.#retryMs;
    try {
      const timeoutReason = (): Error => new Error(`no answer within ${timeoutMs / 1000} s`);
      const ours = await withDeadline({ signal, timeoutMs, timeoutReason }, (own) => this.#try(own));
      if (ours) this.#renewedMs = sentMs;
      return ours;
    } catch (error) {
      if (signal.aborted) throw error;
      const expected = isConflict(error) || isAlreadyExists(error);
      log[expected ? "debug" : "error"]("Cannot get or renew the lease, trying again", {
        lease: this.#options.lease.name,
        error,
      });
      return false;
    }
  }

  async #try(signal: AbortSignal): Promise<boolean> {
    const { client, lease, fieldManager, identity, clock } = this.#options;
    const live = await client.getOrUndefined(leaseKind, lease, signal);
    if (live === undefined) {
      const created = await this.#create(signal);
      if (created !== undefined) this.#observe(created);
      return created !== undefined;
    }
    this.#observe(live);
    const holder = this.#observed?.holder ?? "";
    const heldForMs = clock.monotonicMs() - (this.#observed?.atMs ?? 0);
    const spec = specOf(live);
    if (holder !== "" && holder !== identity && heldForMs < leaseMsOf(spec, this.#leaseMs)) return false;
    const transitions = typeof spec["leaseTransitions"] === "number" ? spec["leaseTransitions"] : 0;
    const next =
      holder === identity
        ? { ...spec, ...this.#renewal() }
        : { ...this.#takeOver(), leaseTransitions: transitions + 1 };
    this.#observe(await client.replace({ ...live, spec: next }, { fieldManager }, signal));
    return true;
  }

  /**
   * The lease is deleted with a namespace that is being deleted, and cannot be created there again, while the operator has to finish what
   * blocks that deletion. Then a leader continues without it, and another process may start after the length of a lease. Undefined until then.
   */
  async #create(signal: AbortSignal): Promise<KubeObject | undefined> {
    const { client, fieldManager } = this.#options;
    const lease = this.#newLease();
    try {
      return await client.create(lease, { fieldManager }, signal);
    } catch (error) {
      if (!isNamespaceTerminating(error)) throw error;
      return this.#mayLeadWithout() ? lease : undefined;
    }
  }

  /** Whether no other process can still be at work by the lease that was there. */
  #mayLeadWithout(): boolean {
    if (this.isLeading() || this.#observed?.holder === "") return true;
    const sinceMs = this.#observed?.atMs ?? this.#askedMs;
    return this.#options.clock.monotonicMs() - sinceMs >= this.#leaseMs;
  }

  #observe(lease: KubeObject): void {
    const spec = specOf(lease);
    const holder = typeof spec["holderIdentity"] === "string" ? spec["holderIdentity"] : "";
    const renewTime = typeof spec["renewTime"] === "string" ? spec["renewTime"] : "";
    if (this.#observed?.holder === holder && this.#observed.renewTime === renewTime) return;
    this.#observed = { holder, renewTime, atMs: this.#options.clock.monotonicMs() };
  }

  #newLease(): KubeObject {
    const { lease } = this.#options;
    const spec = { ...this.#takeOver(), leaseTransitions: 0 };
    return {
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: { name: lease.name, namespace: lease.namespace },
      spec,
    };
  }

  #takeOver(): JsonObject {
    return { ...this.#renewal(), acquireTime: microTimestamp(this.#options.clock) };
  }

  #renewal(): JsonObject {
    const { identity, clock } = this.#options;
    return {
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(this.#leaseMs / 1000),
      renewTime: microTimestamp(clock),
    };
  }

  /** Gives up the lease, so that another process can get it at once. If this fails, that process has to wait for the length of the lease. */
  async #release(): Promise<void> {
    const { client, lease, fieldManager, log, identity, clock } = this.#options;
    if (!this.isLeading()) return;
    const limit = {
      signal: new AbortController().signal,
      timeoutMs: 3_000,
      timeoutReason: () => new Error("no answer within 3 s"),
    };
    try {
      await withDeadline(limit, async (signal) => {
        const live = await client.getOrUndefined(leaseKind, lease, signal);
        if (live === undefined || specOf(live)["holderIdentity"] !== identity) return;
        const spec = { ...specOf(live), holderIdentity: "", leaseDurationSeconds: 1, renewTime: microTimestamp(clock) };
        await client.replace({ ...live, spec }, { fieldManager }, signal);
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

function specOf(lease: KubeObject): JsonObject {
  return isJsonObject(lease["spec"]) ? lease["spec"] : {};
}

function leaseMsOf(spec: JsonObject, fallbackMs: number): number {
  const seconds = spec["leaseDurationSeconds"];
  return typeof seconds === "number" ? seconds * 1000 : fallbackMs;
}
