import assert from "node:assert/strict";
import { test } from "node:test";
import { readChartValues } from "../scripts/charts/chart-values.ts";
import { generateCharts } from "../scripts/charts/charts.ts";
import { chartReadme } from "../scripts/charts/readme.ts";
import { declaredDescription, valuesSchema } from "../scripts/charts/values-schema.ts";
import { fluxInstanceSpecSchema } from "../src/api/schema/spec.ts";
import { fieldsOf } from "../src/kube/fields.ts";
import type { JsonValue } from "../src/std/json.ts";
import { isJsonObject } from "../src/std/json.ts";

const text = `# Above all.

# How much.
# More of it.
level: 1
image:
  # Where.
  # @schema {"enum": ["a", "b"]}
  name: a
# Whole.
# @schema {"type": "object"}
probe:
  port: 1
`;
const values = readChartValues(text);

test("readChartValues() gives each key the comment just above it, and members to maps without a schema of their own", () => {
  assert.deepEqual(values, [
    { path: "level", name: "level", description: "How much. More of it.", default: 1 },
    {
      path: "image",
      name: "image",
      description: "",
      default: { name: "a" },
      members: [
        { path: "image.name", name: "name", description: "Where.", default: "a", schema: { enum: ["a", "b"] } },
      ],
    },
    { path: "probe", name: "probe", description: "Whole.", default: { port: 1 }, schema: { type: "object" } },
  ]);
});

test("readChartValues() throws when a schema is no JSON", () => {
  assert.throws(() => readChartValues("# @schema {enum\na: 1\n"), SyntaxError);
});

test("valuesSchema() refuses what is not in values.yaml, but for what is ignored and what Helm sets", () => {
  const schema = valuesSchema(values, [{ value: "web.enabled", effect: "ignored", why: "-" }]);
  assert.deepEqual(schema, {
    $schema: "http://json-schema.org/draft-07/schema#",
    type: "object",
    additionalProperties: false,
    properties: {
      level: { description: "How much. More of it.", type: "integer", default: 1 },
      image: {
        type: "object",
        additionalProperties: false,
        properties: { name: { description: "Where.", type: "string", default: "a", enum: ["a", "b"] } },
      },
      probe: { description: "Whole.", type: "object", default: { port: 1 } },
      web: { description: "Has no effect.", type: "object" },
      global: { description: "What Helm hands to the charts within a chart.", type: "object" },
    },
  });
});

test("chartReadme() throws when a value is not described", () => {
  const parts = { head: "# x", values: readChartValues("a: 1\n"), foreign: [], otherDefaults: [] };
  assert.throws(() => chartReadme(parts), /^Error: Cannot describe a: write a comment above it in values\.yaml$/);
});

for (const { path, want } of [
  { path: "instance.sync.url", want: "Where the source is: URL of the repository, or endpoint of the bucket." },
  { path: "instance.sync.nothing", want: undefined },
  { path: "image.tag", want: undefined },
])
  test(`declaredDescription("${path}") is ${want === undefined ? "undefined" : "that of the API"}`, () =>
    assert.equal(declaredDescription(path), want));

/** Paths of all fields below a schema. */
function pathsIn(schema: JsonValue | undefined, path = ""): readonly string[] {
  const { properties, items } = fieldsOf(schema);
  const below = isJsonObject(properties) ? Object.entries(properties) : [];
  return [
    ...below.flatMap(([name, member]) => [`${path}.${name}`].concat(pathsIn(member, `${path}.${name}`))),
    ...(items === undefined ? [] : pathsIn(items, `${path}[]`)),
  ];
}

test("the schema of flux-instance takes every field of the spec, and no other", () => {
  const schema = JSON.parse(generateCharts().get("packaging/charts/flux-instance/values.schema.json") ?? "");
  const declared: JsonValue = JSON.parse(JSON.stringify(fluxInstanceSpecSchema));
  assert.deepEqual(pathsIn(schema.properties.instance), pathsIn(declared));
});
