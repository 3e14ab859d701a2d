import assert from "node:assert/strict";
import { test } from "node:test";
import { PatchError } from "../../src/patch/patch-error.ts";
import { InvalidInstanceError } from "../../src/api/flux-instance.ts";
import { RenderError } from "../../src/render/errors.ts";
import type { Rendering } from "../../src/render/rendering.ts";
import { NoReleaseError, readRenderInput, render } from "../support/build-from-yaml.ts";
import { byId, firstDifference, goldenAbsent, type GoldenResult, readGoldenCases } from "../support/golden-cases.ts";
import { intendedDifferences } from "./differences.ts";

const skip = goldenAbsent ?? false;
const cases = readGoldenCases();

test("every reference case is read", { skip }, () => assert.equal(cases.length, 119));

for (const { name, instanceYaml, want } of cases) {
  test(`renderInstance() equals the reference: ${name}`, { skip: intendedDifferences[name] ?? false }, () => {
    if (want === undefined) {
      assert.throws(() => render(readRenderInput(instanceYaml)), refusesClearly);
      return;
    }
    const input = readRenderInput(instanceYaml);
    const got = render(input);
    compare(got, want);
    assert.equal(JSON.stringify(render(input)), JSON.stringify(got), "the second rendering differs");
  });
}

function compare(got: Rendering, want: GoldenResult): void {
  assert.equal(`v${got.version}`, want.version);
  assert.equal(got.objects.length, want.objects.length, "an object appears twice");
  const difference = firstDifference(byId(got.objects), byId(want.objects));
  if (difference !== undefined) assert.fail(difference);
  const images = got.images.map(({ digest = "", ...image }) => ({ ...image, digest }));
  assert.equal(firstDifference(images, want.images), undefined);
}

/** By an error of ours, which says where and what to do, and not by an accident on the way. */
function refusesClearly(error: unknown): boolean {
  const known = [InvalidInstanceError, NoReleaseError, RenderError, PatchError];
  assert.ok(
    known.some((kind) => error instanceof kind),
    `refused by accident: ${String(error)}`,
  );
  assert.match(String(error), /: Cannot /);
  return true;
}
