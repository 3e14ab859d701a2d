import { ReasonedError } from "../std/errors.ts";
import type { Retry } from "../std/errors.ts";

/**
 * What went wrong, for those who decide by it:
 * - `reference`: the text is no OCI reference;
 * - `credentials`: the pull secret, the certificates or the proxy settings cannot be used;
 * - `unreachable`: no answer came, or it broke off; `timeout`: not within the time given;
 * - `unauthorized`: refused with, or for want of, credentials;
 * - `not-found`, `rate-limited`, `server` (5xx): what the registry said; `protocol`: it said what no registry says;
 * - `digest-mismatch`, `truncated`, `too-large`: a body that is not what was announced or allowed;
 * - `redirect`: sent somewhere we do not go;
 * - `unsupported`, `malformed`: a manifest that we cannot use.
 */
export type RegistryErrorKind =
  | "reference"
  | "credentials"
  | "unreachable"
  | "timeout"
  | "unauthorized"
  | "not-found"
  | "rate-limited"
  | "server"
  | "protocol"
  | "digest-mismatch"
  | "truncated"
  | "too-large"
  | "redirect"
  | "unsupported"
  | "malformed";

export type RegistryErrorOptions = {
  readonly kind: RegistryErrorKind;
  readonly message: string;
  /** "backoff" by default. */
  readonly retry?: Retry;
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
};

/** An artifact could not be had from its registry. The message is equal on every retry and holds no secret. */
export class RegistryError extends ReasonedError {
  readonly kind: RegistryErrorKind;
  /** How long the registry asked us to stay away; undefined if it did not. */
  readonly retryAfterMs: number | undefined;

  constructor({ kind, message, retry = "backoff", retryAfterMs, cause }: RegistryErrorOptions) {
    super({ reason: "ArtifactFailed", retry, message, cause });
    this.kind = kind;
    this.retryAfterMs = retryAfterMs;
  }
}
