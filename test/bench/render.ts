import { performance } from "node:perf_hooks";
import { type RenderInput, readRenderInput, render } from "../support/build-from-yaml.ts";
import { goldenAbsent, readGoldenCases } from "../support/golden-cases.ts";

type Row = {
  readonly name: string;
  run(): Promise<{ readonly value: number; readonly unit: "ms"; readonly detail?: string }>;
};

/** Times to render one instance with everything loaded, over all reference cases that render. */
export const renderRows: readonly Row[] = [
  {
    name: "render one instance, warm, p50 over all golden cases",
    run: () => Promise.resolve(measure(goldenInputs(), { rounds: 20, warmUp: 5 })),
  },
  {
    name: "render an instance of 20 shards, warm, p50",
    run: () => Promise.resolve(measure([readRenderInput(manyShards())], { rounds: 100, warmUp: 20 })),
  },
];

function goldenInputs(): readonly RenderInput[] {
  if (goldenAbsent !== undefined) throw new Error(`Cannot measure rendering: ${goldenAbsent}`);
  return readGoldenCases().flatMap(({ instanceYaml, want }) =>
    want === undefined ? [] : [readRenderInput(instanceYaml)],
  );
}

function measure(inputs: readonly RenderInput[], { rounds, warmUp }: { rounds: number; warmUp: number }) {
  for (let round = 0; round < warmUp; round += 1) inputs.forEach(render);
  const times = Array.from({ length: rounds }, () => inputs.map(timeOf)).flat();
  const sorted = times.toSorted((left, right) => left - right);
  const p95 = quantile(sorted, 0.95).toFixed(2);
  const detail = `p95 ${p95} ms, ${inputs.length} instances, ${times.length} renderings`;
  return { value: quantile(sorted, 0.5), unit: "ms" as const, detail };
}

function timeOf(input: RenderInput): number {
  const start = performance.now();
  render(input);
  return performance.now() - start;
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
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
