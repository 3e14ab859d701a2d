import type { CommanderError } from "commander";
import { printError } from "./print.ts";
import { exitCodes, type Terminal } from "./terminal.ts";

/** What a command works with. */
export type Surroundings = { readonly terminal: Terminal; readonly signal: AbortSignal };

/** What a command does; resolves to the exit code. */
export type Action = () => Promise<number>;

/** Ends the run; everything has been printed already. */
export class Exit extends Error {
  readonly code: number;

  constructor(code: number) {
    super(`Exit ${code}`);
    this.code = code;
  }
}

/** Ends the run where arguments cannot be used, with `failure`, and where help was asked for. */
export function exitWith(failure: number): (error: CommanderError) => never {
  return ({ exitCode }) => {
    throw new Exit(exitCode === 0 ? exitCodes.done : failure);
  };
}

/** Exits with the code of `action`; with `failure`, and a message on stderr, when it throws. */
export async function finish(failure: number, { terminal, signal }: Surroundings, action: Action): Promise<never> {
  throw new Exit(
    await action().catch((error: unknown) => {
      if (!signal.aborted) printError(error, terminal);
      return failure;
    }),
  );
}

/** Collects the values of an option that may be repeated. */
export function collect(value: string, values: readonly string[] = []): readonly string[] {
  return [...values, value];
}
