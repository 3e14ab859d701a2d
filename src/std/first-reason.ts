import { ReasonedError } from "./errors.ts";

/**
 * The ReasonedError in `thrown`. Of an AggregateError it is the first by message, with the number of the others. Anything else is a bug and is
 * rethrown.
 */
export function firstReasonOf(thrown: unknown): ReasonedError {
  if (thrown instanceof ReasonedError) return thrown;
  if (!(thrown instanceof AggregateError)) throw thrown;
  const errors = thrown.errors.filter((error): error is ReasonedError => error instanceof ReasonedError);
  const [first] = errors.toSorted((left, right) => (left.message < right.message ? -1 : 1));
  if (first === undefined || errors.length < thrown.errors.length) throw thrown;
  const message = `${first.message} (and ${errors.length - 1} more)`;
  return new ReasonedError({ reason: first.reason, retry: first.retry, message, cause: thrown });
}
