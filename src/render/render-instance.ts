import type { CanonicalSpec } from "../api/spec.ts";
import type { Release } from "../distribution/release.ts";
import { checkShapes } from "./check-shapes.ts";
import type { RenderContext, Stage } from "./draft.ts";
import { renderedImages } from "./images.ts";
import type { InstanceRef, Rendering } from "./rendering.ts";
import { revisionOf } from "./revision.ts";
import { acceptExternalArtifacts } from "./stages/accept-external-artifacts.ts";
import { configureControllers } from "./stages/configure-controllers.ts";
import { fitClusterType } from "./stages/fit-cluster-type.ts";
import { fitSize } from "./stages/fit-size.ts";
import { grantIdentity } from "./stages/grant-identity.ts";
import { ignoredPathsOf } from "./stages/ignore-drift.ts";
import { knowOperatorKinds } from "./stages/know-operator-kinds.ts";
import { lockDown } from "./stages/lock-down.ts";
import { nameRoles } from "./stages/name-roles.ts";
import { normalise } from "./stages/normalise.ts";
import { patchObjects } from "./stages/patch-objects.ts";
import { pinImages, planImages } from "./stages/pin-images.ts";
import { selectObjects } from "./stages/select-objects.ts";
import { shard } from "./stages/shard.ts";
import { stampCommonMetadata, stampManaged, stampNamespace } from "./stages/stamp.ts";
import { store } from "./stages/store.ts";
import { sync } from "./stages/sync.ts";
import { useCloudIdentity } from "./stages/use-cloud-identity.ts";
import { useProxy } from "./stages/use-proxy.ts";

/** Their order decides the order of flags and list items, on which users' patches by index rely. */
const stages: readonly Stage[] = [
  nameRoles,
  configureControllers,
  shard,
  store,
  sync,
  fitClusterType,
  fitSize,
  lockDown,
  acceptExternalArtifacts,
  knowOperatorKinds,
  grantIdentity,
  useCloudIdentity,
  useProxy,
  stampNamespace,
];

/**
 * All objects that an instance of the release consists of. Pure: the same input gives the same bytes, and shares with it
 * what is not changed. Throws RenderError (BuildFailed, NeedsNewerOperator) and, for the user's patches, PatchError.
 */
export function renderInstance(spec: CanonicalSpec, release: Release, instance: InstanceRef): Rendering {
  const context: RenderContext = { spec, release, instance };
  const selected = selectObjects(context);
  checkShapes(context);
  const plan = planImages(context);
  const built = stages.reduce((drafts, stage) => stage(drafts, context), selected);
  const { drafts, reports } = patchObjects(built, context);
  const patched = stampNamespace(drafts, context);
  const ignoredPaths = ignoredPathsOf(patched, context);
  const objects = patched.map(({ object }) => object);
  const finished = normalise(stampManaged(pinImages(objects, plan), context));
  return {
    version: release.version,
    revision: revisionOf(release.version, finished),
    objects: stampCommonMetadata(finished, context),
    images: renderedImages(spec.components, finished),
    patches: reports,
    ...(ignoredPaths.size === 0 ? {} : { ignoredPaths }),
    ...(plan.unpinned === undefined ? {} : { unpinned: plan.unpinned }),
  };
}
