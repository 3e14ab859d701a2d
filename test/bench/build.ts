import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { procAbsent, runToEnd, type Ended } from "./process.ts";
import type { Outcome, Row, Sample } from "./row.ts";

const root = resolve(import.meta.dirname, "../..");
const common = { unit: "ms", go: 300, goal: 250 } as const;
const first: Row = { ...common, measure: "cold `build instance` process, first on a machine" };
const later: Row = {
  ...common,
  measure: "cold `build instance` process",
  note: "Node's compile cache is filled by the first; the Go operator pulls the artifact on top, ours needs no network",
};
const memory: Row = { measure: "resident memory, `build instance` process", unit: "MB", note: "its peak" };
const times = 10;
const memoryTimes = 3;

/** Whole processes, from exec to exit, with a compile cache of their own. */
export async function measureBuild(dist: boolean, signal: AbortSignal): Promise<readonly Outcome[]> {
  const program = dist ? "dist/flux-operator.mjs" : "src/cli/main.ts";
  if (!existsSync(join(root, program)))
    return [{ kind: "skipped", rows: [first, later, memory], because: `there is no ${program}` }];
  const cache = await mkdtemp(join(tmpdir(), "flux-operator-bench-"));
  const command = dist ? [process.execPath, join(root, program)] : [join(root, "bin", "flux-operator")];
  const args = [...command, "build", "instance", "-f", join(root, "examples", "flux-instance.yaml")];
  const env = { ...process.env, NODE_COMPILE_CACHE: cache };
  const build = async (watchMemory: boolean): Promise<Ended> => await runToEnd(args, { env, watchMemory }, signal);
  try {
    const samples: Sample[] = [{ row: first, value: (await build(false)).ms }];
    for (let time = 0; time < times; time += 1) samples.push({ row: later, value: (await build(false)).ms });
    return [{ kind: "measured", samples }, await measureMemory(build)];
  } finally {
    await rm(cache, { recursive: true, force: true });
  }
}

async function measureMemory(build: (watchMemory: boolean) => Promise<Ended>): Promise<Outcome> {
  if (procAbsent !== undefined) return { kind: "skipped", rows: [memory], because: procAbsent };
  const samples: Sample[] = [];
  for (let time = 0; time < memoryTimes; time += 1) {
    samples.push({ row: memory, value: (await build(true)).peakBytes });
  }
  return { kind: "measured", samples };
}
