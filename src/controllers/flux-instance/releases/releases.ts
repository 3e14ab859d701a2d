import type { Catalogue } from "../../../render/target.ts";
import type { ReasonedError } from "../../../std/errors.ts";

/** The releases that an instance can choose from, as `gather` found them. */
export type Releases =
  /** `problem`: why nothing newer could be looked for, or used; what is held goes on meanwhile. */
  | {
      readonly kind: "found";
      readonly catalogue: Catalogue;
      readonly problem?: ReasonedError;
      readonly good?: Catalogue;
    }
  | { readonly kind: "none"; readonly problem: ReasonedError; readonly good?: Catalogue };

/*
 * `good` is what the last successful reconcile chose from, where that is still held: a spec that has not changed since goes on with
 * it when nothing can be made of what came after.
 */
