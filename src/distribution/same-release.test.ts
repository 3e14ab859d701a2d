import assert from "node:assert/strict";
import { test } from "node:test";
import { releaseOf } from "../../test/support/small-release.ts";
import type { Release } from "./release.ts";
import { isSameRelease } from "./same-release.ts";

const release = releaseOf("2.9.0");
const image = { tag: "v1.0.0", digest: `sha256:${"0".repeat(64)}` };

for (const { name, other, want } of [
  { name: "itself", other: release, want: true },
  { name: "what was read anew", other: releaseOf("2.9.0"), want: true },
  { name: "what was read in another order", other: reversed(release), want: true },
  { name: "another version with the same objects", other: { ...release, version: "2.9.1" }, want: false },
  {
    name: "another digest",
    other: { ...release, images: { "upstream-alpine": { "source-controller": image } } },
    want: false,
  },
  { name: "another object", other: { ...release, components: {} }, want: false },
]) {
  test(`isSameRelease() is ${want} for ${name}`, () => assert.equal(isSameRelease(release, other), want));
}

function reversed({ version, components, rbac, policies, images }: Release): Release {
  return { images, policies, rbac, components, version };
}
