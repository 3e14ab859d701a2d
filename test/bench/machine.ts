import { cpus, totalmem } from "node:os";
import { resolve } from "node:path";
import { readSuite } from "../../scripts/control-plane/versions.ts";
import { operatorVersion } from "../../src/std/version.ts";

const tools = resolve(import.meta.dirname, "../../tools");

/** What figures are worth nothing without. */
export type Machine = {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly platform: string;
  readonly node: string;
  readonly operator: string;
  readonly kubernetes: string;
  readonly kwok: string;
};

export async function describeMachine(): Promise<Machine> {
  const [kubernetes, kwok] = await Promise.all((["kubernetes", "kwok"] as const).map((name) => readSuite(tools, name)));
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    memoryBytes: totalmem(),
    platform: `${process.platform} ${process.arch}`,
    node: process.version,
    operator: operatorVersion,
    kubernetes: kubernetes?.version ?? "unknown",
    kwok: kwok?.version ?? "unknown",
  };
}

export function formatMachine(machine: Machine): string {
  const { cpu, cores, memoryBytes, platform, node, operator, kubernetes, kwok } = machine;
  const memory = `${(memoryBytes / 1e9).toFixed(0)} GB`;
  return [
    `machine: ${cpu}, ${cores} cores, ${memory}, ${platform}`,
    `versions: operator ${operator}, node ${node}, kubernetes ${kubernetes}, kwok ${kwok}`,
  ].join("\n");
}
