import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { brokenDoors, impureFiles, readSources } from "./support/import-doors.ts";

const root = join(import.meta.dirname, "..");

test("every import in src/ goes through an open door", () => {
  const files = readSources(root);
  assert.ok(files.length > 50, "the sources were found");
  assert.deepEqual(brokenDoors(files), []);
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
    text: 'import { decide } from "../flux-instance/decide.ts";',
    broken: [
      "src/controllers/flux-report/x.ts: imports its sibling controller src/controllers/flux-instance/decide.ts",
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
    name: "lets a controller use what lies below it",
    path: "src/controllers/flux-instance/x.ts",
    text: 'import { applyAll } from "../../apply/apply-set.ts";\nimport { gather } from "./gather.ts";',
    broken: [],
  },
]) {
  test(`brokenDoors() ${name}`, () => assert.deepEqual(brokenDoors([{ path, text }]), broken));
}
