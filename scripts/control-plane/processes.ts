import { execFileSync, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** A child that logs to `<name>.log` in its folder. */
export type Child = { readonly name: string; readonly process: ChildProcess; readonly logPath: string };

export type Program = { readonly name: string; readonly path: string; readonly args: readonly string[] };

/**
 * All these programs are Go. With the default of 100 the API server spends a third of its time on collecting garbage: it is given
 * whole definitions all the time, and keeps little. This costs a few hundred MB and spares a fifth of the processor time of a suite.
 */
const lessCollecting = { GOGC: "400" };

/** Starts a program in `folder`; see dieWithParent. */
export function startChild(folder: string, program: Program): Child {
  const logPath = join(folder, `${program.name}.log`);
  const log = openSync(logPath, "w", 0o600);
  const { path, args } = dieWithParent(program);
  try {
    const env = { ...cleanEnvironment(), ...lessCollecting };
    const process = spawn(path, args, { cwd: folder, stdio: ["ignore", log, log], env });
    process.on("error", () => undefined);
    return { name: program.name, process, logPath };
  } finally {
    closeSync(log);
  }
}

export type Command = { readonly path: string; readonly args: readonly string[] };

let knowsDeathSignal: boolean | undefined;

/**
 * The same command, but on Linux the kernel kills it when this process ends, also by SIGKILL (PR_SET_PDEATHSIG, through setpriv of
 * util-linux). Where there is no setpriv it is unchanged, and only an orderly end of this process ends it.
 */
export function dieWithParent({ path, args }: Command): Command {
  knowsDeathSignal ??= process.platform === "linux" && knowsPdeathsig();
  if (!knowsDeathSignal) return { path, args };
  // A parent that ended before the kernel was told to watch it is never missed: the child then has another parent, and ends itself.
  const unlessOrphan = ["sh", "-c", '[ "$PPID" = "$0" ] && exec "$@"', `${process.pid}`];
  return { path: "setpriv", args: ["--pdeathsig", "KILL", "--", ...unlessOrphan, path, ...args] };
}

/** Kills at once: there is no data to keep. Resolves when the process is gone. */
export async function killChild({ process }: Child): Promise<void> {
  if (!hasStarted(process) || hasEnded(process)) return;
  const ended = once(process, "exit");
  process.kill("SIGKILL");
  await ended;
}

export function hasEnded(process: ChildProcess): boolean {
  return process.exitCode !== null || process.signalCode !== null;
}

/** Last lines of a log, "" if there are none. */
export async function logTail(path: string, lines: number): Promise<string> {
  const text = await readFile(path, "utf8").catch((error: unknown) => `(cannot read ${path}: ${String(error)})`);
  return text.trimEnd().split("\n").slice(-lines).join("\n");
}

function hasStarted(process: ChildProcess): boolean {
  return process.pid !== undefined;
}

/** What any of our processes needs of the environment, so that a person's settings do not change a cluster. */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  const { PATH, HOME, TMPDIR } = process.env;
  return { PATH, HOME, TMPDIR };
}

function knowsPdeathsig(): boolean {
  try {
    execFileSync("setpriv", ["--pdeathsig", "KILL", "--", "true"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
