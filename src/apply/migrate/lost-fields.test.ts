import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { JsonObject, JsonValue } from "../../kube/object.ts";
import { lostFields, narrows } from "./lost-fields.ts";

const text = { type: "string" };
const schema = (properties: JsonObject): JsonObject => ({ type: "object", properties });
const anything = { "x-kubernetes-preserve-unknown-fields": true };

describe("what a spec loses", () => {
  const cases: readonly {
    readonly name: string;
    readonly from: JsonObject;
    readonly to: JsonObject;
    readonly spec: JsonValue;
    readonly narrower: boolean;
    readonly lost: readonly string[];
  }[] = [
    {
      name: "is nothing under a schema that has all of it and more",
      from: schema({ a: text }),
      to: schema({ a: text, b: text }),
      spec: { a: "1" },
      narrower: false,
      lost: [],
    },
    {
      name: "is nothing when the objects do not use what goes",
      from: schema({ a: text, old: text }),
      to: schema({ a: text }),
      spec: { a: "1" },
      narrower: true,
      lost: [],
    },
    {
      name: "is named by its path, within lists and maps, once and sorted",
      from: schema({
        list: { type: "array", items: schema({ old: text, a: text }) },
        map: { type: "object", additionalProperties: schema({ old: text }) },
        deep: schema({ old: schema({ x: text }) }),
      }),
      to: schema({
        list: { type: "array", items: schema({ a: text }) },
        map: { type: "object", additionalProperties: schema({}) },
        deep: schema({}),
      }),
      spec: { list: [{ old: "1" }, { old: "2", a: "3" }], map: { one: { old: "1" } }, deep: { old: { x: "1" } } },
      narrower: true,
      lost: ["spec.deep.old", "spec.list[].old", "spec.map.one.old"],
    },
    {
      name: "is not what a default put there",
      from: schema({ old: { type: "string", default: "Never" } }),
      to: schema({}),
      spec: { old: "Never" },
      narrower: true,
      lost: [],
    },
    {
      name: "is a default's field with another value",
      from: schema({ old: { type: "string", default: "Never" } }),
      to: schema({}),
      spec: { old: "Always" },
      narrower: true,
      lost: ["spec.old"],
    },
    {
      name: "is nothing of what is kept unread",
      from: schema({ values: anything }),
      to: schema({ values: anything }),
      spec: { values: { any: { thing: 1 } } },
      narrower: false,
      lost: [],
    },
    {
      name: "is all that a schema stops keeping unread",
      from: schema({ values: anything }),
      to: schema({ values: schema({ a: text }) }),
      spec: { values: { a: "1", b: "2" } },
      narrower: true,
      lost: ["spec.values.b"],
    },
  ];
  for (const { name, from, to, spec, narrower, lost } of cases) {
    test(name, () => {
      assert.deepEqual([narrows({ from, to }), lostFields(spec, { from, to })], [narrower, lost]);
    });
  }
});
