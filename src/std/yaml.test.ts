import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { parse } from "yaml";
import type { JsonValue } from "./json.ts";
import { formatYaml, parseKubeYaml, parseKubeYamlDocuments, YamlError } from "./yaml.ts";

const scalars: readonly { text: string; want: JsonValue }[] = [
  { text: "0644", want: 420 },
  { text: "0o644", want: 420 },
  { text: "-010", want: -8 },
  { text: "0800", want: 800 },
  { text: "09", want: 9 },
  { text: "0x1F", want: 31 },
  { text: "0b101", want: 5 },
  { text: "1_000", want: 1000 },
  { text: "+7", want: 7 },
  { text: "-0", want: 0 },
  { text: "0", want: 0 },
  { text: "9007199254740991", want: 9007199254740991 },
  { text: "99999999999999999999e0", want: 1e20 },
  { text: "1.50", want: 1.5 },
  { text: "1e3", want: 1000 },
  { text: ".5", want: 0.5 },
  { text: "1.", want: 1 },
  { text: "1.2.3", want: "1.2.3" },
  { text: "190:20:30", want: "190:20:30" },
  { text: "12e03", want: 12000 },
  { text: "100m", want: "100m" },
  { text: "2024-02-25", want: "2024-02-25" },
  { text: "yes", want: true },
  { text: "On", want: true },
  { text: "y", want: true },
  { text: "n", want: false },
  { text: "off", want: false },
  { text: "yEs", want: "yEs" },
  { text: '"yes"', want: "yes" },
  { text: "'0644'", want: "0644" },
  { text: "!!str 0644", want: "0644" },
  { text: "!!float 3", want: 3 },
  { text: "~", want: null },
  { text: "", want: null },
  { text: "NULL", want: null },
  { text: '""', want: "" },
  { text: "|\n  a: b\n", want: "a: b\n" },
  // go-yaml adds no line break that the text does not have.
  { text: "|\n  a: b", want: "a: b" },
  { text: ">\n  a\n  b", want: "a b" },
  { text: "|+\n  a\n\n  b", want: "a\n\nb" },
  { text: "|+\n  a\n\n", want: "a\n\n" },
  { text: "|-\n  a", want: "a" },
  { text: "|\n  a\n# comment", want: "a\n" },
];

for (const { text, want } of scalars) {
  test(`parseKubeYaml() reads ${JSON.stringify(text)} as ${JSON.stringify(want)}`, () =>
    assert.deepEqual(parseKubeYaml(`v: ${text}`), { v: want }));
}

test("parseKubeYaml() makes text of every key", () =>
  assert.deepEqual(parseKubeYaml("1: a\non: b\n'010': c\n010: d\n1.5: e"), {
    1: "a",
    true: "b",
    "010": "c",
    8: "d",
    "1.5": "e",
  }));

test("parseKubeYaml() resolves anchors and merge keys", () =>
  assert.deepEqual(parseKubeYaml("a: &a {x: 1, z: 2}\nb: {<<: *a, z: 3}"), { a: { x: 1, z: 2 }, b: { x: 1, z: 3 } }));

test("parseKubeYaml() takes a document marker and comments for one document", () =>
  assert.deepEqual(parseKubeYaml("# c\n---\na: 1\n---\n# nothing\n"), { a: 1 }));

test("parseKubeYamlDocuments() leaves empty documents out", () =>
  assert.deepEqual(parseKubeYamlDocuments("---\na: 1\n---\n---\n- 2\n---\n# end\n"), [{ a: 1 }, [2]]));

test("parseKubeYamlDocuments() finds nothing in nothing", () => assert.deepEqual(parseKubeYamlDocuments(" \n"), []));

test("parseKubeYamlDocuments() reads words as text when told to", () =>
  assert.deepEqual(parseKubeYamlDocuments("[yes, on, n, true, False, 0644]", { wordsAreText: true }), [
    ["yes", "on", "n", true, false, 420],
  ]));

