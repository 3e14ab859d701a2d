import type { LiveDigests } from "../../../distribution/images.ts";
import type { Catalogue } from "../../../render/target.ts";
import type { ReasonedError } from "../../../std/errors.ts";

/**
 * The releases that an instance can choose from, as `ReleaseSource.find` returns them. `good` is what the last successful reconcile chose from,
 * if that is still cached: a spec that has not changed since uses it when a newer artifact cannot be used.
 */
export type Releases =
  /** `problem`: why nothing newer could be found or used; the cached artifact is used meanwhile. */
  | {
      readonly kind: "found";
      readonly catalogue: Catalogue;
      readonly problem?: ReasonedError;
      readonly good?: Catalogue;
    }
  /** `live`: what the registry said of the images, although not of all that are wanted. */
  | {
      readonly kind: "none";
      readonly problem: ReasonedError;
      readonly good?: Catalogue;
      readonly live?: LiveDigests;
    };
