import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { forSite, linkedPaths } from "../scripts/site/markdown.ts";
import { pagesOf, readDocuments, routeOf, sections } from "../scripts/site/pages.ts";

const documents = readDocuments(join(import.meta.dirname, ".."));

test("scripts/site/pages.ts has every document in its navigation, once", () => {
  const named = sections.flatMap((section) => pagesOf(section, documents).map(({ path }) => path));
  assert.deepEqual(
    named.toSorted(),
    documents.map(({ path }) => path),
  );
});

test("every page that the navigation names is there", () => {
  const empty = sections.flatMap(({ title, pages }) =>
    pages.filter((page) => pagesOf({ title, pages: [page] }, documents).length === 0),
  );
  assert.deepEqual(empty, []);
});

test("no two documents have the same place on the site", () => {
  const routes = documents.map(({ path }) => routeOf(path));
  assert.deepEqual(routes.toSorted(), [...new Set(routes)].toSorted());
});

for (const { name, path, text, want } of [
  { name: "a page beside it", path: "docs/a.md", text: "[b](b.md#part)", want: "[b](./b.md#part)" },
  { name: "a part of itself", path: "docs/a.md", text: "[b](#part)", want: "[b](#part)" },
  { name: "the README", path: "docs/decisions/a.md", text: "[b](../../README.md)", want: "[b](../index.md)" },
  { name: "another site", path: "docs/a.md", text: "[b](https://example.com/)", want: "[b](https://example.com/)" },
  {
    name: "the README of a folder",
    path: "README.md",
    text: "[`b`](packaging/charts/b/README.md)",
    want: "[`b`](./charts/b.md)",
  },
  { name: "a file", path: "docs/a.md", text: "[b](../src/b.ts)", want: "[b](./source/src/b.ts.md)" },
  { name: "a hidden file", path: "README.md", text: "[b](.ci/run)", want: "[b](./source/ci/run.md)" },
  { name: "a folder", path: "docs/a.md", text: "[b](../packaging/yaml/)", want: "[b](./source/packaging/yaml.md)" },
  { name: "a picture", path: "README.md", text: "![b](docs/b.svg)", want: "![b](./docs/b.svg)" },
  { name: "nothing, in code", path: "docs/a.md", text: "`[b](b.md)`", want: "`[b](b.md)`" },
  { name: "nothing, in a block", path: "docs/a.md", text: "```\n[b](b.md)\n```", want: "```\n[b](b.md)\n```" },
])
  test(`a link to ${name} is one on the site`, () => assert.equal(forSite({ path, text }), want));

test("a comment is not on the site, and in code it is none", () => {
  const text = "<!-- Generated -->\n\n# A\n\n```\n<!-- shown -->\n```\n";
  assert.equal(forSite({ path: "docs/a.md", text }), "# A\n\n```\n<!-- shown -->\n```\n");
});

test("linkedPaths() names what is inside the project, once, without anchors", () => {
  const text = "[a](b.md#c) [a](b.md) [a](../src) [a](#c) [a](https://example.com) `[a](d.md)`";
  assert.deepEqual(linkedPaths({ path: "docs/a.md", text }), ["docs/b.md", "src"]);
});
