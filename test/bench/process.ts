import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";

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
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  if (kibibytes === undefined) throw new Error(`Cannot read the memory of process ${pid}: it has ended`);
  return Number(kibibytes) * 1024;
}
