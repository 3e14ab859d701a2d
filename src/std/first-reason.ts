import { ReasonedError } from "./errors.ts";

/**
 * The ReasonedError in `thrown`. Of an AggregateError, and of those in it, it is the first by message, with the number of the others. Anything
 * else is a bug and is rethrown.
 */
export function firstReasonOf(thrown: unknown): ReasonedError {
  if (thrown instanceof ReasonedError) return thrown;
  if (!(thrown instanceof AggregateError)) throw thrown;
  const all = leavesOf(thrown);
  const errors = all.filter((error) => error instanceof ReasonedError);
  const [first] = errors.toSorted((left, right) => (left.message < right.message ? -1 : 1));
  if (first === undefined || errors.length < all.length) throw thrown;
  const message = `${first.message} (and ${errors.length - 1} more)`;
  return new ReasonedError({ reason: first.reason, retry: first.retry, message, cause: thrown });
}

/** What is in it, and in the AggregateErrors in it. */
function leavesOf({ errors }: AggregateError): readonly unknown[] {
  return errors.flatMap((error: unknown) => (error instanceof AggregateError ? leavesOf(error) : [error]));
}
