// Tests: src/controllers/flux-instance/decide/decide.test.ts
import type { DeletionPolicy } from "../../api/spec.ts";
import type { UpgradeGate } from "../../api/upgrade-policy.ts";
import type { Target } from "../../render/target.ts";
import type { ReasonedError } from "../../std/errors.ts";
import type { FailedAttempt } from "./last-good.ts";
import type { World } from "./world.ts";

/** What a reconcile does, as `decide` has chosen it. `settle` starts nothing new, and only verifies and repairs what is applied. */
export type Decision =
  /** `isLetGo`: it is being deleted, and there is nothing to remove with it, so our finalizer is. */
  | { readonly kind: "elsewhere"; readonly isLetGo: boolean }
  | { readonly kind: "suspend" }
  | { readonly kind: "uninstall"; readonly policy: DeletionPolicy }
  | { readonly kind: "refuse"; readonly error: ReasonedError }
  | ({ readonly kind: "install" | "upgrade" } & TargetWithNews)
  /** `isChecked`: the preflight checks were made by the upgrade that was refused in this reconcile, and are not repeated. */
  | ({ readonly kind: "settle"; readonly isChecked?: boolean } & TargetWithNews)
  /** The upgrade policy keeps an upgrade waiting, and `obstacle` says why nothing else can be done meanwhile. */
  | { readonly kind: "wait"; readonly hold: Hold; readonly obstacle: Obstacle }
  | Rollback;

/**
 * What to apply, with what to report beside it. `problem`: why a newer release is not used. `hold`: the upgrade that the upgrade policy keeps
 * waiting.
 */
export type TargetWithNews = Target & { readonly problem?: ReasonedError; readonly hold?: Hold };

/** A decision that `act` carries out. */
export type Converging = Extract<Decision, { readonly kind: "install" | "upgrade" | "settle" | "rollback" }>;

/** `install` when nothing has been applied yet, `settle` when this revision was applied last, else `upgrade`. */
export function modeOf({ recorded }: World, { rendering }: Target): "install" | "upgrade" | "settle" {
  if (recorded.lastAppliedRevision === undefined) return "install";
  return recorded.lastAppliedRevision === rendering.revision ? "settle" : "upgrade";
}

/** Why what runs cannot be verified and repaired while an upgrade waits. */
export type Obstacle =
  /** The release that runs is in none of the available catalogues, and not in the record of the last good revision. */
  | { readonly kind: "unknown-release" }
  /** The spec cannot be built with the release that runs; `message` says why. */
  | { readonly kind: "unbuildable"; readonly message: string };

/** An upgrade that the upgrade policy does not allow to start now. */
export type Hold = {
  readonly gate: Exclude<UpgradeGate, { readonly kind: "open" }>;
  /** What is applied once the policy allows it. */
  readonly waiting: Target;
  /** The version that runs. */
  readonly from: string;
  /** Why there may be something newer than `waiting`. */
  readonly problem?: ReasonedError;
};

/** The last good revision, applied in place of the one that failed. */
export type Rollback = {
  readonly kind: "rollback";
  readonly failed: FailedAttempt;
  /** Why no newer release can be tried. */
  readonly problem?: ReasonedError;
} & Target;
