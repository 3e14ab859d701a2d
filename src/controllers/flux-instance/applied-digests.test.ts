import assert from "node:assert/strict";
import { test } from "node:test";
import { releaseOf } from "../../../test/support/small-release.ts";
import type { Rendering } from "../../render/rendering.ts";
import { appliedDigests, digestsThatRun, mayChangeImages, rebuiltImages } from "./applied-digests.ts";
import type { LastGoodState } from "./last-good.ts";

const [one, two] = [`sha256:${"1".repeat(64)}`, `sha256:${"2".repeat(64)}`];
const repository = "mirror.example/source-controller";
const image = `${repository}:v1`;
const component = { name: "source-controller", repository, tag: "v1" };

function worldOf(components: readonly object[], digests?: { readonly [image: string]: string }) {
  const good = { spec: {}, release: releaseOf("2.9.0"), version: "2.9.0", revision: "v2.9.0@sha256:0", generation: 1 };
  const lastGood: LastGoodState =
    digests === undefined ? { kind: "absent" } : { kind: "known", good: { ...good, digests } };
  return { recorded: { conditions: [], components: components.map((entry) => ({ ...entry })) }, lastGood };
}

for (const { name, world, want } of [
  { name: "is empty before an installation", world: worldOf([]), want: {} },
  { name: "has what status says", world: worldOf([{ ...component, digest: one }]), want: { [image]: one } },
  { name: "leaves out what is not pinned", world: worldOf([component]), want: {} },
  {
    name: "has what the record says before what status says",
    world: worldOf([{ ...component, digest: one }], { [image]: two }),
    want: { [image]: two },
  },
]) {
  test(`appliedDigests() ${name}`, () => assert.deepEqual(appliedDigests(world), want));
}

type Images = Pick<Rendering, "images" | "digests">;
const rendered = (digest: string): Images["images"] => [{ name: "source-controller", repository, tag: "v1", digest }];

for (const { name, rendering, want } of [
  {
    name: "names a tag that has another digest",
    rendering: { images: rendered(two), digests: { [image]: two } },
    want: ["source-controller"],
  },
  { name: "has none of the same digest", rendering: { images: rendered(one), digests: { [image]: one } }, want: [] },
  { name: "has none where digests are the release's", rendering: { images: rendered(two) }, want: [] },
  {
    name: "has none where a patch sets the image",
    rendering: { images: rendered(two), digests: { [image]: one } },
    want: [],
  },
] satisfies readonly { name: string; rendering: Images; want: readonly string[] }[]) {
  test(`rebuiltImages() ${name}`, () =>
    assert.deepEqual(rebuiltImages(rendering, worldOf([{ ...component, digest: one }])), want));
}

const other = "mirror.example/helm-controller:v1";
const live = { resolved: { [image]: two, [other]: two }, trouble: "it is away" };

for (const { name, world, want } of [
  {
    name: "keeps the digest of what runs",
    world: worldOf([{ ...component, digest: one }]),
    want: { ...live, resolved: { [image]: one, [other]: two } },
  },
  {
    name: "gives none to what runs by its tag",
    world: worldOf([component]),
    want: { ...live, resolved: { [other]: two } },
  },
  { name: "takes the registry's for what does not run", world: worldOf([]), want: live },
]) {
  test(`digestsThatRun() ${name}`, () => assert.deepEqual(digestsThatRun({ live }, world), want));
}

test("digestsThatRun() is nothing where the registry was not asked", () =>
  assert.equal(digestsThatRun({}, worldOf([component])), undefined));

for (const { name, components, want } of [
  { name: "is true of a rebuilt image", components: [{ ...component, digest: one }], want: true },
  { name: "is true of one that runs by its tag", components: [component], want: true },
  { name: "is false of the same digest", components: [{ ...component, digest: two }], want: false },
  { name: "is false of one that does not run", components: [], want: false },
]) {
  test(`mayChangeImages() ${name}`, () =>
    assert.equal(
      mayChangeImages({ images: rendered(two ?? ""), digests: { [image]: two ?? "" } }, worldOf(components)),
      want,
    ));
}
