import assert from "node:assert/strict";
import { test } from "node:test";
import { contextOf, releaseOf, specOf } from "../../../test/support/small-release.ts";
import type { CanonicalSpec, Component } from "../../api/spec.ts";
import type { LiveDigests } from "../../distribution/images.ts";
import type { Release } from "../../distribution/release.ts";
import { planImages } from "./pin-images.ts";

const components: readonly Component[] = ["source-controller", "helm-controller"];
const digest = `sha256:${"0".repeat(64)}`;
const image = { tag: "v1.9.4", digest };
const whole: Release = {
  ...releaseOf("2.9.4", components),
  images: { "upstream-alpine": { "source-controller": image, "helm-controller": image } },
};
const half: Release = { ...whole, images: { "upstream-alpine": { "source-controller": image } } };

function plan(release: Release, distribution: Partial<CanonicalSpec["distribution"]>, live?: LiveDigests) {
  const { images, ...others } = planImages(contextOf(specOf({ components, distribution }), release, live));
  return { images: Object.fromEntries(images), ...others };
}
const at = (registry: string, component: string) => ({ repository: `${registry}/${component}`, tag: "v1.0.0" });
const pinnedAt = (registry: string, component: string) => ({ repository: `${registry}/${component}`, ...image });

for (const { name, release, distribution, want } of [
  {
    name: "pins every image of a known registry",
    release: whole,
    distribution: { registry: "ghcr.io/fluxcd" },
    want: {
      images: {
        "fluxcd/source-controller": pinnedAt("ghcr.io/fluxcd", "source-controller"),
        "fluxcd/helm-controller": pinnedAt("ghcr.io/fluxcd", "helm-controller"),
      },
    },
  },
  {
    name: "says that a mirror without variant is not pinned",
    release: whole,
    distribution: { registry: "mirror.example" },
    want: {
      images: {
        "fluxcd/source-controller": at("mirror.example", "source-controller"),
        "fluxcd/helm-controller": at("mirror.example", "helm-controller"),
      },
      unpinned: {
        reason: "registry mirror.example is not a known one: set spec.distribution.variant to what it mirrors",
        components,
      },
    },
  },
  {
    name: "says which component the variant lacks",
    release: half,
    distribution: { registry: "mirror.example", variant: "upstream-alpine" as const },
    want: {
      images: {
        "fluxcd/source-controller": pinnedAt("mirror.example", "source-controller"),
        "fluxcd/helm-controller": at("mirror.example", "helm-controller"),
      },
      unpinned: {
        reason: "the upstream-alpine images of Flux 2.9.4 lack helm-controller",
        components: ["helm-controller"],
      },
    },
  },
]) {
  test(`planImages() ${name}`, () => assert.deepEqual(plan(release, distribution), want));
}

test("planImages() refuses images without digest where digests are required", () => {
  assert.throws(() => plan(half, { requireDigests: true }), {
    reason: "BuildFailed",
    message:
      "Cannot build the instance: spec.distribution.requireDigests true cannot be kept, no digest is known for " +
      "helm-controller; the upstream-alpine images of Flux 2.9.4 lack helm-controller",
  });
});

const fresh = `sha256:${"1".repeat(64)}`;
const registry = { registry: "mirror.example", digests: "Registry" } as const;

test("planImages() pins with the registry's digests, and tells which it has used", () => {
  const digests = { "mirror.example/source-controller:v1.0.0": fresh, "mirror.example/helm-controller:v1.0.0": digest };
  const live = { resolved: { ...digests, "mirror.example/source-controller:v0.9.0": fresh } };
  assert.deepEqual(plan(whole, registry, live), {
    images: {
      "fluxcd/source-controller": { ...at("mirror.example", "source-controller"), digest: fresh },
      "fluxcd/helm-controller": { ...at("mirror.example", "helm-controller"), digest },
    },
    digests,
  });
});

test("planImages() refuses what the registry did not resolve where digests are required", () => {
  const live = { resolved: { "mirror.example/source-controller:v1.0.0": fresh }, trouble: "it is away" };
  assert.throws(() => plan(whole, { ...registry, requireDigests: true }, live), {
    reason: "BuildFailed",
    message:
      "Cannot build the instance: spec.distribution.requireDigests true cannot be kept, no digest is known for " +
      "helm-controller; it is away",
  });
});
