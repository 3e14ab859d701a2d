/** Everything of the process that a command may use; a test passes plain values. */
export type Terminal = {
  readonly stdin: AsyncIterable<Uint8Array | string>;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: { readonly [name: string]: string | undefined };
  /** Whether stdout is a terminal with colors. */
  readonly color: boolean;
};

/** Where text is written to. */
export type Output = { write(text: string): unknown };

/** The exit codes. `diff` has its own, those of `kubectl diff`. */
export const exitCodes = { done: 0, failed: 1, differs: 1, diffFailed: 2 } as const;
