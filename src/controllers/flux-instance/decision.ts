import type { DeletionPolicy } from "../../api/spec.ts";
import type { UpgradeGate } from "../../api/upgrade-policy.ts";
import type { Target } from "../../render/target.ts";
import type { ReasonedError } from "../../std/errors.ts";
import type { FailedAttempt } from "./last-good.ts";
import type { World } from "./world.ts";

/** What a reconcile does; `settle` wants nothing new, and only verifies and repairs. */
export type Decision =
  | { readonly kind: "elsewhere" }
  | { readonly kind: "suspend" }
  | { readonly kind: "uninstall"; readonly policy: DeletionPolicy }
  | { readonly kind: "refuse"; readonly error: ReasonedError }
  | ({ readonly kind: "install" | "upgrade" } & TargetWithNews)
  /** `isChecked`: the preflight has been made by an upgrade that it refused. */
  | ({ readonly kind: "settle"; readonly isChecked?: boolean } & TargetWithNews)
  /** The upgrade policy keeps an upgrade waiting, and `obstacle` says why nothing else can be done meanwhile. */
  | { readonly kind: "wait"; readonly hold: Hold; readonly obstacle: Obstacle }
  | Rollback;

/** `problem`: why it is not something newer. `hold`: what it will become later, because the upgrade policy says so. */
export type TargetWithNews = Target & { readonly problem?: ReasonedError; readonly hold?: Hold };

/** A decision that `act` carries out. */
export type Converging = Extract<Decision, { readonly kind: "install" | "upgrade" | "settle" | "rollback" }>;

/** `install` before anything was applied, `settle` where this very revision was. */
export function modeOf({ recorded }: World, { rendering }: Target): "install" | "upgrade" | "settle" {
  if (recorded.lastAppliedRevision === undefined) return "install";
  return recorded.lastAppliedRevision === rendering.revision ? "settle" : "upgrade";
}

/** Why what runs cannot be looked after while an upgrade waits. */
export type Obstacle =
  /** Its release is not at hand. */
  | { readonly kind: "unknown-release" }
  /** The spec cannot be built with its release; `message` says why. */
  | { readonly kind: "unbuildable"; readonly message: string };

/** An upgrade that the policy of the spec lets nobody start now. */
export type Hold = {
  readonly gate: Exclude<UpgradeGate, { readonly kind: "open" }>;
  /** What the instance becomes once it may. */
  readonly waiting: Target;
  /** The version that runs. */
  readonly from: string;
};

/** The last good revision in the place of one that failed. */
export type Rollback = {
  readonly kind: "rollback";
  readonly failed: FailedAttempt;
  /** Why there is nothing newer to be tried. */
  readonly problem?: ReasonedError;
} & Target;
