import assert from "node:assert/strict";
import { test } from "node:test";

import { buildRelease } from "./build-release.ts";
import { explainNoDigest, imagesFor, imagesToResolve, trimRegistry, variantOfRegistry } from "./images.ts";
import type { ImageSource, LiveDigests, NoDigest } from "./images.ts";

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

const fresh = `sha256:${"c".repeat(64)}`;
const [mirror, hub] = ["mirror.example.com/flux", "ghcr.io/fluxcd"];
const live: LiveDigests = {
  resolved: { [`${mirror}/source-controller:v1.2.5`]: fresh, [`${hub}/source-controller:v1.2.4`]: fresh },
};
const trouble = "it is away";

const resolved: readonly { name: string; source: ImageSource; live?: LiveDigests; want: object }[] = [
  {
    name: "takes the registry's digest for the variant's tag",
    source: { registry: hub, digests: "Registry" },
    want: { kind: "pinned", repository: `${hub}/source-controller`, tag: "v1.2.4", digest: fresh },
  },
  {
    name: "takes the registry's digest for the manifests' tag of a mirror without variant",
    source: { registry: mirror, digests: "Registry" },
    want: { kind: "pinned", repository: `${mirror}/source-controller`, tag: "v1.2.5", digest: fresh },
  },
  {
    name: "takes it also where the registry is asked by itself",
    source: { registry: mirror, digests: "RegistryIfReachable" },
    want: { kind: "pinned", repository: `${mirror}/source-controller`, tag: "v1.2.5", digest: fresh },
  },
  {
    name: "never takes the release's digest for one that the registry did not give",
    source: { registry: hub, digests: "Registry" },
    live: { resolved: {}, trouble },
    want: {
      kind: "unpinned",
      repository: `${hub}/source-controller`,
      tag: "v1.2.4",
      why: { kind: "unresolved", image: `${hub}/source-controller:v1.2.4`, trouble },
    },
  },
  {
    name: "says why the registry of a mirror could not be asked",
    source: { registry: mirror, digests: "RegistryIfReachable" },
    live: { resolved: {}, trouble },
    want: {
      kind: "unpinned",
      repository: `${mirror}/source-controller`,
      tag: "v1.2.5",
      why: { kind: "unknown-registry", registry: mirror, trouble },
    },
  },
  {
    name: "takes no digest of the registry where those of the release are wanted",
    source: { registry: hub, digests: "Catalog" },
    want: { kind: "pinned", repository: `${hub}/source-controller`, tag: "v1.2.4", digest: upstream },
  },
];

for (const { name, source, live: given = live, want } of resolved) {
  test(`imagesFor() ${name}`, () => assert.deepEqual(imagesFor(release, source, given)["source-controller"], want));
}

for (const { source, want } of [
  { source: { registry: hub }, want: [] },
  { source: { registry: hub, digests: "Catalog" }, want: [] },
  {
    source: { registry: hub, digests: "Registry" },
    want: [`${hub}/helm-controller:v0.37.4`, `${hub}/source-controller:v1.2.4`],
  },
  {
    source: { registry: mirror, digests: "RegistryIfReachable" },
    want: [`${mirror}/helm-controller:v0.37.4`, `${mirror}/source-controller:v1.2.5`],
  },
] satisfies readonly { source: ImageSource; want: readonly string[] }[]) {
  test(`imagesToResolve() with digests ${source.digests} of ${source.registry} is ${want.length} images`, () =>
    assert.deepEqual(
      imagesToResolve(release, source, ["helm-controller", "source-controller", "kustomize-controller"]),
      want,
    ));
}

for (const { why, want } of [
  {
    why: { kind: "unknown-registry", registry: "mirror.example.com" },
    want: "registry mirror.example.com is not a known one: set spec.distribution.variant to what it mirrors",
  },
  {
    why: { kind: "unknown-registry", registry: "mirror.example.com", trouble },
    want: "registry mirror.example.com is not a known one: set spec.distribution.variant to what it mirrors (it is away)",
  },
  {
    why: { kind: "unresolved", image: "mirror.example.com/a:v1" },
    want: "the registry was not asked for mirror.example.com/a:v1",
  },
] satisfies readonly { why: NoDigest; want: string }[]) {
  test(`explainNoDigest() says "${want}"`, () => assert.equal(explainNoDigest(why), want));
}
