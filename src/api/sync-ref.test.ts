import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonValue } from "../kube/object.ts";
import { describeProblem } from "./flux-instance.ts";
import { canonicalRef, refProblems } from "./sync-ref.ts";

for (const { name, kind = "GitRepository", ref, want } of [
  { name: "text", ref: "refs/heads/main", want: [] },
  { name: "a branch", ref: { branch: "main" }, want: [] },
  { name: "a digest of an artifact", kind: "OCIRepository", ref: { digest: "sha256:0" }, want: [] },
  {
    name: "a branch of an artifact",
    kind: "OCIRepository",
    ref: { branch: "main" },
    want: ["spec.sync.ref.branch is no field of the ref of a OCIRepository: use tag, semver, digest"],
  },
  {
    name: "a misspelt field",
    ref: { brunch: "main" },
    want: ["spec.sync.ref.brunch is no field of the ref of a GitRepository: use branch, tag, semver, name, commit"],
  },
  {
    name: "a version that is a number",
    ref: { tag: 1.1 },
    want: ["spec.sync.ref.tag must be text, not 1.1: put it in quotes"],
  },
  { name: "a number", ref: 1.1, want: ["spec.sync.ref must be text or a map, not 1.1: put it in quotes"] },
  { name: "a list", ref: ["main"], want: ['spec.sync.ref must be text or a map, not ["main"]'] },
  {
    name: "a map of nothing",
    ref: { branch: "", tag: null },
    want: ["spec.sync.ref is an empty map: set branch, tag, semver, name, commit, or write text"],
  },
  {
    name: "a map for a bucket",
    kind: "Bucket",
    ref: { name: "fleet" },
    want: ["spec.sync.ref must be text for a Bucket: write the name of the bucket"],
  },
  {
    name: "text without end",
    ref: { name: "a".repeat(1025) },
    want: ["spec.sync.ref.name has more than the 1024 characters allowed: shorten it"],
  },
  { name: "nothing, which the schema refuses", ref: null, want: [] },
] satisfies readonly { name: string; kind?: string; ref: JsonValue; want: readonly string[] }[])
  test(`refProblems() judges ${name}`, () =>
    assert.deepEqual(refProblems({ spec: { sync: { kind, ref } } }).map(describeProblem), want));

test("canonicalRef() leaves out what is empty", () =>
  assert.deepEqual(canonicalRef({ branch: "main", tag: "" }), { branch: "main" }));
