import assert from "node:assert/strict";
import { test } from "node:test";

import { ManifestError, chooseLayer, choosePlatform, parseManifest } from "./manifest.ts";
import type { Descriptor, PlatformManifest } from "./manifest.ts";

const oci = "application/vnd.oci.image.manifest.v1+json";
const ociIndex = "application/vnd.oci.image.index.v1+json";
const docker = "application/vnd.docker.distribution.manifest.v2+json";
const dockerList = "application/vnd.docker.distribution.manifest.list.v2+json";
const flux = "application/vnd.cncf.flux.content.v1.tar+gzip";
const digest = (character: string): string => `sha256:${character.repeat(64)}`;
const entry = { mediaType: flux, digest: digest("a"), size: 7 };
const layer: Descriptor = { mediaType: flux, digest: digest("a"), sizeBytes: 7 };
const bytes = (value: unknown): Uint8Array =>
  value instanceof Uint8Array ? value : Buffer.from(typeof value === "string" ? value : JSON.stringify(value));

for (const { name, body, contentType, want } of [
  {
    name: "reads a manifest of OCI",
    body: { schemaVersion: 2, mediaType: oci, config: {}, layers: [entry] },
    contentType: oci,
    want: { kind: "manifest", mediaType: oci, layers: [layer] },
  },
  {
    name: "reads a manifest of Docker",
    body: { schemaVersion: 2, mediaType: docker, layers: [entry] },
    contentType: `${docker}; charset=utf-8`,
    want: { kind: "manifest", mediaType: docker, layers: [layer] },
  },
  {
    name: "takes the type from the header where the body has none",
    body: { schemaVersion: 2, manifests: [entry] },
    contentType: dockerList,
    want: { kind: "index", mediaType: dockerList, manifests: [{ ...layer, platform: undefined }] },
  },
  {
    name: "takes the type from the body where the header says nothing",
    body: {
      schemaVersion: 2,
      mediaType: ociIndex,
      manifests: [{ ...entry, platform: { os: "linux", architecture: "arm64" } }],
    },
    contentType: "text/plain",
    want: { kind: "index", mediaType: ociIndex, manifests: [{ ...layer, platform: "linux/arm64" }] },
  },
  {
    name: "tells an index without any type by its manifests",
    body: { schemaVersion: 2, manifests: [] },
    contentType: undefined,
    want: { kind: "index", mediaType: ociIndex, manifests: [] },
  },
  {
    name: "tells a manifest without any type by the want of them",
    body: { schemaVersion: 2, layers: [] },
    contentType: undefined,
    want: { kind: "manifest", mediaType: oci, layers: [] },
  },
]) {
  test(`parseManifest() ${name}`, () => assert.deepEqual(parseManifest(bytes(body), contentType), want));
}

