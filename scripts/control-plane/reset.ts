import type { Rest } from "./rest.ts";
export type Baseline = ReadonlySet<string>;
export async function takeBaseline(_rest: Rest): Promise<Baseline> {
  return new Set();
}
export async function resetCluster(_rest: Rest, _o: unknown): Promise<void> {}
