import { readdir, readFile, readlink } from "node:fs/promises";
import { memoryOf, type Memory } from "../bench/process.ts";
import { median } from "../bench/row.ts";
import { fieldsOf } from "../../src/kube/fields.ts";
import { systemClock } from "../../src/std/clock.ts";

/** What a process has and holds open at one moment. */
export type Vitals = Memory & {
  /** Since the first. */
  readonly atMs: number;
  readonly descriptors: number;
  readonly sockets: number;
  /** Timers that Node counts as active. */
  readonly timers: number;
  /** Of the AbortSignal that has the most. */
  readonly listeners: number;
};

/** `pid` runs test/support/vitals-main.ts, and `file` is its VITALS_FILE. */
export type VitalsOf = { readonly pid: number; readonly file: string; readonly everyMs: number };

/** Looks every `everyMs` until `stop`, which resolves to what was seen. Rejects where the process has ended. */
export function recordVitals(of: VitalsOf): { stop(): Promise<readonly Vitals[]> } {
  const over = new AbortController();
  const seen: Vitals[] = [];
  const startMs = performance.now();
  const look = async (): Promise<void> => {
    while (!over.signal.aborted) {
      seen.push({ atMs: performance.now() - startMs, ...(await readVitals(of)) });
      await systemClock.sleep(of.everyMs, over.signal).catch(() => undefined);
    }
  };
  const looking = look();
  looking.catch(() => undefined);
  return {
    stop: async () => {
      over.abort();
      await looking;
      return seen;
    },
  };
}

async function readVitals({ pid, file }: VitalsOf): Promise<Omit<Vitals, "atMs">> {
  const links = await linksOf(`/proc/${pid}/fd`);
  const { timers, listeners } = fieldsOf(JSON.parse(await readFile(file, "utf8")));
  return {
    ...(await memoryOf(pid)),
    descriptors: links.length,
    sockets: links.filter((link) => link.startsWith("socket:")).length,
    timers: Number(timers),
    listeners: Number(listeners),
  };
}

/** Without those that are closed while they are read. */
async function linksOf(folder: string): Promise<readonly string[]> {
  const links = await Promise.all(
    (await readdir(folder)).map((name) => readlink(`${folder}/${name}`).catch(() => undefined)),
  );
  return links.filter((link) => link !== undefined);
}

/** What a measure may grow by from the middle third to the last third of a run before that counts as growth. */
export type Bound = { readonly share: number; readonly plus: number };

/**
 * Whether a course is flat: the median of its last third is at most that of its middle third, `share` of that and `plus`. The first third is
 * left out, since a process that has just begun still grows; medians, since one look may meet a burst. Undefined for a flat one, else what grew.
 */
export function growthOf(values: readonly number[], { share, plus }: Bound): string | undefined {
  const third = Math.floor(values.length / 3);
  if (third < 3) return `${values.length} looks are too few`;
  const [middle, last] = [median(values.slice(third, 2 * third)), median(values.slice(2 * third))];
  return last <= middle * (1 + share) + plus ? undefined : `from ${middle} to ${last}`;
}
