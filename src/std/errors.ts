/** What the work queue does after a failure: try again with growing delays, or wait until a watched object changes. */
export type Retry = "backoff" | "on-change";

export type ReasonedErrorOptions = {
  /** The condition reason that users see. */
  readonly reason: string;
  readonly retry: Retry;
  /** "Cannot X: Y", without a period and equal on every retry. */
  readonly message: string;
  readonly cause?: unknown;
};

/** An error that knows its condition reason and what the queue does next. Rooms subclass it. */
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

/** Closes a switch: `default: throw new UnreachableError(value)` stops compiling when a variant is added. */
export class UnreachableError extends Error {
  constructor(value: never) {
    super(`Cannot happen: no case for ${JSON.stringify(value)}`);
    this.name = "UnreachableError";
  }
}

/** Text of whatever was thrown, with the messages of its causes: "Cannot X: Y: Z". A cause already quoted is not repeated. */
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
