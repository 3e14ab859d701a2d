import type { CanonicalSpec } from "../api/spec.ts";
import { noLiveDigests, type LiveDigests } from "../distribution/images.ts";
import type { Release } from "../distribution/release.ts";
import { checkShapes } from "./check-shapes.ts";
import type { RenderContext, Stage } from "./draft.ts";
import { renderedImages } from "./images.ts";
import type { InstanceRef, Rendering } from "./rendering.ts";
import { revisionOf } from "./revision.ts";
import { acceptExternalArtifacts } from "./transforms/accept-external-artifacts.ts";
import { configureControllers } from "./transforms/configure-controllers.ts";
import { fitClusterType } from "./transforms/fit-cluster-type.ts";
import { fitSize } from "./transforms/fit-size.ts";
import { grantIdentity } from "./transforms/grant-identity.ts";
import { ignoredPathsOf } from "./transforms/ignore-drift.ts";
import { knowOperatorKinds } from "./transforms/know-operator-kinds.ts";
import { lockDown } from "./transforms/lock-down.ts";
import { nameRoles } from "./transforms/name-roles.ts";
import { normalise } from "./transforms/normalise.ts";
import { patchObjects } from "./transforms/patch-objects.ts";
import { pinImages, planImages, refuseUnpinned } from "./transforms/pin-images.ts";
import { selectObjects } from "./transforms/select-objects.ts";
import { shard } from "./transforms/shard.ts";
import { stampCommonMetadata, stampManaged, stampNamespace } from "./transforms/stamp.ts";
import { store } from "./transforms/store.ts";
import { sync } from "./transforms/sync.ts";
import { useCloudIdentity } from "./transforms/use-cloud-identity.ts";
import { useProxy } from "./transforms/use-proxy.ts";

/** The order of the stages determines the order of flags and list items, on which users' patches by index rely. */
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
 * All objects of an instance with `release`, and with the digests of `live` where those come from the registry. Pure: the same input gives the
 * same bytes, and unchanged parts are shared with the input. Throws RenderError (BuildFailed, NeedsNewerOperator) and, for the user's patches,
 * PatchError.
 */
export function renderInstance(
  spec: CanonicalSpec,
  release: Release,
  instance: InstanceRef,
  live: LiveDigests = noLiveDigests,
): Rendering {
  const context: RenderContext = { spec, release, instance, live };
  const selected = selectObjects(context);
  checkShapes(context);
  const plan = planImages(context);
  const built = stages.reduce((drafts, stage) => stage(drafts, context), selected);
  const { drafts, reports } = patchObjects(built, context);
  const patched = stampNamespace(drafts, context);
  const ignoredPaths = ignoredPathsOf(patched, context);
  const objects = patched.map(({ object }) => object);
  const pinned = pinImages(objects, plan);
  refuseUnpinned(pinned, context);
  const finished = normalise(stampManaged(pinned, context));
  return {
    version: release.version,
    revision: revisionOf(release.version, finished),
    objects: stampCommonMetadata(finished, context),
    images: renderedImages(spec.components, finished),
    patches: reports,
    ...(ignoredPaths.size === 0 ? {} : { ignoredPaths }),
    ...(plan.digests === undefined ? {} : { digests: plan.digests }),
    ...(plan.unpinned === undefined ? {} : { unpinned: plan.unpinned }),
  };
}
