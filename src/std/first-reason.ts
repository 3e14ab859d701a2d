import { ReasonedError } from "./errors.ts";

/** Several objects failed at once: the first tells enough, and says how many there are. Anything without a reason is a bug and goes up. */
export function firstReasonOf(thrown: unknown): ReasonedError {
  if (thrown instanceof ReasonedError) return thrown;
  if (!(thrown instanceof AggregateError)) throw thrown;
  const errors = thrown.errors.filter((error): error is ReasonedError => error instanceof ReasonedError);
  const [first] = errors.toSorted((left, right) => (left.message < right.message ? -1 : 1));
  if (first === undefined || errors.length < thrown.errors.length) throw thrown;
  const message = `${first.message} (and ${errors.length - 1} more)`;
  return new ReasonedError({ reason: first.reason, retry: first.retry, message, cause: thrown });
}
