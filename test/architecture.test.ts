import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { brokenDoors, circles, impureFiles, innerDoors, readSources } from "./support/import-doors.ts";

const root = join(import.meta.dirname, "..");

type Place = { readonly change: string; readonly path: string };

/** The rows of the table "Where to change what". */
function placesOf(markdown: string): readonly Place[] {
  const [, section = ""] = markdown.split("## Where to change what");
  const [table = ""] = section.split("\n## ");
  return [...table.matchAll(/^\| (.+) \| `([^`]+)` \|$/gm)].map(([, change = "", path = ""]) => ({ change, path }));
}

function deadPlaces(places: readonly Place[], exists: (path: string) => boolean): readonly string[] {
  return places.filter(({ path }) => !exists(path)).map(({ change, path }) => `${change}: ${path} is not there`);
}

test("every import in src/ goes through an open door", () => {
  const files = readSources(root);
  assert.ok(files.length > 50, "the sources were found");
  assert.deepEqual(brokenDoors(files), []);
});

test("no files and no folders of src/ and scripts/ import each other in a circle", () => {
  assert.deepEqual(circles([...readSources(root), ...readSources(root, "scripts")]), []);
});

test("every inner room exists", () => {
  const paths = readSources(root).map((file) => file.path);
  const missing = Object.entries(innerDoors).flatMap(([room, inner]) =>
    Object.keys(inner)
      .filter((name) => name !== "ground" && name !== "walks")
      .map((name) => `${room}/${name}/`)
      .filter((folder) => !paths.some((path) => path.startsWith(folder))),
  );
  assert.deepEqual(missing, []);
});

test("every place of ARCHITECTURE.md exists, and there are enough of them to find the way", () => {
  const places = placesOf(readFileSync(join(root, "ARCHITECTURE.md"), "utf8"));
  assert.ok(places.length >= 25, `${places.length} places`);
  assert.deepEqual(
    deadPlaces(places, (path) => existsSync(join(root, path))),
    [],
  );
});

test("deadPlaces() names what is not there, by what one wants to change", () =>
  assert.deepEqual(
    deadPlaces(
      placesOf("## Where to change what\n| a | `src/a.ts` |\n| b | `src/b.ts` |\n## Next\n| c | `src/c.ts` |"),
      (path) => path === "src/a.ts",
    ),
    ["b: src/b.ts is not there"],
  ));

/** A file of types and plain values has nothing to test. */
const isTypesOnly = (text: string): boolean => !/^(export )?(async )?(function|class)\b|=> /m.test(text);

test("every file of apply and of the controller has its test beside it, or a line that says which tests hold it", () => {
  const files = readSources(root).filter(({ path }) => /^src\/(apply|controllers)\//.test(path));
  const paths = new Set(files.map(({ path }) => path));
  const untested = files
    .filter(({ path, text }) => !path.endsWith(".test.ts") && !isTypesOnly(text))
    .filter(({ path }) => !paths.has(path.replace(/\.ts$/, ".test.ts")))
    .filter(({ text }) => {
      const [, line = ""] = /^\/\/ Tests: (.+)$/m.exec(text) ?? [];
      return line === "" || !line.split(", ").every((path) => existsSync(join(root, path)));
    });
  assert.deepEqual(
    untested.map(({ path }) => path),
    [],
  );
});

test("every exempt file exists", () => {
  const paths = new Set(readSources(root).map((file) => file.path));
  assert.deepEqual(
    Object.keys(impureFiles).filter((path) => !paths.has(path)),
    [],
  );
});

for (const { name, path, text, broken } of [
  {
    name: "refuses a door that opens upward",
    path: "src/kube/x.ts",
    text: 'import { renderInstance } from "../render/render-instance.ts";',
    broken: ["src/kube/x.ts: room kube may not import src/render/render-instance.ts"],
  },
  {
    name: "refuses a type import through a closed door",
    path: "src/apply/x.ts",
    text: 'import type { Informer } from "../runtime/informer.ts";',
    broken: ["src/apply/x.ts: room apply may not import src/runtime/informer.ts"],
  },
  {
    name: "refuses a dynamic import through a closed door",
    path: "src/cli/x.ts",
    text: 'const x = await import("../operator/main.ts");',
    broken: ["src/cli/x.ts: room cli may not import src/operator/main.ts"],
  },
  {
    name: "refuses a re-export through a closed door",
    path: "src/patch/x.ts",
    text: 'export { canonicalSpec } from "../api/canonical.ts";',
    broken: ["src/patch/x.ts: room patch may not import src/api/canonical.ts"],
  },
  {
    name: "refuses a sibling controller",
    path: "src/controllers/flux-report/x.ts",
    text: 'import { decide } from "../flux-instance/decide/decide.ts";',
    broken: [
      "src/controllers/flux-report/x.ts: imports its sibling controller src/controllers/flux-instance/decide/decide.ts",
    ],
  },
  {
    name: "refuses a way out of src/",
    path: "src/std/x.ts",
    text: 'import { x } from "../../test/support/x.ts";',
    broken: ["src/std/x.ts: imports test/support/x.ts, which is outside src/"],
  },
  {
    name: "refuses files in a pure room",
    path: "src/render/x.ts",
    text: 'import { readFileSync } from "node:fs";',
    broken: ["src/render/x.ts: a pure room may not import node:fs"],
  },
  {
    name: "refuses the clock in a pure room",
    path: "src/render/x.ts",
    text: "export const now = () => Date.now();",
    broken: ["src/render/x.ts: a pure room may not use Date.now"],
  },
  {
    name: "refuses a room that is not in the plan",
    path: "src/helpers/x.ts",
    text: "",
    broken: ["src/helpers/x.ts: helpers is not a room of the house"],
  },
  {
    name: "refuses a type import through a closed inner door",
    path: "src/apply/remove/x.ts",
    text: 'import type { WaitResult } from "../health/wait.ts";',
    broken: ["src/apply/remove/x.ts: inner room remove of src/apply may not import src/apply/health/wait.ts"],
  },
  {
    name: "refuses a way up from what all inner rooms speak of",
    path: "src/controllers/flux-instance/world.ts",
    text: 'import { decide } from "./decide/decide.ts";',
    broken: [
      "src/controllers/flux-instance/world.ts: inner room ground of src/controllers/flux-instance may not import src/controllers/flux-instance/decide/decide.ts",
    ],
  },
  {
    name: "refuses an inner room that is not in the plan",
    path: "src/controllers/flux-instance/helpers/x.ts",
    text: "",
    broken: [
      "src/controllers/flux-instance/helpers/x.ts: helpers is not an inner room of src/controllers/flux-instance",
    ],
  },
  {
    name: "lets a controller use what lies below it",
    path: "src/controllers/flux-instance/x.ts",
    text: 'import { applyStages } from "../../apply/write/apply-set.ts";\nimport { worldOf } from "./world.ts";',
    broken: [],
  },
]) {
  test(`brokenDoors() ${name}`, () => assert.deepEqual(brokenDoors([{ path, text }]), broken));
}

for (const { name, files, found } of [
  {
    name: "finds files that import each other, by a type alone",
    files: [
      { path: "src/std/a.ts", text: 'import { b } from "./b.ts";' },
      { path: "src/std/b.ts", text: 'import type { A } from "./a.ts";' },
    ],
    found: ["files import each other: src/std/a.ts, src/std/b.ts", "in src/std, these import each other: a.ts, b.ts"],
  },
  {
    name: "finds folders that import each other where no files do",
    files: [
      { path: "src/render/x/a.ts", text: 'import { b } from "../y/b.ts";' },
      { path: "src/render/y/c.ts", text: 'import { d } from "../x/d.ts";' },
    ],
    found: ["in src/render, these import each other: x, y"],
  },
  {
    name: "lets a folder stand between two files of the folder around it",
    files: [
      { path: "src/render/a.ts", text: 'import { b } from "./stages/b.ts";' },
      { path: "src/render/transforms/b.ts", text: 'import { c } from "../c.ts";' },
    ],
    found: [],
  },
]) {
  test(`circles() ${name}`, () => assert.deepEqual(circles(files), found));
}
