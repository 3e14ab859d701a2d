import { randomBytes } from "node:crypto";
import { link, readFile, rename, rm, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

export type LockOptions = {
  /** Called once when another process has the lock, with its process id. */
  readonly onWait: (owner: number) => void;
  readonly signal?: AbortSignal;
};

const pollMs = 200;

/**
 * Runs `work` while this process has the lock file at `path`. A lock whose owner no longer runs is taken over.
 * The lock saves work, it does not keep data safe: files appear in the cache by rename only.
 */
export async function withLock<T>(path: string, options: LockOptions, work: () => Promise<T>): Promise<T> {
  await take(path, options);
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

async function take(path: string, { onWait, signal }: LockOptions): Promise<void> {
  const mine = await ownerLine(process.pid);
  let told = false;
  while (!(await create(path, mine))) {
    const theirs = await readIfThere(path);
    if (theirs === undefined) continue;
    if (await isStale(theirs)) {
      await pruneStale(path, theirs);
      continue;
    }
    if (!told) onWait(Number(theirs.split(" ")[0]));
    told = true;
    await sleep(pollMs, undefined, signal === undefined ? {} : { signal });
  }
}

/** Whole or not at all: written beside, then linked, which fails if somebody has it. */
async function create(path: string, text: string): Promise<boolean> {
  const draft = `${path}.${randomBytes(6).toString("hex")}`;
  await writeFile(draft, text);
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if (hasCode(error, "EEXIST")) return false;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

/** Moves the lock away first, so that of two who find it stale only one removes it; one that was new after all is put back. */
async function pruneStale(path: string, stale: string): Promise<void> {
  const aside = `${path}.${randomBytes(6).toString("hex")}`;
  try {
    await rename(path, aside);
  } catch (error) {
    if (hasCode(error, "ENOENT")) return;
    throw error;
  }
  if ((await readIfThere(aside)) !== stale) await link(aside, path).catch(ignoreExisting);
  await rm(aside, { force: true });
}

/** `<pid> <start time>`: a process id may be given to somebody else, its start time tells them apart (Linux only). */
async function ownerLine(pid: number): Promise<string> {
  return `${pid} ${(await statOf(pid))?.[19] ?? "-"}`;
}

async function isStale(owner: string): Promise<boolean> {
  const pid = Number(owner.split(" ")[0]);
  return !Number.isInteger(pid) || pid <= 0 || !(await isAlive(pid)) || (await ownerLine(pid)) !== owner;
}

/** Whether a process with that id runs, ours or not. One that has ended but is not yet reaped (in a container, for long) does not. */
export async function isAlive(pid: number): Promise<boolean> {
  const state = (await statOf(pid))?.[0];
  if (state !== undefined) return state !== "Z" && state !== "X";
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !hasCode(error, "ESRCH");
  }
}

/** Fields of /proc/<pid>/stat from the state on (proc(5)); undefined without such a process, and elsewhere than on Linux. */
async function statOf(pid: number): Promise<readonly string[] | undefined> {
  const stat = await readIfThere(`/proc/${pid}/stat`);
  return stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    // ESRCH: a process that ended while its entry was read.
    if (hasCode(error, "ENOENT") || hasCode(error, "ESRCH")) return undefined;
    throw error;
  }
}

function ignoreExisting(error: unknown): void {
  if (!hasCode(error, "EEXIST")) throw error;
}

export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
