import { canonicalSpec } from "../../src/api/canonical.ts";
import { parseFluxInstance } from "../../src/api/flux-instance.ts";
import type { CanonicalSpec } from "../../src/api/spec.ts";
import { findRelease } from "../../src/distribution/catalog.ts";
import { embeddedVersions, loadRelease } from "../../src/distribution/load.ts";
import type { Release } from "../../src/distribution/release.ts";
import { renderInstance } from "../../src/render/render-instance.ts";
import type { InstanceRef, Rendering } from "../../src/render/rendering.ts";
import { parseKubeYaml } from "../../src/std/yaml.ts";
import { deepFreeze } from "./golden-cases.ts";

/** All that a rendering depends on. */
export type RenderInput = { readonly spec: CanonicalSpec; readonly release: Release; readonly instance: InstanceRef };

/** Takes a manifest through the doors that the operator takes it through; throws what they throw. Frozen to the bottom. */
export function readRenderInput(yaml: string): RenderInput {
  const document = parseKubeYaml(yaml);
  const { metadata, spec: written } = parseFluxInstance(document);
  const namespace = metadata.namespace ?? "flux-system";
  const spec = canonicalSpec(written, namespace);
  const found = findRelease(spec.distribution.version, embeddedVersions);
  if (found.kind !== "found") throw new NoReleaseError(found.message);
  return deepFreeze({ spec, release: loadRelease(found.version), instance: { name: metadata.name, namespace } });
}

export class NoReleaseError extends Error {}

export function render({ spec, release, instance }: RenderInput): Rendering {
  return renderInstance(spec, release, instance);
}
