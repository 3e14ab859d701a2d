import assert from "node:assert/strict";
import { test } from "node:test";
import { embeddedVersions, loadRelease } from "../../distribution/load.ts";
import type { Catalogue } from "../../render/target.ts";
import { InputError } from "../input.ts";
import { itemOfArtifact, itemsOf } from "./plan.ts";
import { selectImages, type SelectionOptions } from "./selection.ts";

const embedded: Catalogue = { versions: embeddedVersions, load: (version) => loadRelease(version) };
const source = ["source-controller"] as const;

function places(options: SelectionOptions): readonly string[] {
  const { images } = selectImages(options, embedded);
  return itemsOf(images).map(({ repository, place, tag }) => `${repository} -> ${place}:${tag}`);
}

for (const { name, options, want } of [
  {
    name: "the newest version at its vendor's without flags",
    options: { component: source },
    want: ["oci://ghcr.io/fluxcd/source-controller -> source-controller:v1.9.4"],
  },
  {
    name: "one version of each range, once",
    options: { component: source, version: ["2.9.x", "2.2.x", "2.9.4"] },
    want: [
      "oci://ghcr.io/fluxcd/source-controller -> source-controller:v1.9.4",
      "oci://ghcr.io/fluxcd/source-controller -> source-controller:v1.2.4",
    ],
  },
  {
    name: "a folder for each of several variants",
    options: { component: source, variant: ["enterprise-distroless", "upstream-alpine"] },
    want: [
      "oci://ghcr.io/fluxcd/source-controller -> upstream-alpine/source-controller:v1.9.4",
      "oci://ghcr.io/controlplaneio-fluxcd/distroless/source-controller -> enterprise-distroless/source-controller:v1.9.4",
    ],
  },
  {
    name: "a mirror, as it was written",
    options: { component: source, variant: ["enterprise-alpine", "upstream-alpine"], from: "mirror.example.com/flux/" },
    want: [
      "oci://mirror.example.com/flux/upstream-alpine/source-controller -> upstream-alpine/source-controller:v1.9.4",
      "oci://mirror.example.com/flux/enterprise-alpine/source-controller -> enterprise-alpine/source-controller:v1.9.4",
    ],
  },
] satisfies readonly { name: string; options: SelectionOptions; want: readonly string[] }[]) {
  test(`selectImages() takes ${name}`, () => assert.deepEqual(places(options), want));
}

test("selectImages() reads each image by the digest of its release", () => {
  const { images } = selectImages({ component: source }, embedded);
  const digest = loadRelease("2.9.4").images["upstream-alpine"]?.["source-controller"]?.digest;
  assert.deepEqual(
    itemsOf(images).map(({ name }) => name),
    [digest],
  );
});

for (const { name, options, message } of [
  {
    name: "a version that there is not",
    options: { version: ["1.x"] },
    message: /^--version 1\.x: Cannot find a release for version range "1\.x"/,
  },
  {
    name: "components that the version does not have",
    options: { version: ["2.2.3"], component: ["source-watcher"] },
    message: /^Nothing is chosen: no version has these components$/,
  },
] satisfies readonly { name: string; options: SelectionOptions; message: RegExp }[]) {
  test(`selectImages() refuses ${name}`, () =>
    assert.throws(
      () => selectImages(options, embedded),
      (error) => {
        assert.ok(error instanceof InputError);
        assert.match(error.message, message);
        return true;
      },
    ));
}

for (const { address, want } of [
  {
    address: "oci://ghcr.io/org/manifests:v2.9.4",
    want: { repository: "oci://ghcr.io/org/manifests", name: "v2.9.4", place: "manifests", tag: "v2.9.4" },
  },
  {
    address: `oci://ghcr.io/org/manifests@sha256:${"a".repeat(64)}`,
    want: {
      repository: "oci://ghcr.io/org/manifests",
      name: `sha256:${"a".repeat(64)}`,
      place: "manifests",
      tag: `sha256-digest-${"a".repeat(64)}`,
    },
  },
]) {
  test(`itemOfArtifact() reads ${address.slice(0, 34)}`, () => assert.deepEqual(itemOfArtifact(address), want));
}
