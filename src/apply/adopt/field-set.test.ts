import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject, JsonValue } from "../../kube/object.ts";
import { commonFields, otherFields, removeFields, splitFields, unionFields } from "./field-set.ts";

const name = (text: string): string => `k:{"name":"${text}"}`;

for (const { title, left, right, want } of [
  { title: "has the fields of both", left: { "f:a": {} }, right: { "f:b": {} }, want: { "f:a": {}, "f:b": {} } },
  {
    title: "goes below what both have",
    left: { "f:a": { "f:x": {} } },
    right: { "f:a": { "f:y": {} } },
    want: { "f:a": { "f:x": {}, "f:y": {} } },
  },
  {
    title: "keeps that one owned the whole of what the other owned a part of",
    left: { "f:a": {} },
    right: { "f:a": { "f:y": {} } },
    want: { "f:a": { ".": {}, "f:y": {} } },
  },
  {
    title: "keeps that one owned an element itself",
    left: { "f:a": { ".": {}, "f:x": {} } },
    right: { "f:a": { "f:y": {} } },
    want: { "f:a": { ".": {}, "f:x": {}, "f:y": {} } },
  },
]) {
  test(`unionFields() ${title}`, () => assert.deepEqual(unionFields(left, right), want));
}

for (const { title, left, right, common, others } of [
  { title: "fields of one", left: { "f:a": {} }, right: {}, common: {}, others: { "f:a": {} } },
  { title: "fields of both", left: { "f:a": {} }, right: { "f:a": {} }, common: { "f:a": {} }, others: {} },
  {
    title: "what lies below",
    left: { "f:a": { ".": {}, "f:x": {}, "f:y": {} } },
    right: { "f:a": { "f:x": {}, "f:z": {} } },
    common: { "f:a": { "f:x": {} } },
    others: { "f:a": { ".": {}, "f:y": {} } },
  },
  {
    title: "an element that only one owns itself",
    left: { "f:a": { ".": {}, "f:x": {} } },
    right: { "f:a": { ".": {}, "f:x": {} } },
    common: { "f:a": { ".": {}, "f:x": {} } },
    others: {},
  },
]) {
  test(`commonFields() and otherFields() tell ${title}`, () =>
    assert.deepEqual([commonFields(left, right), otherFields(left, right)], [common, others]));
}

test("splitFields() cuts at and below the leaves", () =>
  assert.deepEqual(
    splitFields(
      { "f:metadata": { "f:finalizers": { ".": {}, 'v:"x"': {} }, "f:labels": {} }, "f:spec": {} },
      {
        "f:metadata": { "f:finalizers": {} },
        "f:status": {},
      },
    ),
    {
      below: { "f:metadata": { "f:finalizers": { ".": {}, 'v:"x"': {} } } },
      rest: { "f:metadata": { "f:labels": {} }, "f:spec": {} },
    },
  ));

const containers = {
  containers: [
    {
      name: "manager",
      args: ["-a"],
      env: [
        { name: "A", value: "1" },
        { name: "B", value: "2" },
      ],
    },
    { name: "other" },
  ],
};
type Case = {
  readonly title: string;
  readonly value: JsonValue;
  readonly given: JsonObject;
  readonly kept?: readonly JsonObject[];
  readonly want: JsonValue;
  readonly removed: readonly string[];
};
const cases: readonly Case[] = [
  { title: "removes a field", value: { a: 1, b: 2 }, given: { "f:a": {} }, want: { b: 2 }, removed: ["a"] },
  {
    title: "keeps a field that somebody else owns",
    value: { a: 1 },
    given: { "f:a": {} },
    kept: [{}, { "f:a": {} }],
    want: { a: 1 },
    removed: [],
  },
  { title: "passes over what is not there", value: { b: 2 }, given: { "f:a": {} }, want: { b: 2 }, removed: [] },
  {
    title: "removes one element of a keyed list",
    value: containers,
    given: {
      "f:containers": { [name("manager")]: { "f:env": { [name("B")]: { ".": {}, "f:name": {}, "f:value": {} } } } },
    },
    want: { containers: [{ ...containers.containers[0], env: [{ name: "A", value: "1" }] }, { name: "other" }] },
    removed: ["containers[name=manager].env[name=B]"],
  },
  {
    title: "keeps an atomic list that is still wanted",
    value: containers,
    given: { "f:containers": { [name("manager")]: { "f:args": {} } } },
    kept: [{ "f:containers": { [name("manager")]: { ".": {}, "f:args": {} } } }],
    want: containers,
    removed: [],
  },
  {
    title: "removes a value of a set",
    value: { set: ["x", "y"] },
    given: { "f:set": { 'v:"x"': {} } },
    want: { set: ["y"] },
    removed: ["set[x]"],
  },
  {
    title: "removes a map that is empty then and that nobody owns",
    value: { map: { a: 1 } },
    given: { "f:map": { "f:a": {} } },
    want: {},
    removed: ["map.a"],
  },
  {
    title: "removes a whole element together with what it holds",
    value: containers,
    given: { "f:containers": { [name("manager")]: { ".": {}, "f:args": {} } } },
    want: { containers: [{ name: "other" }] },
    removed: ["containers[name=manager]"],
  },
];
for (const { title, value, given, kept = [], want, removed } of cases) {
  test(`removeFields() ${title}`, () => assert.deepEqual(removeFields(value, given, kept), { value: want, removed }));
}
