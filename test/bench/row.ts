/** How a figure is written: durations in milliseconds and in seconds are both given in milliseconds, memory in bytes. */
export type Unit = "ms" | "s" | "requests" | "MB";

/** One line of the table. */
export type Row = {
  readonly measure: string;
  readonly unit: Unit;
  /** What the Go operator needs for the same (on Kubernetes 1.36.3 with kwok, 2 cores); the worst where it varied. */
  readonly go?: number;
  readonly goal?: number;
  /** What the figures depend on and the table cannot say. */
  readonly note?: string;
};

/** One measurement of a row; the table shows the median of all. */
export type Sample = { readonly row: Row; readonly value: number };

/** Some rows that are measured together. */
export type Outcome =
  | { readonly kind: "measured"; readonly samples: readonly Sample[] }
  | { readonly kind: "skipped"; readonly rows: readonly Row[]; readonly because: string };

export type Result = { readonly row: Row; readonly values: readonly number[] };

/** Rows in the order in which they were measured first. */
export function resultsOf(samples: readonly Sample[]): readonly Result[] {
  const byRow = Map.groupBy(samples, ({ row }) => row);
  return [...byRow].map(([row, group]) => ({ row, values: group.map(({ value }) => value) }));
}

/** NaN of an empty list. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const lower = sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
  return (lower + upper) / 2;
}
