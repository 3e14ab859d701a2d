import assert from "node:assert/strict";
import { test } from "node:test";

import { buildRelease } from "./build-release.ts";
import { explainNoDigest, imagesFor, trimRegistry, variantOfRegistry } from "./images.ts";
import type { ImageSource } from "./images.ts";

const upstream = `sha256:${"a".repeat(64)}`;
const enterprise = `sha256:${"b".repeat(64)}`;

const release = buildRelease(
  {
    version: "2.2.3",
    components: { "source-controller": "v1.2.5", "helm-controller": "v0.37.4" },
    images: {
      "upstream-alpine": { "source-controller": { tag: "v1.2.4", digest: upstream } },
      "enterprise-distroless": {
        "source-controller": { tag: "v1.2.5", digest: enterprise },
        "helm-controller": { tag: "v0.37.4", digest: enterprise },
      },
    },
  },
  {},
);

for (const [registry, want] of Object.entries({
  fluxcd: "upstream-alpine",
  "ghcr.io/fluxcd": "upstream-alpine",
  "ghcr.io/fluxcd/": "upstream-alpine",
  "ghcr.io/controlplaneio-fluxcd/alpine": "enterprise-alpine",
  "ghcr.io/controlplaneio-fluxcd/distroless": "enterprise-distroless",
  "709825985650.dkr.ecr.us-east-1.amazonaws.com/controlplane/fluxcd": "enterprise-distroless",
  "ghcr.io/controlplaneio-fluxcd/distroless-fips": "enterprise-distroless-fips",
  "mirror.example.com/fluxcd": undefined,
  "mirror.example.com/ghcr.io/fluxcd": undefined,
})) {
  test(`variantOfRegistry("${registry}") is ${want}`, () => assert.equal(variantOfRegistry(registry), want));
}

test("trimRegistry() drops trailing slashes", () => assert.equal(trimRegistry("host:5000/a//"), "host:5000/a"));

const pinned: readonly { name: string; source: ImageSource; want: object }[] = [
  {
    name: "takes tag and digest of the registry's variant",
    source: { registry: "ghcr.io/controlplaneio-fluxcd/distroless/" },
    want: {
      kind: "pinned",
      repository: "ghcr.io/controlplaneio-fluxcd/distroless/source-controller",
      tag: "v1.2.5",
      digest: enterprise,
    },
  },
  {
    name: "takes the variant's tag where it differs from the manifests'",
    source: { registry: "ghcr.io/fluxcd" },
    want: { kind: "pinned", repository: "ghcr.io/fluxcd/source-controller", tag: "v1.2.4", digest: upstream },
  },
  {
    name: "lets the variant override the registry, with a port in its name",
    source: { registry: "mirror.example.com:5000/flux/", variant: "upstream-alpine" },
    want: {
      kind: "pinned",
      repository: "mirror.example.com:5000/flux/source-controller",
      tag: "v1.2.4",
      digest: upstream,
    },
  },
  {
    name: "says that it does not know a mirror, and takes the manifests' tag",
    source: { registry: "mirror.example.com/fluxcd/" },
    want: {
      kind: "unpinned",
      repository: "mirror.example.com/fluxcd/source-controller",
      tag: "v1.2.5",
      why: { kind: "unknown-registry", registry: "mirror.example.com/fluxcd" },
    },
  },
  {
    name: "says that the release lacks the variant",
    source: { registry: "ghcr.io/controlplaneio-fluxcd/distroless-fips" },
    want: {
      kind: "unpinned",
      repository: "ghcr.io/controlplaneio-fluxcd/distroless-fips/source-controller",
      tag: "v1.2.5",
      why: { kind: "variant-not-in-release", variant: "enterprise-distroless-fips", version: "2.2.3" },
    },
  },
];

for (const { name, source, want } of pinned) {
  test(`imagesFor() ${name}`, () => assert.deepEqual(imagesFor(release, source)["source-controller"], want));
}

test("imagesFor() says that the variant lacks a component", () =>
  assert.deepEqual(imagesFor(release, { registry: "fluxcd" })["helm-controller"], {
    kind: "unpinned",
    repository: "fluxcd/helm-controller",
    tag: "v0.37.4",
    why: {
      kind: "component-not-in-variant",
      component: "helm-controller",
      variant: "upstream-alpine",
      version: "2.2.3",
    },
  }));

test("imagesFor() names the components of the release only", () =>
  assert.deepEqual(Object.keys(imagesFor(release, { registry: "fluxcd" })), ["source-controller", "helm-controller"]));

test("explainNoDigest() says what to do", () =>
  assert.equal(
    explainNoDigest({ kind: "unknown-registry", registry: "mirror.example.com" }),
    "registry mirror.example.com is not a known one: set spec.distribution.variant to what it mirrors",
  ));
