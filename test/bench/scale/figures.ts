import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { FleetRow } from "./fleet.ts";
import type { Measured } from "./subjects.ts";

/** What is measured at several sizes. */
export const seriesNames = ["shards", "migration", "losses", "watches"] as const;
export type SeriesName = (typeof seriesNames)[number];

/** Measured at one size; `conditions` are the machine, the versions and the program. */
export type Figure = Measured & { readonly size: number; readonly conditions: string };

/** All that docs/scale.md shows. */
export type Figures = {
  readonly series: { readonly [name in SeriesName]: readonly Figure[] };
  readonly fleet: readonly FleetRow[];
};

const path = join(import.meta.dirname, "figures.json");

export async function readFigures(): Promise<Figures> {
  return JSON.parse(await readFile(path, "utf8"));
}

export async function writeFigures(figures: Figures): Promise<void> {
  await writeFile(path, `${JSON.stringify(figures, undefined, 2)}\n`);
}

/** With `figure` in place of that of the same size, if there is one; by size. */
export function withFigure(figures: Figures, name: SeriesName, figure: Figure): Figures {
  const others = figures.series[name].filter(({ size }) => size !== figure.size);
  const series = [...others, figure].toSorted((left, right) => left.size - right.size);
  return { ...figures, series: { ...figures.series, [name]: series } };
}
