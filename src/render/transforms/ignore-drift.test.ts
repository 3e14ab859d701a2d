import assert from "node:assert/strict";
import { test } from "node:test";
import { contextOf, releaseOf, specOf } from "../../../test/support/small-release.ts";
import type { DriftIgnoreSpec } from "../../api/spec.ts";
import type { Draft } from "../draft.ts";
import { RenderError } from "../errors.ts";
import { ignoredPathsOf } from "./ignore-drift.ts";

const draft = (name: string): Draft => ({
  object: { apiVersion: "apps/v1", kind: "Deployment", metadata: { name, namespace: "flux-system" } },
});
const drafts: readonly Draft[] = [
  draft("source-controller"),
  { ...draft("source-controller-a"), previousNames: ["source-controller"] },
];

function ignored(
  driftIgnore: readonly DriftIgnoreSpec[],
  strict = false,
): { readonly [id: string]: readonly string[] } {
  const spec = specOf({ driftIgnore, kustomize: { patches: [], strict } });
  return Object.fromEntries(ignoredPathsOf(drafts, contextOf(spec, releaseOf("2.9.0"))));
}

const main = "flux-system_source-controller_apps_Deployment";
const shard = "flux-system_source-controller-a_apps_Deployment";

for (const { name, entries, want } of [
  { name: "nothing without entries", entries: [], want: {} },
  {
    name: "the shards with their controller, as patches do",
    entries: [{ target: { kind: "Deployment", name: "source-controller" }, paths: ["/spec/replicas"] }],
    want: { [main]: ["/spec/replicas"], [shard]: ["/spec/replicas"] },
  },
  {
    name: "one object, with the paths of all entries once",
    entries: [
      { target: { name: "source-controller-a" }, paths: ["/spec/replicas", "/spec/paused"] },
      { target: { kind: "Deploy.*", name: ".*-a" }, paths: ["/spec/paused", "/metadata/labels/team"] },
    ],
    want: { [shard]: ["/spec/replicas", "/spec/paused", "/metadata/labels/team"] },
  },
  { name: "nothing where no object fits", entries: [{ target: { kind: "Secret" }, paths: ["/data"] }], want: {} },
]) {
  test(`ignoredPathsOf() finds ${name}`, () => assert.deepEqual(ignored(entries), want));
}

const refused: readonly { readonly entry: DriftIgnoreSpec; readonly strict?: boolean; readonly message: string }[] = [
  {
    entry: { target: { kind: "(" }, paths: ["/spec"] },
    message:
      'Cannot build the instance: spec.driftIgnore[0] cannot be read: target.kind "(" is no regular expression of RE2: error parsing regexp: missing closing ): `^(?:()$`; correct it',
  },
  {
    entry: { target: { kind: "Secret" }, paths: ["/data"] },
    strict: true,
    message:
      "Cannot build the instance: spec.driftIgnore[0].target matches no object; correct the target, remove the entry, or set spec.kustomize.strict to false",
  },
  ...["/kind", "/metadata", "/metadata/labels", "/metadata/labels/app.kubernetes.io~1managed-by"].map((path) => ({
    entry: { target: { kind: "Deployment" }, paths: ["/spec/replicas", path] },
    message: `Cannot build the instance: spec.driftIgnore[0].paths ${path} is what the operator knows the object by; name a field that others may change`,
  })),
];
for (const { entry, strict = false, message } of refused) {
  test(`ignoredPathsOf() refuses ${JSON.stringify(entry)}${strict ? " when strict" : ""}`, () =>
    assert.throws(
      () => ignored([entry], strict),
      (error: unknown) => error instanceof RenderError && error.reason === "BuildFailed" && error.message === message,
    ));
}
