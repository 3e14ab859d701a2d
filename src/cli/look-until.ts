import { ApiError, ConnectionError } from "../client/api-error.ts";
import type { Clock } from "../std/clock.ts";
import { formatDuration } from "../std/duration.ts";
import { ReasonedError } from "../std/errors.ts";
import type { Terminal } from "./terminal.ts";

/** What one look at the cluster found. */
export type Look =
  | { readonly kind: "done"; readonly message: string }
  /** Waiting longer cannot help. */
  | { readonly kind: "failed"; readonly message: string }
  | { readonly kind: "waiting"; readonly why: string };

/** How long to look. */
export type Patience = { readonly timeoutMs: number; readonly clock: Clock };

const pollMs = 1_000;

/** What was waited for has not come, or cannot come any more. The message ends with why. */
export class WaitError extends ReasonedError {
  constructor(message: string, cause?: unknown) {
    super({ reason: "WaitFailed", retry: "on-change", message, cause });
  }
}

/**
 * Looks every second until it is done, and resolves to the message of that look. Standard error gets each new reason to wait. An API server that does not
 * answer, or is busy, is asked again. Throws WaitError when a look fails and, with the last reason, after `timeoutMs`; else as `look`.
 */
export async function lookUntilDone(
  look: (signal: AbortSignal) => Promise<Look>,
  { timeoutMs, clock }: Patience,
  { stderr }: Pick<Terminal, "stderr">,
  signal: AbortSignal,
): Promise<string> {
  const startMs = clock.monotonicMs();
  let told = "";
  for (;;) {
    const leftMs = timeoutMs - (clock.monotonicMs() - startMs);
    if (leftMs <= 0) throw new WaitError(`Timed out after ${formatDuration(timeoutMs)}: ${told}`);
    const found = await lookOnce(look, Math.ceil(leftMs), signal);
    if (found.kind === "done") return found.message;
    if (found.kind === "failed") throw new WaitError(found.message);
    if (found.why !== told) stderr.write(`${found.why}\n`);
    told = found.why;
    await clock.sleep(Math.min(pollMs, leftMs), signal);
  }
}

async function lookOnce(
  look: (signal: AbortSignal) => Promise<Look>,
  leftMs: number,
  signal: AbortSignal,
): Promise<Look> {
  const limit = AbortSignal.timeout(leftMs);
  try {
    return await look(AbortSignal.any([signal, limit]));
  } catch (error) {
    signal.throwIfAborted();
    if (limit.aborted) return { kind: "waiting", why: "the API server has not answered" };
    if (isPassing(error)) return { kind: "waiting", why: error.message };
    throw error;
  }
}

function isPassing(error: unknown): error is ReasonedError {
  if (error instanceof ConnectionError) return true;
  return error instanceof ApiError && (error.status >= 500 || error.status === 408 || error.status === 429);
}
