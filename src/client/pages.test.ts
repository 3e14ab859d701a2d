import assert from "node:assert/strict";
import { test } from "node:test";
import { expiring, thing } from "../../test/support/expiring-pages.ts";
import { apiError } from "../../test/support/table-client.ts";
import type { ApiClient } from "./api-client.ts";
import { ApiError } from "./api-error.ts";
import { listAll } from "./pages.ts";

const signal = new AbortController().signal;
const gvk = { group: "example.com", version: "v1", kind: "Thing" };

/** Whole objects may have 1.5 MiB each, and an answer 64 MiB. */
for (const { name, options, want } of [
  { name: "whole objects in pages that fit into an answer whatever their size", options: {}, want: [40] },
  { name: "metadata in larger pages", options: { metadataOnly: true }, want: [500] },
]) {
  test(`listAll() asks for ${name}`, async () => {
    const sizes: number[] = [];
    const listPage: ApiClient["listPage"] = async (_gvk, { pageSize }) => {
      sizes.push(pageSize);
      return { items: [], resourceVersion: "1", next: undefined };
    };
    await listAll(gvk, options, { listPage }, signal);
    assert.deepEqual(sizes, want);
  });
}

test("listAll() goes on from where it was when the snapshot of the pages expired, as the API server offers it", async () => {
  const asked: string[] = [];
  const listPage: ApiClient["listPage"] = async (_gvk, { pageSize, continue: token = "" }) => {
    asked.push(`${pageSize} ${token}`);
    if (asked.length > 10) throw new Error("a loop");
    const expired = { code: 410, reason: "Expired", message: "too old", causes: [], continue: "newer" };
    if (token === "second") throw new ApiError("list Thing", expired);
    if (token === "newer") return { items: [thing("y")], resourceVersion: "2", next: undefined };
    return { items: [thing("x")], resourceVersion: "1", next: "second" };
  };
  const found = await listAll(gvk, {}, { listPage }, signal);
  assert.deepEqual(
    [found, asked],
    [
      [thing("x"), thing("y")],
      ["40 ", "40 second", "40 newer"],
    ],
  );
});

test("listAll() gives up when everything at once has expired, too", async () => {
  let asked = 0;
  const listPage: ApiClient["listPage"] = async () => {
    asked += 1;
    if (asked > 10) throw new Error("a loop");
    throw apiError(410, "Expired");
  };
  await assert.rejects(listAll(gvk, {}, { listPage }, signal), /answered Expired/);
  assert.equal(asked, 2);
});

test("listAll() gives each object once, also when the list expires between two pages", async () => {
  assert.deepEqual(await listAll(gvk, {}, expiring, signal), [thing("x"), thing("y")]);
});
