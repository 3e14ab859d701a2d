import { ReasonedError } from "../../std/errors.ts";

/**
 * Something has no good signature, or what is trusted cannot be read. It is tried again, since signatures are often pushed after what they sign,
 * and keys are replaced.
 */
export class SignatureError extends ReasonedError {
  constructor(message: string, cause?: unknown) {
    super({ reason: "VerificationFailed", retry: "backoff", message, cause });
  }
}