test("parseKubeYamlDocuments() takes the scalars of text maps as they are written", () =>
  assert.deepEqual(
    parseKubeYamlDocuments('m: {labels: {a: 1.10, b: 0x1, c: true, d: "q", e: null, f: {g: 010}}}\nz: 010', {
      textMaps: [
        ["m", "labels"],
        ["n", "labels"],
      ],
    }),
    [{ m: { labels: { a: "1.10", b: "0x1", c: "true", d: "q", e: null, f: { g: 8 } } }, z: 8 }],
  ));

test("parseKubeYaml() keeps a __proto__ key as data", () =>
  assert.deepEqual(Object.keys(Object(parseKubeYaml("__proto__: {a: 1}"))), ["__proto__"]));

const refused: readonly { name: string; text: string; message: RegExp }[] = [
  { name: "a duplicate key", text: "a: 1\nb: 2\na: 3", message: /^Cannot read YAML: line 3, column 1: a key stands/ },
  { name: "two keys of the same text", text: "1: a\n'1': b", message: /line 2, column 1: a key stands twice/ },
  { name: "a template placeholder", text: "{{ not: yaml", message: /^Cannot read YAML: line 1, column \d+: / },
  { name: "a map as key", text: "a: {{ values }}", message: /a key that is no text/ },
  { name: "a null key", text: "~: 1", message: /a key that is no text/ },
  { name: "an integer beyond 2^53", text: "a: 9007199254740993", message: /column 4: the integer 9007199254740993 is/ },
  { name: "infinity", text: "a: .inf", message: /\.inf is no number of JSON/ },
  { name: "two documents", text: "a: 1\n---\nb: 2", message: /line 3, column 1: a second document/ },
  { name: "an unknown tag", text: "a: !secret x", message: /Unresolved tag/ },
  { name: "a tab as indentation", text: "a:\n\t- b", message: /line 2/ },
  { name: "an unknown alias", text: "a: *b", message: /Unresolved alias/ },
];

for (const { name, text, message } of refused) {
  test(`parseKubeYaml() refuses ${name}`, () =>
    assert.throws(
      () => parseKubeYaml(text),
      (thrown) => thrown instanceof YamlError && message.test(thrown.message) && !thrown.message.includes("\n"),
    ));
}

test("parseKubeYaml() refuses aliases that grow without bound", () => {
  const levels = Array.from({ length: 12 }, (_, level) =>
    level === 0 ? "l0: &l0 [x,x,x,x,x,x,x,x,x]" : `l${level}: &l${level} [${`*l${level - 1},`.repeat(9)}]`,
  );
  assert.throws(() => parseKubeYaml(levels.join("\n")), /^YamlError: Cannot read YAML.*Excessive alias count/);
});

const words = fc.constantFrom(
  "yes",
  "on",
  "n",
  "0644",
  "0o7",
  "1_0",
  "~",
  "null",
  "<<",
  "1e3",
  "2024-02-25",
  ".5",
  "a: b",
);
const json = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    words,
    fc.string(),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(fc.oneof(words, fc.string()), tie("value"), { maxKeys: 3 }),
  ),
})).value;

test("formatYaml() is read back as it was, by our reader and by a YAML 1.2 reader", () =>
  fc.assert(
    fc.property(json, (value) => {
      const text = formatYaml(value);
      const plain: unknown = JSON.parse(JSON.stringify(value));
      assert.deepEqual(JSON.parse(JSON.stringify(parseKubeYaml(text))), plain);
      assert.deepEqual(JSON.parse(JSON.stringify(parse(text))), plain);
    }),
    { seed: 7, numRuns: 500 },
  ));

test("formatYaml() quotes what YAML 1.1 would misread", () =>
  assert.equal(formatYaml({ a: "yes", b: "0644", c: ["x"], d: 5 }), 'a: "yes"\nb: "0644"\nc:\n  - x\nd: 5\n'));
