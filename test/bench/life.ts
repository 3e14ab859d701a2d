import { startOperator } from "../../scripts/quickstart/operator-process.ts";
import { drift } from "./drift.ts";
import { install } from "./install.ts";
import { idleMemory, installedMemory } from "./memory.ts";
import { procAbsent } from "./process.ts";
import type { Sample } from "./row.ts";
import { settle } from "./settle.ts";
import { uninstall } from "./uninstall.ts";
import { upgrade } from "./upgrade.ts";
import type { World } from "./world.ts";

/** An operator on a cluster that has nothing of Flux yet. */
export type Life = { readonly world: World; readonly pid: number };

export type Step = (life: Life, signal: AbortSignal) => Promise<readonly Sample[]>;

/** In the order of a life; `needs` names what must have happened before. */
const steps = {
  idle: { run: idleMemory, needs: [], reads: "/proc" },
  install: { run: install, needs: [] },
  settle: { run: settle, needs: ["install"], reads: "/proc" },
  drift: { run: drift, needs: ["install"] },
  upgrade: { run: upgrade, needs: ["install"] },
  memory: { run: installedMemory, needs: ["install", "upgrade"], reads: "/proc" },
  uninstall: { run: uninstall, needs: ["install"] },
} satisfies { readonly [name: string]: { run: Step; needs: readonly string[]; reads?: "/proc" } };

export type StepName = keyof typeof steps;

export const stepNames = Object.keys(steps).filter((name): name is StepName => name in steps);

export type LifeOptions = {
  readonly steps: ReadonlySet<StepName>;
  /** Where the operator writes its CPU profile. */
  readonly profileFolder?: string;
};

/** Starts an operator, goes through the wanted steps and those that they need, and leaves the cluster empty. */
export async function liveOnce(world: World, options: LifeOptions, signal: AbortSignal): Promise<readonly Sample[]> {
  const samples: Sample[] = [];
  const needed = new Set(stepNames.filter((name) => options.steps.has(name)).flatMap((name) => steps[name].needs));
  {
    await using operator = startOperator({
      kubeconfigPath: world.plane.kubeconfigPath,
      folder: world.plane.folder,
      env: profiling(options.profileFolder),
    });
    const { pid } = operator.process;
    if (pid === undefined) throw new Error("Cannot start the operator");
    for (const name of stepNames) {
      const step: { run: Step; reads?: "/proc" } = steps[name];
      if (!options.steps.has(name) && !needed.has(name)) continue;
      if (step.reads === "/proc" && procAbsent !== undefined) continue;
      const measured = await step.run({ world, pid }, signal);
      if (options.steps.has(name)) samples.push(...measured);
    }
  }
  await world.renew(signal);
  return samples;
}

function profiling(folder: string | undefined): { readonly [name: string]: string } {
  return folder === undefined ? {} : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${folder}` };
}
