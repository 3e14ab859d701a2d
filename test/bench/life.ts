import { startOperator } from "../../scripts/quickstart/operator-process.ts";
import { drift } from "./drift.ts";
import { install } from "./install.ts";
import { idleMemory, installedMemory, memoryRows } from "./memory.ts";
import { procAbsent } from "./process.ts";
import type { Outcome, Sample } from "./row.ts";
import { cpuRow, settle } from "./settle.ts";
import { uninstall } from "./uninstall.ts";
import { upgrade } from "./upgrade.ts";
import type { World } from "./world.ts";

/** An operator on a cluster that has nothing of Flux yet. */
export type Life = { readonly world: World; readonly pid: number };

export type Step = (life: Life, signal: AbortSignal) => Promise<readonly Sample[]>;

/** In the order of a life; `needs` names what must have happened before. */
const steps = {
  idle: { run: idleMemory, needs: [] },
  install: { run: install, needs: [] },
  settle: { run: settle, needs: ["install"] },
  drift: { run: drift, needs: ["install"] },
  upgrade: { run: upgrade, needs: ["install"] },
  memory: { run: installedMemory, needs: ["install", "upgrade"] },
  uninstall: { run: uninstall, needs: ["install"] },
} satisfies { readonly [name: string]: { run: Step; needs: readonly string[] } };

export type StepName = keyof typeof steps;

export const stepNames = Object.keys(steps).filter((name): name is StepName => name in steps);

export type LifeOptions = {
  readonly steps: ReadonlySet<StepName>;
  /** The operator's program, where it is not src/operator/main.ts. */
  readonly main?: string;
  /** Where the operator writes its CPU profile. */
  readonly profileFolder?: string;
};

/** Starts an operator, goes through the wanted steps and those that they need, and leaves the cluster empty. */
export async function liveOnce(world: World, options: LifeOptions, signal: AbortSignal): Promise<readonly Sample[]> {
  const samples = await live(world, options, signal);
  await world.renew(signal);
  return samples;
}

async function live(world: World, options: LifeOptions, signal: AbortSignal): Promise<readonly Sample[]> {
  const { kubeconfigPath, folder } = world.plane;
  await using operator = startOperator({
    kubeconfigPath,
    folder,
    env: profiling(options.profileFolder),
    ...(options.main === undefined ? {} : { main: options.main }),
  });
  const { pid } = operator.process;
  if (pid === undefined) throw new Error("Cannot start the operator");
  const samples: Sample[] = [];
  try {
    for (const name of plannedSteps(options.steps)) {
      const measured = await steps[name].run({ world, pid }, signal);
      if (options.steps.has(name)) samples.push(...measured);
    }
  } catch (error) {
    process.stderr.write(`The end of the operator's log:\n${operator.log().slice(-10).join("\n")}\n`);
    throw error;
  }
  return samples;
}

/** What a life leaves out on this machine. */
export function unmeasurable(): readonly Outcome[] {
  if (procAbsent === undefined) return [];
  return [{ kind: "skipped", rows: [...memoryRows, cpuRow], because: procAbsent }];
}

function plannedSteps(wanted: ReadonlySet<StepName>): readonly StepName[] {
  const needed = new Set<string>(stepNames.filter((name) => wanted.has(name)).flatMap((name) => steps[name].needs));
  return stepNames.filter((name) => wanted.has(name) || needed.has(name));
}

function profiling(folder: string | undefined): { readonly [name: string]: string } {
  return folder === undefined ? {} : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${folder}` };
}
