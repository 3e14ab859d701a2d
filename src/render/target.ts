import type { CanonicalInstance } from "../api/canonical.ts";
import type { CanonicalSpec } from "../api/spec.ts";
import { checkUpgradePolicy } from "../api/upgrade-policy.ts";
import { type FoundRelease, findRelease, latestRelease, type NoReleaseReason } from "../distribution/catalog.ts";
import type { LiveDigests } from "../distribution/images.ts";
import type { Release } from "../distribution/release.ts";
import type { VexSummaries } from "../distribution/vex.ts";
import { ReasonedError, type Retry } from "../std/errors.ts";
import { renderInstance } from "./render-instance.ts";
import type { Rendering } from "./rendering.ts";

/** The releases that can be installed. */
export type Catalogue = {
  /** Without a leading v, oldest first. */
  readonly versions: readonly string[];
  /** The embedded versions, when these are an artifact's: they distinguish a version that the artifact lacks from one that does not exist. */
  readonly known?: readonly string[];
  /** Digest of the artifact that they come from ("sha256:..."); absent for the embedded ones. */
  readonly artifactRevision?: string;
  /** What the registry of the images said; absent when it was not asked. */
  readonly live?: LiveDigests;
  /** Which statements about vulnerabilities come with the releases that have been loaded; absent where that is not known. */
  readonly vex?: VexSummaries;
  /** The release `version` of `versions`. Throws when it cannot be read. */
  load(version: string): Release;
};

/** What an instance is to become. */
export type Target = {
  readonly spec: CanonicalSpec;
  /** What `rendering` was rendered from. */
  readonly release: Release;
  readonly rendering: Rendering;
  /** The newest stable release of the catalogue. */
  readonly latestVersion: string;
  /** Digest of the artifact that the release comes from; absent for an embedded one. */
  readonly artifactRevision?: string;
  /** What `rendering` was rendered with, as in `Catalogue`. */
  readonly live?: LiveDigests;
  /** As in `Catalogue`. */
  readonly vex?: VexSummaries;
};

/** The version range finds no release. */
export class NoReleaseError extends ReasonedError {}

/**
 * What a FluxInstance is to become: the one computation behind the controller and the CLI, which parse with different strictness
 * (`parseStoredFluxInstance`, `parseFluxInstance`). Throws UpgradePolicyError, NoReleaseError, and what `renderInstance` and `Catalogue.load`
 * throw.
 */
export function targetOf({ key, spec }: CanonicalInstance, catalogue: Catalogue): Target {
  checkUpgradePolicy(spec.upgrade);
  const found = findRelease(spec.distribution.version, catalogue.versions, { known: catalogue.known ?? [] });
  if (found.kind !== "found") throw noRelease(found);
  const { versions, artifactRevision, live, vex } = catalogue;
  const latestVersion = latestRelease(versions) ?? found.version;
  const origin = { latestVersion, artifactRevision, live, vex };
  return targetOfRelease({ key, spec }, catalogue.load(found.version), origin);
}

type Origin = {
  readonly latestVersion: string;
  readonly artifactRevision: string | undefined;
  readonly live?: LiveDigests | undefined;
  readonly vex?: VexSummaries | undefined;
};

/** The target of an instance with a release that was found before, whatever the version range in its spec. Throws as `renderInstance`. */
export function targetOfRelease(
  { key, spec }: CanonicalInstance,
  release: Release,
  { latestVersion, artifactRevision, live, vex }: Origin,
): Target {
  const rendering = renderInstance(spec, release, key, live);
  return {
    spec,
    release,
    rendering,
    latestVersion,
    ...(artifactRevision === undefined ? {} : { artifactRevision }),
    ...(live === undefined ? {} : { live }),
    ...(vex === undefined ? {} : { vex }),
  };
}

/** An artifact may have the release at the next look; a range that no known release matches has to be changed. */
const outcomes = {
  "no-such-version": { reason: "BuildFailed", retry: "on-change", remedy: "; change spec.distribution.version" },
  "not-in-artifact": { reason: "ArtifactFailed", retry: "backoff", remedy: "" },
  "needs-newer-operator": { reason: "NeedsNewerOperator", retry: "on-change", remedy: "" },
} as const satisfies Record<NoReleaseReason, { reason: string; retry: Retry; remedy: string }>;

function noRelease(found: Exclude<FoundRelease, { readonly kind: "found" }>): NoReleaseError {
  const { remedy, ...outcome } = outcomes[found.kind === "none" ? found.why : "no-such-version"];
  return new NoReleaseError({ ...outcome, message: found.message + remedy });
}
