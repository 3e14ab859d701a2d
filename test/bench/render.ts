import { readFileSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { type RenderInput, readRenderInput, render } from "../support/build-from-yaml.ts";
import { goldenAbsent, readGoldenCases } from "../support/golden-cases.ts";
import type { Outcome, Row, Sample } from "./row.ts";

const examples = resolve(import.meta.dirname, "../../examples");

const common: Row = { measure: "render one instance, warm", unit: "ms", go: 280, goal: 3 };
const overGoldens: Row = { ...common, note: "over the reference cases that render" };
const overExamples: Row = { ...common, note: `over examples/: ${goldenAbsent ?? ""}` };
const sharded: Row = { measure: "render one instance of 20 shards, warm", unit: "ms" };

/** Times to render one instance with everything loaded. */
export function measureRender(): Outcome {
  const [row, inputs] = goldenAbsent === undefined ? [overGoldens, goldenInputs()] : [overExamples, exampleInputs()];
  return {
    kind: "measured",
    samples: [
      ...time(row, inputs, { rounds: 20, warmUp: 5 }),
      ...time(sharded, [readRenderInput(manyShards())], { rounds: 100, warmUp: 20 }),
    ],
  };
}

function goldenInputs(): readonly RenderInput[] {
  return readGoldenCases().flatMap(({ instanceYaml, want }) =>
    want === undefined ? [] : [readRenderInput(instanceYaml)],
  );
}

function exampleInputs(): readonly RenderInput[] {
  const files = readdirSync(examples).filter((name) => name.startsWith("flux-instance"));
  return files.map((name) => readRenderInput(readFileSync(join(examples, name), "utf8")));
}

function time(
  row: Row,
  inputs: readonly RenderInput[],
  { rounds, warmUp }: { rounds: number; warmUp: number },
): readonly Sample[] {
  for (let round = 0; round < warmUp; round += 1) inputs.forEach(render);
  return Array.from({ length: rounds }, () => inputs.map((input) => ({ row, value: timeOf(input) }))).flat();
}

function timeOf(input: RenderInput): number {
  const startMs = performance.now();
  render(input);
  return performance.now() - startMs;
}

function manyShards(): string {
  return JSON.stringify({
    apiVersion: "fluxcd.controlplane.io/v1",
    kind: "FluxInstance",
    metadata: { name: "flux", namespace: "flux-system" },
    spec: {
      distribution: { version: "2.9.x", registry: "ghcr.io/fluxcd" },
      sharding: { shards: Array.from({ length: 20 }, (_, index) => `shard${index}`) },
    },
  });
}
