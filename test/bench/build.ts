import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import type { Outcome, Row, Sample } from "./row.ts";

const root = resolve(import.meta.dirname, "../..");
const row: Row = {
  measure: "cold `build instance` process",
  unit: "ms",
  go: 300,
  goal: 250,
  note: "the Go operator's needs the artifact pulled on top; ours needs no network",
};
const times = 10;

/** Whole processes, from exec to exit. */
export async function measureBuild(signal: AbortSignal): Promise<Outcome> {
  const cli = "src/cli/main.ts";
  if (!existsSync(join(root, cli))) return { kind: "skipped", rows: [row], because: `there is no ${cli} yet` };
  const samples: Sample[] = [];
  for (let time = 0; time < times; time += 1) {
    const startMs = performance.now();
    const args = ["build", "instance", "-f", join(root, "examples", "flux-instance.yaml")];
    await promisify(execFile)(join(root, "bin", "flux-operator"), args, { signal, maxBuffer: 64 * 1024 * 1024 });
    samples.push({ row, value: performance.now() - startMs });
  }
  return { kind: "measured", samples };
}
