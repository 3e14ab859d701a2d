import { copyImage, type Copied, type CopyRequest } from "../../oci/copy/copy-image.ts";
import type { Sink, Source } from "../../oci/copy/place.ts";
import { mapConcurrent } from "../../std/concurrent.ts";
import { ReasonedError } from "../../std/errors.ts";
import { InputError } from "../input.ts";
import { plural } from "../print.ts";
import type { Terminal } from "../terminal.ts";

/** One image to be copied, with its names for the user. */
export type Transfer = CopyRequest & {
  readonly from: Source;
  readonly to: Sink;
  /** "ghcr.io/fluxcd/source-controller:v1.9.4" */
  readonly label: string;
  /** What to do when it fails with this error, to be put behind its message. */
  readonly remedy: (error: unknown) => string;
};

/** How it went, in total. */
export type Transferred = { readonly images: number; readonly bytes: number; readonly attached: number };

export type TransferOptions = {
  readonly atOnce: number;
  readonly terminal: Pick<Terminal, "stderr">;
  readonly signal: AbortSignal;
};

/**
 * Copies all of `transfers`, some at once, and prints a line for each on standard error. Every one is tried; then it throws InputError for the
 * only failure, or an AggregateError of several.
 */
export async function transferAll(
  transfers: readonly Transfer[],
  { atOnce, terminal: { stderr }, signal }: TransferOptions,
): Promise<Transferred> {
  let done = 0;
  const copies = await mapConcurrent(transfers, atOnce, async ({ from, to, label, remedy, ...request }) => {
    try {
      const copied = await copyImage(request, from, to, signal);
      done += 1;
      stderr.write(`[${done}/${transfers.length}] ${label}@${copied.digest} ${describe(copied)}\n`);
      return copied;
    } catch (failure) {
      signal.throwIfAborted();
      // Of the blobs of one image, which are copied side by side, several fail for one reason.
      const error: unknown = failure instanceof AggregateError ? failure.errors[0] : failure;
      if (!(error instanceof ReasonedError)) throw error;
      throw new InputError(`${label}: ${error.message}${remedy(error)}; repeat the command to go on`, error);
    }
  });
  return {
    images: copies.length,
    bytes: sum(copies.map(({ bytes }) => bytes)),
    attached: sum(copies.map(({ attached }) => attached)),
  };
}

function describe({ wasThere, bytes, attached, lacking }: Copied): string {
  const missing = lacking.length === 0 ? "" : ` without ${lacking.join(", ")}`;
  const along = `${attached === 0 ? "" : ` with ${plural(attached, "attachment")}`}${missing}`;
  return wasThere ? `was there${along}` : `copied${along}, ${megabytes(bytes)}`;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}

/** "24.1 MB" */
export function megabytes(bytes: number): string {
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}
