import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fitLine, plotSvg } from "./bench/plot.ts";
import { readFigures } from "./bench/scale/figures.ts";
import { simulateOneMoment } from "./bench/scale/fleet.ts";
import { pageOf, picturesOf } from "./bench/scale/page.ts";
import { growthOf } from "./support/vitals.ts";

const root = join(import.meta.dirname, "..");

function read(path: string): string {
  return readFileSync(join(root, path), "utf8");
}

test("docs/scale.md and its pictures are what the figures say", async () => {
  const figures = await readFigures();
  const page = read("docs/scale.md");
  assert.equal(page, pageOf(page, figures), "run npm run bench:scale -- --draw");
  for (const [path, svg] of picturesOf(figures)) assert.equal(read(path), svg, path);
});

test("a fleet to which a registry names one moment comes back over the minute after it, not in one second", async () => {
  const { before, away, after, allAfterMs } = await simulateOneMoment({ operators: 40, seed: 3 });
  assert.ok(before.worst <= 4, `${before.worst} in one second before`);
  assert.ok(away.mean < before.mean, "it is left alone until then");
  assert.ok(after.worst <= 6, `${after.worst} in one second after`);
  assert.ok(allAfterMs <= 61_000, `${allAfterMs} ms until all have looked`);
});

const rising = Array.from({ length: 30 }, (_, index) => 100 + index);
for (const { name, values, want } of [
  { name: "a flat course", values: rising.map(() => 100), want: undefined },
  { name: "one that has grown and stopped", values: rising.map((value) => Math.min(value, 110)), want: undefined },
  { name: "one with a burst at its end", values: [...rising.map(() => 100), 900, 900], want: undefined },
  { name: "one that grows", values: rising, want: "from 114.5 to 124.5" },
  { name: "too few looks", values: [1, 1, 1], want: "3 looks are too few" },
])
  test(`growthOf() of ${name} is ${want}`, () => assert.equal(growthOf(values, { share: 0.02, plus: 5 }), want));

test("fitLine() finds the line on which points lie", () => {
  const { at0, slope, explained } = fitLine([1, 2, 4].map((x) => ({ x, y: 10 + 3 * x })));
  assert.deepEqual(
    [at0, slope, explained].map((value) => value.toFixed(9)),
    ["10.000000000", "3.000000000", "1.000000000"],
  );
});

test("plotSvg() draws a course as a line, and points with a fit as dots on one", () => {
  const points = [
    { x: 0, y: 0 },
    { x: 8, y: 40 },
  ];
  const svg = plotSvg("a < b", [
    { title: "course", x: "minutes", points },
    { title: "fit", x: "shards", points, fit: { at0: 0, slope: 5 } },
  ]);
  assert.match(svg, /<title id="title">a &lt; b<\/title>/);
  assert.deepEqual(svg.match(/<(polyline points|circle)[^>]*?(?= fill=)/g), [
    '<polyline points="60.0,180.0 284.0,36.0"',
    '<polyline points="60.0,180.0 284.0,36.0"',
    '<circle cx="60.0" cy="180.0" r="4"',
    '<circle cx="284.0" cy="36.0" r="4"',
  ]);
});
