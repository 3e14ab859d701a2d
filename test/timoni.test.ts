import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readChartValues, type ChartValue } from "../scripts/charts/chart-values.ts";
import { cueFile, cueLabel, cueValue } from "../scripts/timoni/cue.ts";
import { kubernetesCue } from "../scripts/timoni/kubernetes.ts";
import { generateTimoni } from "../scripts/timoni/modules.ts";
import { cueType } from "../scripts/timoni/schema.ts";
import { instanceValues, moduleValues, operatorValues, valuesCue } from "../scripts/timoni/values.ts";
import type { JsonObject, JsonValue } from "../src/std/json.ts";

const labels = [
  { name: "apiVersion", want: "apiVersion" },
  { name: "app.kubernetes.io/name", want: '"app.kubernetes.io/name"' },
  { name: "in", want: '"in"' },
  { name: "_hidden", want: '"_hidden"' },
];
for (const { name, want } of labels) test(`cueLabel("${name}") is ${want}`, () => assert.equal(cueLabel(name), want));

test("cueValue() indents what lies in each other, and keeps lists of scalars in a line", () => {
  const value = { text: 'a "b" \\(c)', list: [1, "x", null], maps: [{ a: true }], none: {} };
  const want =
    '{\n\ttext: "a \\"b\\" \\\\(c)"\n\tlist: [1, "x", null]\n\tmaps: [\n\t\t{\n\t\t\ta: true\n\t\t},\n\t]\n\tnone: {}\n}';
  assert.equal(cueValue(value), want);
});

test("cueFile() imports what its text uses, and nothing that only looks so", () => {
  const body = "// A list. Of strings.\nx: [...corev1.#EnvVar] & list.MaxItems(1)\n";
  assert.equal(
    cueFile("// Head.\n", "a", body),
    `// Head.\n\npackage a\n\nimport (\n\t"list"\n\tcorev1 "k8s.io/api/core/v1"\n)\n\n${body}`,
  );
});

const types: readonly {
  readonly name: string;
  readonly schema: JsonObject;
  readonly byDefault?: JsonValue;
  readonly want: string;
}[] = [
  {
    name: "a bounded text",
    schema: { type: "string", minLength: 1, maxLength: 9, pattern: '^\\d"$' },
    want: 'string & strings.MinRunes(1) & strings.MaxRunes(9) & =~#"^\\d"$"#',
  },
  {
    name: "a bounded text with a default",
    schema: { type: "string", maxLength: 9 },
    byDefault: "x",
    want: '*"x" | (string & strings.MaxRunes(9))',
  },
  { name: "a choice", schema: { type: "string", enum: ["a", "b"] }, want: '"a" | "b"' },
  {
    name: "a choice with a default",
    schema: { type: "string", enum: ["a", "b"] },
    byDefault: "b",
    want: '*"b" | "a"',
  },
  { name: "true or false", schema: { type: "boolean" }, byDefault: false, want: "*false | bool" },
  { name: "a number", schema: { type: "integer", minimum: 0 }, want: "int & >=0" },
  { name: "text or a map", schema: {}, byDefault: "", want: '*"" | string | {...}' },
  {
    name: "a list",
    schema: { type: "array", items: { type: "string" }, minItems: 1, maxItems: 2, uniqueItems: true },
    want: "[...string] & list.MinItems(1) & list.MaxItems(2) & list.UniqueItems()",
  },
  { name: "a list that is empty by default", schema: { type: "array" }, byDefault: [], want: "[..._]" },
  {
    name: "a map",
    schema: { type: "object", additionalProperties: { type: "string" }, maxProperties: 3 },
    want: "{[string]: string} & struct.MaxFields(3)",
  },
  {
    name: "fields that must be there, may be, and have a default",
    schema: {
      type: "object",
      required: ["a"],
      properties: { a: { type: "string" }, b: { type: "boolean", description: "B." }, c: { type: "integer" } },
    },
    byDefault: { c: 1 },
    want: "{\n\ta!: string\n\t// B.\n\tb?: bool\n\tc: *1 | int\n}",
  },
];
for (const { name, schema, byDefault, want } of types)
  test(`cueType() of ${name}`, () => assert.equal(cueType(schema, "", byDefault), want));

test("cueType() throws for a type that it does not know", () =>
  assert.throws(() => cueType({ type: "null" }), /^TypeError: Cannot make a CUE type of \{"type":"null"\}$/));

test("valuesCue() gives a map its defaults field by field, and null to take it away", () => {
  const values = readChartValues(
    '# How it is probed.\n# @schema {"type": "object"}\nprobe:\n  get:\n    port: 1\n  drop: [a]\n',
  );
  const cue = valuesCue(values, { without: {}, words: {}, types: { probe: "#Probe" } });
  const want = [
    "// What users may set.",
    "#Values: {",
    "\t// How it is probed.",
    "\tprobe: *(#Probe & {",
    "\t\tget: *{",
    "\t\t\tport: *1 | _",
    "\t\t} | null",
    '\t\tdrop: *["a"] | [...]',
    "\t}) | null",
    "}\n",
  ];
  assert.equal(cue, want.join("\n"));
});

const pathsOf = ({ path, members = [] }: ChartValue): readonly string[] => [path].concat(members.flatMap(pathsOf));
const describedIn = ({ path, description, members = [] }: ChartValue): readonly string[] =>
  [`${path}: ${description}`].concat(members.flatMap(describedIn));
for (const [module, own] of [
  ["flux-operator", operatorValues],
  ["flux-instance", instanceValues],
] as const) {
  const file = join(import.meta.dirname, `../packaging/charts/${module}/values.yaml`);
  const values = readChartValues(readFileSync(file, "utf8"));
  test(`${module}: what differs from the chart is in the chart`, () => {
    const known = new Set(values.flatMap(pathsOf));
    const named = [own.without, own.words, own.types].flatMap((table) => Object.keys(table));
    assert.deepEqual(
      named.filter((path) => !known.has(path)),
      [],
    );
  });
  test(`${module}: no value is described in words of Helm`, () => {
    assert.deepEqual(
      moduleValues(values, own)
        .flatMap(describedIn)
        .filter((line) => /\bhelm\b|\bcharts?\b|appVersion|of the release\b/i.test(line)),
      [],
    );
  });
}

test("the CRD is written once, and both versions refer to it", () => {
  const crd = generateTimoni().get("packaging/timoni/flux-operator/templates/crd_gen.cue") ?? "";
  assert.deepEqual([...crd.matchAll(/schema: _schema$/gm)].length, 2);
  assert.deepEqual([...crd.matchAll(/^_schema: \{$/gm)].length, 1);
});

test("kubernetesCue() throws when Kubernetes no longer has a kind that the module writes", () =>
  assert.throws(() => kubernetesCue({}, "v1"), /^TypeError: Cannot find io\.k8s\.api\.\S+ in the OpenAPI document/));
