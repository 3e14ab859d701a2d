/** All of the process that a command may touch; a test passes plain values. */
export type Terminal = {
  readonly stdin: AsyncIterable<Uint8Array | string>;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: { readonly [name: string]: string | undefined };
  /** Whether whoever reads stdout likes colors. */
  readonly color: boolean;
};

export type Output = { write(text: string): unknown };

/** What the process ends with. `diff` has codes of its own, those of `kubectl diff`. */
export const exitCodes = { done: 0, failed: 1, differs: 1, diffFailed: 2 } as const;
