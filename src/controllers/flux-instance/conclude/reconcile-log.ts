import type { Change } from "../../../apply/change-set.ts";
import { describeObject } from "../../../kube/object-id.ts";
import type { LogFields, Logger } from "../../../runtime/log.ts";
import type { Clock } from "../../../std/clock.ts";
import type { ReasonedError } from "../../../std/errors.ts";
import type { Decision } from "../decision.ts";

/** How a reconcile ended, for its last line. */
export type Ending =
  | { readonly kind: "reconciled"; readonly version?: string; readonly revision?: string }
  /** `isNews` is false for a failure that comes every few seconds and has been logged before: it is logged at debug. */
  | {
      readonly kind: "failed";
      readonly error: Pick<ReasonedError, "reason" | "message">;
      readonly next: FailureNext;
      readonly isNews?: boolean;
    }
  /** The instance has changed, or another client has deleted what was applied: the next reconcile starts from the beginning. */
  | { readonly kind: "restarted"; readonly message: string };

/** What follows a failure: a retry, a rollback, a change of the spec by the user, or (`keep`) in the same reconcile the verification of what runs. */
export type FailureNext = "retry" | "rollback" | "change" | "keep";

/**
 * The lines of one reconcile in the log: one for each object that was changed, one for what it waits for, and one at its end. A reconcile that
 * changed nothing, was not requested and ended no failure (`isNews`) is logged at debug. The content of objects is never logged.
 */
export class ReconcileLog {
  readonly #log: Logger;
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #startedMs: number;
  readonly #isNews: boolean;
  readonly #counts = new Map<Change["action"], number>();
  #decision: Decision["kind"] | undefined;
  #waitedFor: string | undefined;

  constructor(log: Logger, clock: Pick<Clock, "monotonicMs">, isNews: boolean) {
    this.#log = log;
    this.#clock = clock;
    this.#startedMs = clock.monotonicMs();
    this.#isNews = isNews;
  }

  /** Adds the decision to every line from now on. */
  decided(decision: Decision["kind"]): void {
    this.#decision = decision;
  }

  /** Logs what begins, such as "Installing Flux 2.9.4". */
  begun(message: string, fields: { readonly revision?: string } = {}): void {
    this.#info(message, fields);
  }

  /** Logs one object that was written or deleted. */
  changed({ id, action, takeover }: Change): void {
    this.#counts.set(action, (this.#counts.get(action) ?? 0) + 1);
    const managers =
      takeover === undefined || takeover.managers.length === 0 ? {} : { takenOverFrom: takeover.managers };
    this.#info(`Object ${action}`, { object: describeObject(id), ...managers });
  }

  /** `what` names objects, and why they are not ready or not deleted yet. The same text is logged once. */
  waiting(what: string): void {
    if (this.#waitedFor === what) return;
    this.#waitedFor = what;
    this.#info("Waiting", { for: what });
  }

  /** Logs what users also get as an event. */
  noted(message: string, reason: string): void {
    this.#info(message, { reason });
  }

  /** Logs the last line, with the duration and the number of objects for each action. */
  ended(ending: Ending): void {
    const common = { ms: Math.round(this.#clock.monotonicMs() - this.#startedMs), ...Object.fromEntries(this.#counts) };
    switch (ending.kind) {
      case "failed": {
        const { error, next, isNews = true } = ending;
        const fields = this.#with({ ...common, reason: error.reason, next, error: error.message });
        if (isNews) this.#log.error("Reconcile failed", fields);
        else this.#log.debug("Reconcile failed", fields);
        return;
      }
      case "restarted":
        this.#info("Reconcile restarts", { ...common, because: ending.message });
        return;
      case "reconciled": {
        const { kind: _, ...result } = ending;
        const fields = this.#with({ ...common, ...result });
        if (this.#counts.size > 0 || this.#isNews) this.#log.info("Reconciled", fields);
        else this.#log.debug("Reconciled", fields);
        return;
      }
      default:
        ending satisfies never;
    }
  }

  #info(message: string, fields: LogFields): void {
    this.#log.info(message, this.#with(fields));
  }

  #with(fields: LogFields): LogFields {
    return this.#decision === undefined ? fields : { decision: this.#decision, ...fields };
  }
}
