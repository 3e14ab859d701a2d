import { ReasonedError } from "./errors.ts";

/** What `work` returns, or the ReasonedError that it throws. Anything else is a bug and is rethrown. */
export function attempt<T>(work: () => T): T | ReasonedError {
  try {
    return work();
  } catch (error) {
    if (error instanceof ReasonedError) return error;
    throw error;
  }
}

/** `attempt` for asynchronous work. When `signal` is aborted, its reason is thrown. */
export async function attemptAsync<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T | ReasonedError> {
  try {
    return await work();
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof ReasonedError) return error;
    throw error;
  }
}
