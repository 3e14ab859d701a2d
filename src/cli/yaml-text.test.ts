import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { parse } from "yaml";
import type { JsonValue } from "../kube/object.ts";
import { parseKubeYaml } from "../std/yaml.ts";
import { yamlText } from "./yaml-text.ts";

test("yamlText() writes blocks as kubectl does", () => {
  const value = {
    kind: "Deployment",
    spec: {
      replicas: 1,
      args: ["--concurrent=10", "--watch-label-selector=!sharding.fluxcd.io/key", "a: b"],
      ports: [{ containerPort: 8080, name: "http" }, {}],
      empty: { list: [], text: "", none: null },
      matrix: [["a"], [[1, true]]],
    },
  };
  const want = `kind: Deployment
spec:
  replicas: 1
  args:
  - --concurrent=10
  - --watch-label-selector=!sharding.fluxcd.io/key
  - "a: b"
  ports:
  - containerPort: 8080
    name: http
  - {}
  empty:
    list: []
    text: ""
    none: null
  matrix:
  - - a
  - - - 1
      - true
`;
  assert.equal(yamlText(value), want);
});

for (const { text, want } of [
  { text: "flux-system", want: "flux-system" },
  { text: "ghcr.io/fluxcd/source-controller:v1.9.4", want: "ghcr.io/fluxcd/source-controller:v1.9.4" },
  { text: "10Gi", want: "10Gi" },
  { text: "yes", want: '"yes"' },
  { text: "Off", want: '"Off"' },
  { text: "~", want: '"~"' },
  { text: "0644", want: '"0644"' },
  { text: "1e3", want: '"1e3"' },
  { text: "2024-02-25", want: '"2024-02-25"' },
  { text: "12:30:45", want: '"12:30:45"' },
  { text: ".inf", want: '".inf"' },
  { text: "-", want: '"-"' },
  { text: "---", want: '"---"' },
  { text: "*", want: '"*"' },
  { text: "a:", want: '"a:"' },
  { text: "a #b", want: '"a #b"' },
  { text: "a ", want: '"a "' },
  { text: "a\nb\n", want: "|\n    a\n    b" },
  { text: "a\nb", want: "|-\n    a\n    b" },
  { text: "a\n\n", want: '"a\\n\\n"' },
  { text: " a\nb", want: '" a\\nb"' },
  { text: "é", want: '"é"' },
]) {
  test(`yamlText() writes the text ${JSON.stringify(text)} as ${JSON.stringify(want)}`, () => {
    assert.equal(yamlText({ a: { b: text } }), `a:\n  b: ${want}\n`);
  });
}

/** Text that is near to what YAML takes for something else. */
const tricky = fc.stringMatching(/^[-yYnNoOfF~.:# \n"'|>*&!%@?,[\]{}<=0-9eExa_+/\\\t]{0,8}$/);
const scalar = fc.oneof(
  tricky,
  fc.string(),
  fc.string({ unit: "binary" }),
  fc.boolean(),
  fc.constant(null),
  fc.integer(),
);
const { value: anything } = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    scalar,
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(fc.oneof(tricky, fc.string()), tie("value"), { maxKeys: 4, noNullPrototype: true }),
  ),
}));

test("yamlText() of any value reads back as that value, by YAML 1.1, YAML 1.2 and Kubernetes' rules", () => {
  fc.assert(
    fc.property(anything, (value) => {
      const text = yamlText({ value });
      assert.deepEqual(parse(text, { version: "1.2" }), { value });
      assert.deepEqual(parse(text, { version: "1.1", schema: "yaml-1.1", merge: false }), { value });
      assert.deepEqual(parseKubeYaml(text), { value });
    }),
    { numRuns: 150, seed: 1 },
  );
});
