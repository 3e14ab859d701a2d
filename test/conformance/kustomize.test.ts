import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { applyPatches } from "../../src/patch/apply-patches.ts";
import { PatchError } from "../../src/patch/patch-error.ts";
import { canonicalJson, deepEqual, isJsonObject, type JsonValue } from "../../src/std/json.ts";
import { kustomizeBuild, type KustomizeCase, type KustomizeOutcome } from "../support/kustomize.ts";
import { kustomizeCases, renamingCases, type ObjectCase } from "./kustomize-cases.ts";
import { fixedDifferences, knownDifference } from "./kustomize-differences.ts";

const runs = Number(process.env["CONFORMANCE_RUNS"] ?? 200);
const seed = Number(process.env["CONFORMANCE_SEED"] ?? 20260801);

for (const { name, generator, count } of [
  { name: "does what kustomize does", generator: kustomizeCases, count: runs },
  { name: "takes references along as kustomize does", generator: renamingCases, count: Math.ceil(runs / 4) },
])
  test(`applyPatches() ${name}, over ${count} random cases`, { timeout: 600_000 }, async (context) => {
    const cases = fc.sample(generator, { seed, numRuns: count });
    const theirs = await kustomizeBuild(cases, context.signal);
    const ours = cases.map(build);
    const different: string[] = [];
    let refused = 0;
    let known = 0;
    for (const [index, entry] of cases.entries()) {
      const [own, their] = [ours[index], theirs[index]];
      if (own === undefined || their === undefined) throw new Error(`Cannot compare case ${index}: it was not built`);
      if (own.kind === "refused" && their.kind === "refused") refused += 1;
      else if (outcomeText(own) !== outcomeText(their)) {
        if (knownDifference(entry, own, their) === undefined) different.push(describe(entry, own, their));
        else known += 1;
      }
    }
    context.diagnostic(
      `${count - refused - known - different.length} equal, ${refused} refused by both, ${known} known differences`,
    );
    assert.ok(
      refused < count / 2,
      `${refused} of ${count} cases are refused: the generators are too wild to show much`,
    );
    assert.deepEqual(
      different.length,
      0,
      `${different.length} different (seed ${seed}):\n${different.slice(0, 5).join("\n")}`,
    );
  });

test("the differences on purpose are as they are told", { timeout: 600_000 }, async (context) => {
  const cases = fixedDifferences.map((difference): ObjectCase => {
    const { patch, target = { kind: "Deployment" } } = difference;
    const [labels, spec] = "labels" in difference ? [difference.labels, {}] : [{}, difference.spec];
    const object = { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "d", labels }, spec };
    return { resources: [object], patches: [{ patch, target }] };
  });
  const theirs = await kustomizeBuild(cases, context.signal);
  const shown = fixedDifferences.map((difference, index) => {
    const [entry, their] = [cases[index], theirs[index]];
    const { name } = difference;
    if (entry === undefined || their === undefined) throw new Error(`Cannot compare "${name}": it was not built`);
    const part = "labels" in difference ? labelsOf : specOf;
    return { name, ours: part(build(entry)), theirs: part(their) };
  });
  const told = fixedDifferences.map(({ name, ours, theirs }) => ({ name, ours, theirs }));
  assert.deepEqual(shown, told);
});

/** `/spec` of the one object; undefined when it was refused. */
function specOf(outcome: KustomizeOutcome): JsonValue | undefined {
  return outcome.kind === "refused" ? undefined : Object(outcome.objects[0]).spec;
}

/** Labels of the one object; undefined when it was refused. */
function labelsOf(outcome: KustomizeOutcome): JsonValue | undefined {
  return outcome.kind === "refused" ? undefined : Object(outcome.objects[0]).metadata.labels;
}

function build({ resources, patches }: ObjectCase): KustomizeOutcome {
  try {
    const outcome = applyPatches(
      resources.map((object) => ({ object })),
      patches,
    );
    return { kind: "built", objects: outcome.resources.map(({ object }) => object) };
  } catch (cause) {
    if (cause instanceof PatchError) return { kind: "refused", message: cause.message };
    throw cause;
  }
}

/** Equal text for equal objects in any order. */
function outcomeText(outcome: KustomizeOutcome): string {
  return outcome.kind === "refused" ? "refused" : outcome.objects.map(canonicalJson).toSorted().join("\n");
}

function describe(entry: KustomizeCase, own: KustomizeOutcome, their: KustomizeOutcome): string {
  return [
    ...entry.patches.map((patch, index) => `patch ${index}: ${JSON.stringify(patch)}`),
    `objects: ${canonicalJson(entry.resources)}`,
    ...differences(textsOf(own), textsOf(their)),
    "",
  ].join("\n");
}

function textsOf(outcome: KustomizeOutcome): JsonValue {
  if (outcome.kind === "refused") return outcome.message;
  const texts = outcome.objects.map((object): [string, JsonValue] => [nameOf(object), object]);
  return Object.fromEntries(texts);
}

function nameOf(object: JsonValue): string {
  const { kind, metadata } = Object(object);
  return `${kind}/${metadata?.namespace}/${metadata?.name}`;
}

/** Only what differs, a line each. */
function differences(own: JsonValue, their: JsonValue, path = ""): readonly string[] {
  if (deepEqual(own, their)) return [];
  if (!isJsonObject(own) || !isJsonObject(their)) {
    return [`${path}: ours ${JSON.stringify(own)}, kustomize ${JSON.stringify(their)}`];
  }
  const keys = [...new Set([...Object.keys(own), ...Object.keys(their)])];
  return keys.flatMap((key) => differences(memberOf(own, key), memberOf(their, key), `${path}/${key}`));
}

function memberOf(value: { readonly [key: string]: JsonValue }, key: string): JsonValue {
  return value[key] === undefined ? "(absent)" : value[key];
}
