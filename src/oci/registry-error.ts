import { ReasonedError } from "../std/errors.ts";
import type { Retry } from "../std/errors.ts";

/**
 * What went wrong, for callers that decide by it:
 * - `reference`: the text is no OCI reference;
 * - `credentials`: the pull secret, the certificates or the proxy settings cannot be used;
 * - `unreachable`: no answer came, or it broke off; `timeout`: none came in the time given;
 * - `unauthorized`: refused with these credentials, or without any;
 * - `identity`: the registry's cloud gives no login for the identity of this process;
 * - `not-found`, `rate-limited`, `server` (5xx): what the registry answered; `protocol`: its answer is not that of a registry;
 * - `digest-mismatch`, `truncated`, `too-large`: a body that is not what was announced or allowed;
 * - `redirect`: a redirect that must not be followed;
 * - `unsupported`, `malformed`: a manifest that we cannot use.
 */
export type RegistryErrorKind =
  | "reference"
  | "credentials"
  | "unreachable"
  | "timeout"
  | "unauthorized"
  | "identity"
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

/** `message` is "Cannot X: Y" and must not have a secret; `reason` is always "ArtifactFailed". */
export type RegistryErrorOptions = {
  readonly kind: RegistryErrorKind;
  readonly message: string;
  /** "backoff" by default. */
  readonly retry?: Retry;
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
};

/** An artifact cannot be read from its registry. The message is the same on every retry and has no secret. */
export class RegistryError extends ReasonedError {
  readonly kind: RegistryErrorKind;
  /** How long to wait, by the registry's Retry-After; undefined without one. */
  readonly retryAfterMs: number | undefined;

  constructor({ kind, message, retry = "backoff", retryAfterMs, cause }: RegistryErrorOptions) {
    super({ reason: "ArtifactFailed", retry, message, cause });
    this.kind = kind;
    this.retryAfterMs = retryAfterMs;
  }
}
