import { canonicalSpec } from "../api/canonical.ts";
import type { FluxInstance } from "../api/flux-instance.ts";
import type { CanonicalSpec } from "../api/spec.ts";
import { findRelease, latestRelease } from "../distribution/catalog.ts";
import type { Release } from "../distribution/release.ts";
import { ReasonedError } from "../std/errors.ts";
import { renderInstance } from "./render-instance.ts";
import type { Rendering } from "./rendering.ts";
import { refuseUnsupported } from "./unsupported.ts";

/** The releases that can be installed. */
export type Catalogue = {
  /** Without a leading v, oldest first. */
  readonly versions: readonly string[];
  load(version: string): Release;
};

/** What the instance is to become. */
export type Target = {
  readonly spec: CanonicalSpec;
  readonly rendering: Rendering;
  /** The newest stable release of the catalogue. */
  readonly latestVersion: string;
};

/** The version range finds no release. */
export class NoReleaseError extends ReasonedError {}

/**
 * What a FluxInstance is to become: the one computation behind the controller and the CLI, which differ in how strictly they
 * parse (`parseStoredFluxInstance`, `parseFluxInstance`). Throws UnsupportedFieldError, NoReleaseError, and what `renderInstance`
 * throws; all are ReasonedErrors.
 */
export function targetOf({ metadata, spec: userSpec }: FluxInstance, catalogue: Catalogue): Target {
  const { name, namespace = "" } = metadata;
  const spec = canonicalSpec(userSpec, namespace);
  refuseUnsupported(spec);
  const found = findRelease(spec.distribution.version, catalogue.versions);
  if (found.kind !== "found") {
    const message = `${found.message}; change spec.distribution.version`;
    throw new NoReleaseError({ reason: "BuildFailed", retry: "on-change", message });
  }
  const rendering = renderInstance(spec, catalogue.load(found.version), { name, namespace });
  return { spec, rendering, latestVersion: latestRelease(catalogue.versions) ?? found.version };
}
