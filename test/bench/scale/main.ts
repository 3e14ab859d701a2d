/**
 * `npm run bench:scale [-- --shards 1,4,16,64 --migration 100,1000 --losses 1000 --watches 500 --fleet] [--dist] [--write]`: what the operator costs at
 * several sizes. Without a series it measures all, at the sizes of docs/scale.md. `--write` keeps the figures and draws the page and its pictures; `--draw` only draws.
 */
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { runInterruptible } from "../interruptible.ts";
import { describeMachine, formatMachine } from "../machine.ts";
import { readFigures, seriesNames, withFigure, writeFigures, type Figures, type SeriesName } from "./figures.ts";
import { simulateFleets } from "./fleet.ts";
import { pageOf, picturesOf } from "./page.ts";
import { losses, migration, shards, watches, type Measure } from "./subjects.ts";

const root = resolve(import.meta.dirname, "../../..");
const series: { readonly [name in SeriesName]: { readonly measure: Measure; readonly sizes: readonly number[] } } = {
  shards: { measure: shards, sizes: [1, 4, 16, 64] },
  migration: { measure: migration, sizes: [100, 1_000, 10_000] },
  losses: { measure: losses, sizes: [200, 2_000, 20_000] },
  watches: { measure: watches, sizes: [50, 500, 5_000] },
};

await runInterruptible(main);

async function main(signal: AbortSignal): Promise<void> {
  const { values } = parseArgs({
    options: {
      shards: { type: "string" },
      migration: { type: "string" },
      losses: { type: "string" },
      watches: { type: "string" },
      fleet: { type: "boolean", default: false },
      dist: { type: "boolean", default: false },
      write: { type: "boolean", default: false },
      draw: { type: "boolean", default: false },
    },
  });
  if (values.draw) return await write(await readFigures());
  const named = values.fleet || seriesNames.some((name) => values[name] !== undefined);
  const program = values.dist ? join(root, "dist/operator.mjs") : undefined;
  if (program !== undefined && !existsSync(program))
    throw new Error(`Cannot measure the bundle: there is no ${program}; run 'npm run build' first`);
  const machine = formatMachine(await describeMachine()).replaceAll("\n", "; ");
  const conditions = `${machine}; operator from ${values.dist ? "the bundle" : "src/, types stripped"}`;
  let figures = await readFigures();
  for (const name of seriesNames) {
    const text = values[name];
    const sizes = text === undefined ? (named ? [] : series[name].sizes) : text.split(",").map(readSize);
    for (const size of sizes) {
      process.stderr.write(`${name}: ${size}\n`);
      const measured = await series[name].measure(size, program, signal);
      process.stdout.write(`${JSON.stringify({ name, size, ...measured })}\n`);
      figures = withFigure(figures, name, { size, conditions, ...measured });
      if (values.write) await write(figures);
    }
  }
  if (values.fleet || !named) figures = { ...figures, fleet: await simulateFleets() };
  if (values.write) await write(figures);
}

function readSize(text: string): number {
  const size = Number(text);
  if (!Number.isInteger(size) || size < 1) throw new Error(`Cannot measure ${text}: write whole numbers`);
  return size;
}

async function write(figures: Figures): Promise<void> {
  await writeFigures(figures);
  for (const [path, svg] of picturesOf(figures)) await writeFile(join(root, path), svg);
  const page = join(root, "docs/scale.md");
  await writeFile(page, pageOf(await readFile(page, "utf8"), figures));
}
