import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { errorCode } from "../../src/std/errors.ts";

/** Why processes cannot be looked into here; undefined when they can. */
export const procAbsent = existsSync("/proc/self/stat") ? undefined : "this system has no /proc";

/** Linux reports CPU time in these to every program, whatever its own clock does (sysconf _SC_CLK_TCK). */
const msPerTick = 10;

/** CPU time that a process and its threads have used, user and system, in milliseconds; 0 where there is no /proc. */
export async function cpuMs(pid: number): Promise<number> {
  if (procAbsent !== undefined) return 0;
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  // Fields 14 and 15 of proc_pid_stat(5), counted from behind the name, which may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * msPerTick;
}

/** Resident memory in bytes: VmRSS of proc_pid_status(5). */
export async function residentBytes(pid: number): Promise<number> {
  return (await memoryOf(pid)).residentBytes;
}

/** VmRSS, and RssAnon, the part of it that is not mapped from a file. */
export type Memory = { readonly residentBytes: number; readonly anonymousBytes: number };

/** Throws for a process that has ended. */
export async function memoryOf(pid: number): Promise<Memory> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const [resident, anonymous] = ["VmRSS", "RssAnon"].map((name) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]),
  );
  if (resident === undefined || anonymous === undefined || Number.isNaN(resident + anonymous))
    throw new Error(`Cannot read the memory of process ${pid}: it has ended`);
  return { residentBytes: resident * 1024, anonymousBytes: anonymous * 1024 };
}

/** Bytes that a process has read and written, from and to sockets and files: rchar and wchar of proc_pid_io(5). */
export async function transferredBytes(pid: number): Promise<{ readonly read: number; readonly written: number }> {
  const text = await readFile(`/proc/${pid}/io`, "utf8");
  const [read, written] = ["rchar", "wchar"].map((name) =>
    Number(new RegExp(`^${name}: (\\d+)$`, "m").exec(text)?.[1]),
  );
  return { read: read ?? Number.NaN, written: written ?? Number.NaN };
}

export type Ended = {
  readonly stdout: string;
  /** From exec to exit. */
  readonly ms: number;
  /** The most that was resident (VmHWM), as seen a moment before the end; 0 when it was not watched. */
  readonly peakBytes: number;
};
export type RunOptions = {
  readonly env?: NodeJS.ProcessEnv;
  /** Costs the process some time. */
  readonly watchMemory?: boolean;
};

/** Runs a command to its end; throws when that is not a good one. */
export async function runToEnd(
  [path = "", ...args]: readonly string[],
  { env = process.env, watchMemory = false }: RunOptions,
  signal: AbortSignal,
): Promise<Ended> {
  const startMs = performance.now();
  const running = promisify(execFile)(path, args, { signal, env, maxBuffer: 64 * 1024 * 1024 });
  let peakBytes = 0;
  const { pid } = running.child;
  const watch = (): void => void (peakBytes = Math.max(peakBytes, peakOf(pid)));
  const timer = watchMemory ? setInterval(watch, 2) : undefined;
  try {
    const { stdout } = await running;
    return { stdout, ms: performance.now() - startMs, peakBytes };
  } finally {
    clearInterval(timer);
  }
}

/** 0 for one that has ended, as it may at any time. */
function peakOf(pid: number | undefined): number {
  try {
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024;
  } catch (error) {
    if (errorCode(error) === "ENOENT" || errorCode(error) === "ESRCH") return 0;
    throw error;
  }
}
