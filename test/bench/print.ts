import { median, quantile, type Result, type Row, type Unit } from "./row.ts";

const header = ["measure", "Go operator", "goal", "here", "ratio", "of"];

/** The table for people; rows that were not measured are below it, with the reason. */
export function tableOf(results: readonly Result[]): string {
  const lines = results.map(({ row, values }) => {
    const here = median(values);
    return [
      row.measure,
      show(row.go, row.unit),
      goalOf(row),
      show(here, row.unit),
      ratioOf(row, here),
      spreadOf(row, values),
    ];
  });
  const notes = results.flatMap(({ row }) => (row.note === undefined ? [] : [`${row.measure}: ${row.note}`]));
  return [...align([header, ...lines]), ...(notes.length === 0 ? [] : ["", ...notes])].join("\n");
}

export type JsonResult = Row & {
  readonly values: readonly number[];
  readonly here: number;
  /** How many times less than the Go operator. */
  readonly ratio?: number;
};

export function jsonOf({ row, values }: Result): JsonResult {
  const here = median(values);
  return { ...row, values, here, ...(row.go === undefined ? {} : { ratio: row.go / here }) };
}

/** What the median is of; of many values the rarest are left out. */
function spreadOf({ unit }: Row, values: readonly number[]): string {
  const few = values.length <= 20;
  const [low, high] = few ? [0, 1] : [0.05, 0.95];
  const range = `${show(quantile(values, low), unit)} to ${show(quantile(values, high), unit)}`;
  return values.length === 1 ? "1" : `${values.length}: ${range}${few ? "" : " (p5 to p95)"}`;
}

function goalOf({ goal, unit }: Row): string {
  return goal === undefined ? "-" : `<= ${show(goal, unit)}`;
}

function ratioOf({ go }: Row, here: number): string {
  if (go === undefined) return "-";
  const ratio = go / here;
  return `${ratio >= 10 ? ratio.toFixed(0) : ratio.toFixed(1)}x`;
}

function show(value: number | undefined, unit: Unit): string {
  return value === undefined ? "-" : formats[unit](value);
}

const formats = {
  ms: (ms) => (ms >= 3_600_000 ? `${ms / 3_600_000} h` : `${ms.toFixed(ms < 10 ? 2 : 0)} ms`),
  s: (ms) => `${(ms / 1000).toFixed(2)} s`,
  requests: (count) => `${Math.round(count * 10) / 10}`,
  MB: (bytes) => `${(bytes / 1_000_000).toFixed(0)} MB`,
} satisfies { readonly [unit in Unit]: (value: number) => string };

function align(lines: readonly (readonly string[])[]): readonly string[] {
  const widths = header.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? "").length)));
  const padded = lines.map((line) =>
    line
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
  return [padded[0] ?? "", widths.map((width) => "-".repeat(width)).join("  "), ...padded.slice(1)];
}
