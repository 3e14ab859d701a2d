import { canonicalSpec } from "../../api/canonical.ts";
import { parseFluxInstance } from "../../api/flux-instance.ts";
import type { CanonicalSpec, DeletionPolicy } from "../../api/spec.ts";
import { findRelease, latestRelease } from "../../distribution/catalog.ts";
import type { Release } from "../../distribution/release.ts";
import { fieldsOf, textOf } from "../../kube/fields.ts";
import { renderInstance } from "../../render/render-instance.ts";
import type { Rendering } from "../../render/rendering.ts";
import { ReasonedError } from "../../std/errors.ts";
import { refuseUnsupported } from "./unsupported.ts";
import type { World } from "./world.ts";

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

/** What a reconcile does; `settle` wants nothing new, and only verifies and repairs. */
export type Decision =
  | { readonly kind: "elsewhere" }
  | { readonly kind: "suspend" }
  | { readonly kind: "uninstall"; readonly policy: DeletionPolicy }
  | { readonly kind: "refuse"; readonly error: ReasonedError }
  | ({ readonly kind: "install" | "upgrade" | "settle" } & Target);

/** Pure. First hit wins: where the instance is, whether it goes, whether it is on hold, whether it can be built. */
export function decide(world: World, catalogue: Catalogue): Decision {
  if (world.key.namespace !== world.ownNamespace) return { kind: "elsewhere" };
  if (world.instance.metadata.deletionTimestamp !== undefined) {
    return { kind: "uninstall", policy: deletionPolicyOf(world) };
  }
  if (world.settings.reconcile === "disabled") return { kind: "suspend" };
  try {
    const target = targetOf(world, catalogue);
    return { kind: modeOf(world, target), ...target };
  } catch (error) {
    if (error instanceof ReasonedError) return { kind: "refuse", error };
    throw error;
  }
}

function modeOf({ recorded }: World, { rendering }: Target): "install" | "upgrade" | "settle" {
  if (recorded.lastAppliedRevision === undefined) return "install";
  return recorded.lastAppliedRevision === rendering.revision ? "settle" : "upgrade";
}

/** Reads the policy without parsing the rest: an instance whose spec is broken can still be deleted. */
function deletionPolicyOf({ instance, settings }: World): DeletionPolicy {
  if (settings.reconcile === "disabled") return "Orphan";
  const policy = textOf(fieldsOf(instance["spec"])["deletionPolicy"]);
  return policy === "KeepResources" || policy === "Orphan" ? policy : "Uninstall";
}

/** The version range finds no release. */
export class NoReleaseError extends ReasonedError {}

function targetOf(world: World, catalogue: Catalogue): Target {
  const { spec: userSpec } = parseFluxInstance(world.instance);
  const spec = canonicalSpec(userSpec, world.key.namespace);
  refuseUnsupported(spec);
  const found = findRelease(spec.distribution.version, catalogue.versions);
  if (found.kind !== "found") {
    throw new NoReleaseError({ reason: "BuildFailed", retry: "on-change", message: found.message });
  }
  const rendering = renderInstance(spec, catalogue.load(found.version), world.key);
  refuseUnpinned(spec, rendering);
  return { spec, rendering, latestVersion: latestRelease(catalogue.versions) ?? found.version };
}

/** Images without a digest, where the spec asks for digests. */
export class UnpinnedImagesError extends ReasonedError {}

function refuseUnpinned(spec: CanonicalSpec, { unpinned }: Rendering): void {
  if (!spec.distribution.requireDigests || unpinned === undefined) return;
  throw new UnpinnedImagesError({
    reason: "BuildFailed",
    retry: "on-change",
    message: `Cannot build the instance: spec.distribution.requireDigests is true and no digest is known for ${unpinned.components.join(", ")}: ${unpinned.reason}; set spec.distribution.variant to what the registry mirrors, or drop requireDigests`,
  });
}
