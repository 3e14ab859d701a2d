import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readChartValues, type ChartValue } from "../../scripts/charts/chart-values.ts";
import { charts } from "../../scripts/charts/charts.ts";
import { fieldsOf, textOf } from "../../src/kube/fields.ts";
import type { JsonObject, JsonValue } from "../../src/kube/object.ts";
import { goChartValues, type GoChartValue } from "../support/go-chart-values.ts";
import { chartFolder, renderChart, rendered, type ChartName, type Rendered } from "../support/helm.ts";

const names = Object.keys(goChartValues) as readonly ChartName[];

/** A default, by the path of the value; undefined where the chart has none. */
function defaultOf(values: readonly ChartValue[], path: string): JsonValue | undefined {
  const found = values.find((value) => path === value.path || path.startsWith(`${value.path}.`));
  if (found === undefined) return undefined;
  if (found.members !== undefined && path !== found.path) return defaultOf(found.members, path);
  const rest = path.slice(found.path.length + 1);
  return (rest === "" ? [] : rest.split(".")).reduce<JsonValue | undefined>(
    (value, key) => fieldsOf(value)[key],
    found.default,
  );
}

const valuesOf = (chart: ChartName) => readChartValues(readFileSync(join(chartFolder(chart), "values.yaml"), "utf8"));

type Sets = { readonly base: JsonObject; readonly changed: JsonObject };

/** A key of `--set-json` may stand once only, and the sample counts. */
function setsOf({ value, sample, with: others = {} }: GoChartValue): Sets {
  const base = Object.fromEntries(Object.entries(others).filter(([path]) => path !== value));
  return { base, changed: { ...base, [value]: sample } };
}

/** Many rows change the same values. */
const known = new Map<string, Promise<Rendered>>();

async function baseOf(chart: ChartName, base: JsonObject): Promise<Rendered> {
  const key = `${chart} ${JSON.stringify(base)}`;
  const rendering = known.get(key) ?? rendered(chart, base);
  known.set(key, rendering);
  return await rendering;
}

const withoutNotes = ({ objects, hooks }: Rendered) => ({ objects, hooks });
const warningOf = (value: string) => new RegExp(`^Warning: ${value.replaceAll(".", "\\.")} has no effect: `, "m");

const judges: { readonly [is in GoChartValue["is"]]: (chart: ChartName, row: GoChartValue) => Promise<void> } = {
  same: async (chart, row) => {
    const { base, changed } = setsOf(row);
    const [before, after] = [await baseOf(chart, base), await rendered(chart, changed)];
    assert.notDeepEqual(withoutNotes(after), withoutNotes(before));
    assert.doesNotMatch(after.notes, /Warning/);
  },
  ignored: async (chart, row) => {
    const { base, changed } = setsOf(row);
    const [before, after] = [await baseOf(chart, base), await rendered(chart, changed)];
    assert.deepEqual(withoutNotes(after), withoutNotes(before));
    const warning = warningOf(row.value);
    if (row.untold === true) assert.doesNotMatch(after.notes, warning);
    else assert.match(after.notes, warning);
  },
  refused: async (chart, row) => {
    const answer = await renderChart(chart, setsOf(row).changed);
    assert.ok("refusal" in answer, "the chart refuses it");
    const why = charts.find(({ name }) => name === chart)?.foreign.find(({ value }) => value === row.value)?.why;
    assert.ok(answer.refusal.includes(`${row.value}: ${why}`), answer.refusal);
  },
};

for (const chart of names) {
  const defaults = valuesOf(chart);
  for (const row of goChartValues[chart]) {
    const { value, is } = row;
    test(`${chart}: ${value} of the Go operator's chart is ${is}`, async () => await judges[is](chart, row));
    if (is !== "ignored" && value !== "web.serverOnly")
      test(`${chart}: ${value} has the default of the Go operator's chart, or one that is declared`, () =>
        assert.deepEqual(defaultOf(defaults, value), row.ours ?? row.default));
  }

  test(`${chart}: a default is declared in the README if and only if it is another one`, () => {
    const declared = charts.find(({ name }) => name === chart)?.otherDefaults ?? [];
    const other = goChartValues[chart].filter(({ ours }) => ours !== undefined);
    assert.deepEqual(
      declared.map(({ value, go }) => `${value}: ${go}`).toSorted(),
      other.map((row) => `${row.value}: ${textOf(row.default)}`).toSorted(),
    );
  });

  test(`${chart}: what is ignored or refused is in the Go operator's chart`, () => {
    const declared = charts.find(({ name }) => name === chart)?.foreign ?? [];
    const judged = goChartValues[chart].filter(({ is }) => is !== "same");
    assert.deepEqual(
      declared.map(({ value, effect }) => `${value} is ${effect}`).toSorted(),
      judged.map(({ value, is }) => `${value} is ${is}`).toSorted(),
    );
  });

  test(`${chart}: the defaults of the Go operator's chart are taken without a warning, where they ask for nothing`, async () => {
    const untold = goChartValues[chart].filter(({ value, is }) => is === "ignored" && value !== "web.enabled");
    const { notes } = await rendered(chart, Object.fromEntries(untold.map((row) => [row.value, row.default])));
    assert.doesNotMatch(notes, /Warning/);
  });
}

test("flux-operator: web.enabled false, which asks for nothing, is taken without a warning", async () => {
  assert.doesNotMatch((await rendered("flux-operator", { "web.enabled": false })).notes, /Warning/);
});

test("flux-operator: every ignored value is named in the notes, when several are set", async () => {
  const { notes } = await rendered("flux-operator", { "web.enabled": true, "reporting.interval": "10m" });
  assert.deepEqual(
    notes.split("\n").filter((line) => line.startsWith("Warning")),
    [
      "Warning: web.enabled has no effect: there is no web interface.",
      "Warning: reporting.interval has no effect: there is no FluxReport.",
    ],
  );
});
