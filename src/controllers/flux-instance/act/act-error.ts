import { ReasonedError } from "../../../std/errors.ts";

/** The applied objects do not become healthy. */
export class HealthError extends ReasonedError {}

/** What was applied has been deleted before it was healthy. */
export class DriftedError extends ReasonedError {}

/** A newer wish ended the wait. */
export class InterruptedError extends ReasonedError {}

export function interrupted(): InterruptedError {
  return new InterruptedError({
    reason: "HealthCheckCanceled",
    retry: "backoff",
    message: "Interrupted: the FluxInstance has changed and is being reconciled again",
  });
}
