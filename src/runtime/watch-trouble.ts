import { ApiError, NoSuchKindError } from "../client/api-error.ts";
import type { Clock } from "../std/clock.ts";
import { errorMessage } from "../std/errors.ts";

/** Why a kind cannot be listed or watched, when that is more than a passing failure. */
export type WatchTrouble = {
  /** Kubernetes' Status.reason, such as "Forbidden"; "Unreachable" when no answer comes. */
  readonly reason: string;
  /** "Cannot watch Service: services is forbidden: ..." */
  readonly message: string;
};

/** What is less lasting may be a restart of the API server. */
const lastingMs = 60_000;

/**
 * Whether a watch can be trusted, and why not. It is in doubt from any failure on until the API server accepts a watch again; `onChange` is
 * called when it is in trouble, out of it, or in another one.
 */
export class WatchHealth {
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #onChange: (trouble: WatchTrouble | undefined) => void;
  #failingSinceMs: number | undefined;
  #trouble: WatchTrouble | undefined;

  constructor(clock: Pick<Clock, "monotonicMs">, onChange: (trouble: WatchTrouble | undefined) => void) {
    this.#clock = clock;
    this.#onChange = onChange;
  }

  /** Whether changes may have been missed since the last list or event. */
  get isInDoubt(): boolean {
    return this.#failingSinceMs !== undefined;
  }

  get trouble(): WatchTrouble | undefined {
    return this.#trouble;
  }

  /** A list or a watch has failed. */
  failed(error: unknown): void {
    this.#failingSinceMs ??= this.#clock.monotonicMs();
    const isLasting = this.#clock.monotonicMs() - this.#failingSinceMs >= lastingMs;
    // A kind that is not served has no objects: it is watched from when it is installed.
    if (error instanceof NoSuchKindError) return this.#set(undefined);
    if (isLasting || isDenial(error)) this.#set(troubleOf(error));
  }

  /** The API server delivers. */
  works(): void {
    this.#failingSinceMs = undefined;
    this.#set(undefined);
  }

  #set(trouble: WatchTrouble | undefined): void {
    if (trouble?.message === this.#trouble?.message) return;
    this.#trouble = trouble;
    this.#onChange(trouble);
  }
}

/** Whether the API server refuses the request itself, so that the same one is refused again. */
export function isDenial(error: unknown): boolean {
  return error instanceof ApiError && error.status >= 400 && error.status < 500 && !passing.has(error.status);
}

/** Timeouts, expired versions and a busy server. */
const passing = new Set([408, 410, 429]);

function troubleOf(error: unknown): WatchTrouble {
  const message = errorMessage(error);
  if (!(error instanceof ApiError)) return { reason: "Unreachable", message };
  return { reason: error.reasonCode === "" ? String(error.status) : error.reasonCode, message };
}
