import { cp, mkdir, open, readFile, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { hasEnded, killChild, logTail, startChild, type Child } from "../../../scripts/control-plane/processes.ts";
import { systemClock } from "../../../src/std/clock.ts";
import type { ControlPlane } from "../control-plane.ts";
import { dataOf, etcds, put, replaceData } from "./etcds.ts";
import type { PlaneFault } from "./plane-faults.ts";
import { endPrograms, startProgram, untilServed, type CommandLine } from "./programs.ts";

/** Room besides what they hold, for the logs that they lay out in advance. */
const spareBytes = 3 * 2 ** 27;
/** How soon a kubelet starts a program again that has ended. */
const restartMs = 1_000;

/** The disk under all three etcds is full, so that they end, and end again when they are started, until they have a bigger one. As root only: a disk is mounted. */
export const fillDisk: PlaneFault = async ({ plane }) => {
  const commands = await endPrograms(plane, etcds);
  const sizes = await Promise.all(etcds.map((name) => bytesIn(dataOf(plane, name))));
  const disk = await startDisk(
    plane,
    sizes.reduce((all, one) => all + one, spareBytes),
  );
  for (const name of etcds) await cp(dataOf(plane, name), join(disk.path, name), { recursive: true });
  const onDisk = new Map(etcds.map((name, at) => [name, inDisk(disk, plane, commands[at] ?? [], name)]));
  const children = new Map([...onDisk].map(([name, command]) => [name, startProgram(plane, command)]));
  await untilServed(plane.rest);
  await fill(join(disk.path, "ballast"));
  await untilMostHaveEnded(plane, children);
  const over = new AbortController();
  const restarts = startAgain(plane, { children, onDisk }, over.signal);
  return async () => {
    over.abort();
    await restarts;
    for (const [name, child] of children) {
      await killChild(child);
      await replaceData(plane, name, join(disk.path, name));
    }
    await killChild(disk.holder);
    for (const command of commands) startProgram(plane, command);
    await untilServed(plane.rest);
  };
};

const diskName = "disk";

/** A disk in memory that none but its holder sees, and who enters its mounts: it is gone with them, however this process ends. */
type Disk = { readonly holder: Child; readonly path: string };

async function startDisk({ folder }: ControlPlane, bytes: number): Promise<Disk> {
  await mkdir(join(folder, diskName), { recursive: true });
  const mount = `mount -t tmpfs -o size=${bytes} tmpfs ${diskName} && exec sleep infinity`;
  const holder = startChild(folder, { name: diskName, path: "unshare", args: ["--mount", "sh", "-c", mount] });
  const path = join(folder, diskName);
  const deadline = AbortSignal.timeout(10_000);
  while (!(await mountsOf(holder)).includes(` ${path} `)) {
    if (hasEnded(holder.process))
      throw new Error(`Cannot mount a disk, which only root may: ${await logTail(holder.logPath, 3)}`);
    await systemClock.sleep(20, deadline);
  }
  return { holder, path: join(`/proc/${holder.process.pid}/root`, path) };
}

async function mountsOf({ process: { pid } }: Child): Promise<string> {
  return await readFile(`/proc/${pid}/mountinfo`, "utf8").catch(() => "");
}

async function bytesIn(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const sizes = await Promise.all(files.map(async (file) => (await stat(join(file.parentPath, file.name))).size));
  return sizes.reduce((all, one) => all + one, 0);
}

/** What starts that etcd with its data on the disk. */
function inDisk({ holder }: Disk, { folder }: ControlPlane, command: CommandLine, name: string): CommandLine {
  const enter = ["nsenter", `--mount=/proc/${holder.process.pid}/ns/mnt`, "sh", "-c", 'cd "$0" && exec "$@"', folder];
  return [...enter, ...command, `--data-dir=${join(diskName, name)}`];
}

/** Takes all the room that is left, to the last page. */
async function fill(path: string): Promise<void> {
  await using file = await open(path, "w");
  for (const bytes of [2 ** 20, 2 ** 12]) for (const block = Buffer.alloc(bytes); await hasRoom(file.write(block)););
}

async function hasRoom(write: Promise<unknown>): Promise<boolean> {
  try {
    await write;
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOSPC") return false;
    throw error;
  }
}

type Etcd = (typeof etcds)[number];
type Children = ReadonlyMap<Etcd, Child>;

/** Writes until two of the three have met the end of their disk. */
async function untilMostHaveEnded(plane: ControlPlane, children: Children): Promise<void> {
  const deadline = AbortSignal.timeout(60_000);
  for (let left = namesOf(children); left.length > 1; left = namesOf(children)) {
    // Who ends does not answer.
    await Promise.all(left.map((name) => put(plane, name, "x".repeat(2 ** 18)).catch(() => false)));
    await systemClock.sleep(20, deadline);
  }
}

/** Starts those that have ended, as a kubelet does, until the signal is aborted. */
async function startAgain(
  plane: ControlPlane,
  { children, onDisk }: { readonly children: Map<Etcd, Child>; readonly onDisk: ReadonlyMap<Etcd, CommandLine> },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    for (const [name, command] of onDisk)
      if (!namesOf(children).includes(name)) children.set(name, startProgram(plane, command));
    await systemClock.sleep(restartMs, signal).catch(() => undefined);
  }
}

/** Of those that run. */
function namesOf(children: Children): readonly Etcd[] {
  return [...children].filter(([, { process }]) => !hasEnded(process)).map(([name]) => name);
}
