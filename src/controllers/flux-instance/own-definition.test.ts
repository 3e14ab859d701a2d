import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError, ConnectionError } from "../../client/api-error.ts";
import { missingFields, OwnDefinition } from "./own-definition.ts";

const text = { type: "string" };
const list = (properties: object) => ({ type: "array", items: { type: "object", properties } });

for (const { sentence, ours, theirs, want } of [
  { sentence: "finds none in an equal schema", ours: { a: text, b: list({ c: text }) }, want: [] },
  { sentence: "ignores what a newer one has", ours: { a: text }, theirs: { a: text, b: text }, want: [] },
  {
    sentence: "names the field and nothing below it",
    ours: { a: { properties: { b: text } } },
    theirs: {},
    want: ["spec.a"],
  },
  {
    sentence: "looks into lists",
    ours: { a: list({ b: text, c: text }) },
    theirs: { a: list({ c: text }) },
    want: ["spec.a[].b"],
  },
]) {
  test(`missingFields() ${sentence}`, () => {
    assert.deepEqual(missingFields({ properties: ours }, { properties: theirs ?? ours }, "spec"), want);
  });
}

const gvk = { group: "fluxcd.controlplane.io", version: "v1", kind: "FluxInstance" };
const never = new AbortController().signal;
const answer = (code: number) => new ApiError("read", { code, reason: "", message: "", causes: [] });

for (const [sentence, error] of [
  ["the schema is kept from it", answer(403)],
  ["the kind is not published yet", answer(404)],
] as const) {
  test(`OwnDefinition says nothing where ${sentence}, and asks again`, async () => {
    let asked = 0;
    const definition = new OwnDefinition({ schemaOf: () => Promise.reject((asked++, error)) }, gvk);
    assert.deepEqual(
      [await definition.trouble(never), await definition.trouble(never), asked],
      [undefined, undefined, 2],
    );
  });
}

test("OwnDefinition does not take an API server that is away for one that has nothing to say", async () => {
  const error = new ConnectionError("read", "nobody listens");
  const definition = new OwnDefinition({ schemaOf: () => Promise.reject(error) }, gvk);
  await assert.rejects(definition.trouble(never), error);
});
