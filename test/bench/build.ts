import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import type { Outcome, Row, Sample } from "./row.ts";

const root = resolve(import.meta.dirname, "../..");
const common = { unit: "ms", go: 300, goal: 250 } as const;
const first: Row = { ...common, measure: "cold `build instance` process, first on a machine" };
const later: Row = {
  ...common,
  measure: "cold `build instance` process",
  note: "Node's compile cache is filled by the first; the Go operator pulls the artifact on top, ours needs no network",
};
const times = 10;

/** Whole processes, from exec to exit, with a compile cache of their own. */
export async function measureBuild(dist: boolean, signal: AbortSignal): Promise<Outcome> {
  const program = dist ? "dist/flux-operator.mjs" : "src/cli/main.ts";
  if (!existsSync(join(root, program)))
    return { kind: "skipped", rows: [first, later], because: `there is no ${program}` };
  const cache = await mkdtemp(join(tmpdir(), "flux-operator-bench-"));
  const command = dist ? [process.execPath, join(root, program)] : [join(root, "bin", "flux-operator")];
  const build = async (): Promise<number> => {
    const startMs = performance.now();
    await buildOnce(command, { ...process.env, NODE_COMPILE_CACHE: cache }, signal);
    return performance.now() - startMs;
  };
  try {
    const samples: Sample[] = [{ row: first, value: await build() }];
    for (let time = 0; time < times; time += 1) samples.push({ row: later, value: await build() });
    return { kind: "measured", samples };
  } finally {
    await rm(cache, { recursive: true, force: true });
  }
}

async function buildOnce(command: readonly string[], env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<void> {
  const [path = "", ...program] = command;
  const args = [...program, "build", "instance", "-f", join(root, "examples", "flux-instance.yaml")];
  await promisify(execFile)(path, args, { signal, env, maxBuffer: 64 * 1024 * 1024 });
}
