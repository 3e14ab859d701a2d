/** What the work queue does after a failure: retry with growing delays, or wait until a watched object changes. */
export type Retry = "backoff" | "on-change";

/** The parts of a ReasonedError; all but `cause` reach the user or the queue. */
export type ReasonedErrorOptions = {
  /** The condition reason that users see. */
  readonly reason: string;
  readonly retry: Retry;
  /** "Cannot X: Y", without a period and equal on every retry. */
  readonly message: string;
  readonly cause?: unknown;
};

/** An error with its condition reason, and whether the queue retries. Each room has its own subclasses. */
export class ReasonedError extends Error {
  readonly reason: string;
  readonly retry: Retry;

  constructor(options: ReasonedErrorOptions) {
    super(options.message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.reason = options.reason;
    this.retry = options.retry;
  }
}

/** A case that cannot happen. `default: throw new UnreachableError(value)` stops compiling when a variant is added. */
export class UnreachableError extends Error {
  constructor(value: never) {
    super(`Cannot happen: no case for ${JSON.stringify(value)}`);
    this.name = "UnreachableError";
  }
}

/** The text of any thrown value, with the messages of its causes: "Cannot X: Y: Z". A cause that is quoted already is not repeated. */
export function errorMessage(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const own = thrown.message === "" ? thrown.name : thrown.message;
  if (thrown instanceof AggregateError && thrown.message === "") return thrown.errors.map(errorMessage).join("; ");
  if (thrown.cause === undefined) return own;
  const cause = errorMessage(thrown.cause);
  return own.includes(cause) ? own : `${own}: ${cause}`;
}

/** The `code` that Node and undici put on system errors ("ECONNREFUSED", "UND_ERR_SOCKET"), from the error or its causes. */
export function errorCode(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error)) return undefined;
  if ("code" in thrown && typeof thrown.code === "string") return thrown.code;
  return errorCode(thrown.cause);
}
