/** `npm run bench [-- --only install,settle] [--runs 3] [--json] [--dist] [--profile FOLDER]`: what the operator costs, beside the Go operator. */
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { measureBuild } from "./build.ts";
import { measureDistribution } from "./distribution.ts";
import { applyOnce } from "./kubectl-apply.ts";
import { runInterruptible } from "./interruptible.ts";
import { measureKustomize } from "./kustomize.ts";
import { liveOnce, stepNames, unmeasurable, type StepName } from "./life.ts";
import { describeMachine, formatMachine } from "./machine.ts";
import { measurePoll } from "./poll.ts";
import { jsonOf, tableOf } from "./print.ts";
import { measureMirror } from "./mirror.ts";
import { measureRender } from "./render.ts";
import { resultsOf, type Outcome, type Sample } from "./row.ts";
import { measureVerify } from "./verify.ts";
import { createWorld } from "./world.ts";

const names = [
  "render",
  "build",
  "kustomize",
  "distribution",
  "poll",
  "mirror",
  "verify",
  "kubectl",
  ...stepNames,
] as const;
type Name = (typeof names)[number];

await runInterruptible(main);

async function main(signal: AbortSignal): Promise<void> {
  const options = readOptions();
  const machine = await describeMachine();
  const program = options.main === undefined ? "src/, types stripped as it starts" : "dist/";
  if (!options.json) console.log(`${formatMachine(machine)}\noperator runs from ${program}\n`);
  const outcomes = await measure(options, signal);
  const results = resultsOf(outcomes.flatMap((outcome) => (outcome.kind === "measured" ? outcome.samples : [])));
  const skipped = outcomes.flatMap((outcome) => (outcome.kind === "skipped" ? [outcome] : []));
  if (options.json) {
    console.log(JSON.stringify({ machine, program, results: results.map(jsonOf), skipped }, undefined, 2));
    return;
  }
  console.log(tableOf(results));
  for (const { rows, because } of skipped) {
    console.log(`\nnot measured: ${rows.map(({ measure }) => measure).join(", ")}: ${because}`);
  }
}

type Options = {
  readonly only: ReadonlySet<Name>;
  readonly runs: number;
  readonly json: boolean;
  readonly main?: string;
  readonly profileFolder?: string;
};

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      only: { type: "string", multiple: true },
      runs: { type: "string", default: "3" },
      json: { type: "boolean", default: false },
      dist: { type: "boolean", default: false },
      profile: { type: "string" },
    },
  });
  const runs = Number(values.runs);
  if (!Number.isInteger(runs) || runs < 1) throw new Error(`Cannot use --runs ${values.runs}: write a whole number`);
  const wanted = values.only?.flatMap((list) => list.split(",")) ?? [...names];
  return {
    only: new Set(wanted.map(readName)),
    runs,
    json: values.json,
    ...(values.dist ? { main: bundle() } : {}),
    ...(values.profile === undefined ? {} : { profileFolder: resolve(values.profile) }),
  };
}

/** What the image ships. */
function bundle(): string {
  const path = resolve(import.meta.dirname, "../../dist/operator.mjs");
  if (!existsSync(path)) throw new Error(`Cannot measure the bundle: there is no ${path}; run 'npm run build' first`);
  return path;
}

function readName(text: string): Name {
  const name = names.find((candidate) => candidate === text);
  if (name === undefined) throw new Error(`Cannot use --only ${text}: write one of ${names.join(", ")}`);
  return name;
}

async function measure(options: Options, signal: AbortSignal): Promise<readonly Outcome[]> {
  const { only } = options;
  const outcomes: Outcome[] = [];
  if (only.has("render")) outcomes.push(measureRender());
  if (only.has("build")) outcomes.push(...(await measureBuild(options.main !== undefined, signal)));
  if (only.has("kustomize")) outcomes.push(await measureKustomize(signal));
  if (only.has("distribution")) outcomes.push(...(await measureDistribution(signal)));
  if (only.has("poll")) outcomes.push(await measurePoll(signal));
  if (only.has("mirror")) outcomes.push(await measureMirror(signal));
  if (only.has("verify")) outcomes.push(await measureVerify(signal));
  const samples = await measureOnCluster(options, signal);
  return [...outcomes, { kind: "measured", samples }, ...unmeasurable()];
}

/** One cluster for all; each run has an operator of its own and leaves the cluster empty. */
async function measureOnCluster(options: Options, signal: AbortSignal): Promise<readonly Sample[]> {
  const { only, runs, main, profileFolder } = options;
  const steps = new Set<StepName>(stepNames.filter((name) => only.has(name)));
  if (steps.size === 0 && !only.has("kubectl")) return [];
  if (profileFolder !== undefined) await mkdir(profileFolder, { recursive: true });
  const life = {
    steps,
    ...(main === undefined ? {} : { main }),
    ...(profileFolder === undefined ? {} : { profileFolder }),
  };
  await using world = await createWorld(signal);
  const samples: Sample[] = [];
  for (let run = 1; run <= runs; run += 1) {
    process.stderr.write(`run ${run} of ${runs}\n`);
    if (steps.size > 0) samples.push(...(await liveOnce(world, life, signal)));
    if (only.has("kubectl")) samples.push(...(await applyOnce(world, signal)));
  }
  return samples;
}