for (const { name, body, contentType = oci, want } of [
  { name: "HTML", body: "<html>", want: "malformed: it is no JSON" },
  { name: "bytes that are no text", body: Uint8Array.of(0x22, 0xff, 0x22), want: "malformed: it is no JSON" },
  { name: "a list", body: [], want: "malformed: it is no JSON object" },
  { name: "no schema version", body: {}, want: "malformed: schemaVersion is not 2" },
  {
    name: "schema 1",
    body: { schemaVersion: 1, fsLayers: [] },
    want: "unsupported: it is a Docker manifest of schema 1, which is obsolete; push it again",
  },
  {
    name: "a type that it does not know",
    body: { schemaVersion: 2, mediaType: "application/x", layers: [] },
    want: 'unsupported: its mediaType "application/x" is neither a manifest nor an index',
  },
  {
    name: "a body that contradicts the header",
    body: { schemaVersion: 2, mediaType: ociIndex, manifests: [] },
    want: `malformed: it was sent as ${oci} and says that it is ${ociIndex}`,
  },
  {
    name: "a manifest that is an index as well",
    body: { schemaVersion: 2, layers: [], manifests: [] },
    want: `malformed: it is of type ${oci} and yet has manifests`,
  },
  {
    name: "an index that is a manifest as well",
    body: { schemaVersion: 2, layers: [], manifests: [] },
    contentType: ociIndex,
    want: `malformed: it is of type ${ociIndex} and yet has layers`,
  },
  { name: "layers that are no list", body: { schemaVersion: 2, layers: {} }, want: "malformed: layers is no list" },
  {
    name: "too many layers",
    body: { schemaVersion: 2, layers: Array.from({ length: 1_001 }, () => entry) },
    want: "malformed: layers has more than 1000 entries",
  },
  {
    name: "a layer that is null",
    body: { schemaVersion: 2, layers: [null] },
    want: "malformed: layers[0] is no object",
  },
  {
    name: "a layer without a type",
    body: { schemaVersion: 2, layers: [{ digest: digest("a"), size: 1 }] },
    want: "malformed: layers[0].mediaType is no media type",
  },
  {
    name: "a digest that is a path",
    body: { schemaVersion: 2, layers: [entry, { ...entry, digest: "sha256:../../secrets" }] },
    want: "malformed: layers[1].digest is no sha256 digest",
  },
  {
    name: "another algorithm",
    body: { schemaVersion: 2, layers: [{ ...entry, digest: `md5:${"a".repeat(32)}` }] },
    want: "malformed: layers[0].digest is no sha256 digest",
  },
  {
    name: "a size below zero",
    body: { schemaVersion: 2, layers: [{ ...entry, size: -1 }] },
    want: "malformed: layers[0].size is no size",
  },
  {
    name: "a size that is no integer",
    body: { schemaVersion: 2, layers: [{ ...entry, size: 1e300 }] },
    want: "malformed: layers[0].size is no size",
  },
]) {
  test(`parseManifest() refuses ${name}`, () =>
    assert.equal(
      refusal(() => parseManifest(bytes(body), contentType)),
      want,
    ));
}

const on = (platform: string | undefined, character: string): PlatformManifest => ({
  mediaType: oci,
  digest: digest(character),
  sizeBytes: 1,
  platform,
});

for (const { name, manifests, want } of [
  { name: "takes the only one, whatever its platform", manifests: [on("linux/s390x", "a")], want: digest("a") },
  {
    name: "takes linux/amd64 among several",
    manifests: [on("linux/arm64", "a"), on("linux/amd64", "b")],
    want: digest("b"),
  },
  {
    name: "takes the first where none has a platform",
    manifests: [on(undefined, "a"), on(undefined, "b")],
    want: digest("a"),
  },
  {
    name: "passes over attestations",
    manifests: [on("unknown/unknown", "a"), on("linux/arm64", "b")],
    want: digest("b"),
  },
]) {
  test(`choosePlatform() ${name}`, () => assert.equal(choosePlatform(manifests).digest, want));
}

for (const { name, act, want } of [
  {
    name: "choosePlatform() refuses an empty index",
    act: () => choosePlatform([]),
    want: "malformed: the index names no manifest",
  },
  {
    name: "choosePlatform() refuses attestations alone",
    act: () => choosePlatform([on("unknown/unknown", "a")]),
    want: "malformed: the index names no manifest",
  },
  {
    name: "choosePlatform() names the platforms that there are",
    act: () => choosePlatform([on("windows/amd64", "a"), on("linux/arm64", "b")]),
    want: "unsupported: the index has no manifest for linux/amd64, only for linux/arm64, windows/amd64",
  },
  {
    name: "chooseLayer() refuses a manifest without layers",
    act: () => chooseLayer([]),
    want: "malformed: it has no layers",
  },
  {
    name: "chooseLayer() refuses a Helm chart",
    act: () => chooseLayer([{ ...layer, mediaType: "application/vnd.cncf.helm.chart.content.v1.tar+gzip" }, layer]),
    want: `unsupported: its first layer is of type "application/vnd.cncf.helm.chart.content.v1.tar+gzip", not a tarball such as ${flux}; push it with \`flux push artifact\``,
  },
]) {
  test(name, () => assert.equal(refusal(act), want));
}

test("chooseLayer() takes the first", () =>
  assert.equal(chooseLayer([layer, { ...layer, digest: digest("b") }]), layer));

function refusal(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof ManifestError) return `${error.kind}: ${error.message}`;
    throw error;
  }
  return "taken";
}
