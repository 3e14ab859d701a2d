import { runCli } from "../../src/cli/run.ts";

export type CliRun = { readonly exitCode: number; readonly stdout: string; readonly stderr: string };
export type CliRunOptions = {
  /** Standard input. */
  readonly input?: string;
  readonly env?: { readonly [name: string]: string };
};

/** Runs the command line inside this process. */
export async function runInProcess(
  args: readonly string[],
  { input = "", env = {} }: CliRunOptions = {},
): Promise<CliRun> {
  const written = { stdout: "", stderr: "" };
  const output = (name: "stdout" | "stderr") => ({ write: (text: string) => void (written[name] += text) });
  const stdin = (async function* () {
    yield input;
  })();
  const terminal = { stdin, stdout: output("stdout"), stderr: output("stderr"), env, color: false };
  const exitCode = await runCli(args, terminal, new AbortController().signal);
  return { exitCode, ...written };
}
