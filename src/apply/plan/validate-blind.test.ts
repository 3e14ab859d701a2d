import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject, JsonValue, KubeObject } from "../../kube/object.ts";
import { schemaProblems } from "./validate-blind.ts";

function definition(spec: JsonObject): KubeObject {
  const openAPIV3Schema = {
    type: "object",
    properties: { apiVersion: { type: "string" }, kind: { type: "string" }, metadata: { type: "object" }, spec },
  };
  const version = { name: "v1", served: true, storage: true, schema: { openAPIV3Schema } };
  const old = { name: "v1beta1", served: false, storage: false, schema: { openAPIV3Schema } };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: "things.example.com" },
    spec: { group: "example.com", names: { kind: "Thing" }, versions: [old, version] },
  };
}

function thing(spec: JsonValue, version = "v1"): KubeObject {
  return { apiVersion: `example.com/${version}`, kind: "Thing", metadata: { name: "a", labels: { x: "y" } }, spec };
}

function objectOf(properties: JsonObject, more: JsonObject = {}): JsonObject {
  return { type: "object", properties, ...more };
}

const text = { type: "string" };
const open = { "x-kubernetes-preserve-unknown-fields": true };
const rule = (cel: string, message?: string): JsonObject => ({
  "x-kubernetes-validations": [{ rule: cel, ...(message === undefined ? {} : { message }) }],
});

for (const { name, schema, spec, want = [] } of [
  { name: "takes what fits", schema: objectOf({ a: text }), spec: { a: "x" } },
  {
    name: "misses what is required",
    schema: objectOf({ a: text }, { required: ["a"] }),
    spec: {},
    want: ["spec.a is required"],
  },
  {
    name: "fills in a default before it misses anything",
    schema: objectOf({ a: { ...text, default: "x" } }, { required: ["a"] }),
    spec: {},
  },
  {
    name: "fills in defaults inside of defaults",
    schema: objectOf({ a: objectOf({ b: { ...text, default: "x" } }, { required: ["b"], default: {} }) }),
    spec: {},
  },
  {
    name: "knows no other field",
    schema: objectOf({ a: text }),
    spec: { b: 1 },
    want: ["spec.b is no field of this version"],
  },
  {
    name: "knows no other field in a list",
    schema: objectOf({ l: { type: "array", items: objectOf({ a: text }) } }),
    spec: { l: [{ a: "x" }, { b: 1 }] },
    want: ["spec.l[1].b is no field of this version"],
  },
  { name: "takes any field where it says so", schema: objectOf({ a: text }, open), spec: { b: 1 } },
  {
    name: "holds known fields to their type also there",
    schema: objectOf({ a: text }, open),
    spec: { a: 1 },
    want: ["spec.a must be string"],
  },
  { name: "takes anything without a type", schema: objectOf({ a: open }), spec: { a: [{ b: 1 }] } },
  {
    name: "takes maps",
    schema: objectOf({ m: { type: "object", additionalProperties: text } }),
    spec: { m: { k: "v" } },
  },
  {
    name: "holds the values of maps",
    schema: objectOf({ m: { type: "object", additionalProperties: text } }),
    spec: { m: { k: 1 } },
    want: ["spec.m.k must be string"],
  },
  {
    name: "takes a whole object where one is embedded",
    schema: objectOf({ o: objectOf({ a: text }, { "x-kubernetes-embedded-resource": true }) }),
    spec: { o: { apiVersion: "v1", kind: "X", metadata: { name: "a" }, a: "x" } },
  },
  { name: "takes numbers and texts", schema: objectOf({ p: { "x-kubernetes-int-or-string": true } }), spec: { p: 1 } },
  {
    name: "takes texts and numbers",
    schema: objectOf({ p: { "x-kubernetes-int-or-string": true } }),
    spec: { p: "http" },
  },
  {
    name: "takes nothing else for a number or a text",
    schema: objectOf({ p: { "x-kubernetes-int-or-string": true } }),
    spec: { p: true },
    want: ["spec.p must be integer or string"],
  },
  {
    name: "takes null where it may be",
    schema: objectOf({ a: { ...text, nullable: true, enum: ["x"] } }),
    spec: { a: null },
  },
  {
    name: "takes null nowhere else",
    schema: objectOf({ a: text }),
    spec: { a: null },
    want: ["spec.a must be string"],
  },
  {
    name: "names the values that are allowed",
    schema: objectOf({ a: { ...text, enum: ["x", "y"] } }),
    spec: { a: "z" },
    want: ["spec.a must be one of x, y"],
  },
  {
    name: "names the pattern",
    schema: objectOf({ a: { ...text, pattern: "^[0-9]+$" } }),
    spec: { a: "x" },
    want: ['spec.a must match pattern "^[0-9]+$"'],
  },
  {
    name: "leaves patterns that JavaScript does not know",
    schema: objectOf({ a: { ...text, pattern: "(?i)^x$" } }),
    spec: { a: "X" },
  },
  { name: "leaves formats", schema: objectOf({ a: { ...text, format: "date-time" } }), spec: { a: "x" } },
  {
    name: "holds bounds",
    schema: objectOf({ n: { type: "integer", minimum: 1 } }),
    spec: { n: 0 },
    want: ["spec.n must be >= 1"],
  },
  {
    name: "holds bounds that leave out themselves",
    schema: objectOf({ n: { type: "integer", maximum: 1, exclusiveMaximum: true } }),
    spec: { n: 1 },
    want: ["spec.n must be < 1"],
  },
  {
    name: "asks for one of several",
    schema: objectOf({ a: text, b: text }, { anyOf: [{ required: ["a"] }, { required: ["b"] }] }),
    spec: { a: "x" },
  },
  {
    name: "says the message of a rule",
    schema: objectOf({ a: text, b: text }, rule("!has(self.a) || !has(self.b)", "not both")),
    spec: { a: "x", b: "y" },
    want: ["spec is refused: not both"],
  },
  {
    name: "says the rule where it has no message",
    schema: objectOf({ a: { ...text, ...rule("self != 'x'") } }),
    spec: { a: "x" },
    want: ["spec.a is refused: self != 'x'"],
  },
  {
    name: "asks rules after defaults",
    schema: objectOf({ a: { ...text, default: "x" } }, rule("self.a == 'x'")),
    spec: {},
  },
  {
    name: "leaves rules about an older object",
    schema: objectOf({ a: { ...text, ...rule("self == oldSelf") } }),
    spec: { a: "x" },
  },
  {
    name: "leaves rules that it cannot evaluate",
    schema: objectOf({ a: { ...text, ...rule("self.nonsense()") } }),
    spec: { a: "x" },
  },
]) {
  test(`schemaProblems() ${name}`, () => assert.deepEqual(schemaProblems(thing(spec), definition(schema)), want));
}

for (const version of ["v1beta1", "v2"]) {
  test(`schemaProblems() refuses ${version}, which is not served`, () =>
    assert.deepEqual(schemaProblems(thing({}, version), definition(objectOf({}))), [
      `apiVersion example.com/${version} is not served`,
    ]));
}
