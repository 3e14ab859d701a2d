// Tests: test/integration/rollback.test.ts
import { ReasonedError } from "../../../std/errors.ts";

/** Applied objects are not healthy in time, or cannot become so. */
export class HealthError extends ReasonedError {}

/** Another client deleted applied objects, or removed their labels, before they were healthy. */
export class DriftedError extends ReasonedError {}

/** The instance has changed while a reconcile was waiting. */
export class InterruptedError extends ReasonedError {}

/** The error for a wait that the interrupt signal ended. */
export function interrupted(): InterruptedError {
  return new InterruptedError({
    reason: "HealthCheckCanceled",
    retry: "backoff",
    message: "Interrupted: the FluxInstance has changed and is being reconciled again",
  });
}
