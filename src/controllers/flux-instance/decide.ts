import { parseStoredFluxInstance } from "../../api/flux-instance.ts";
import type { DeletionPolicy } from "../../api/spec.ts";
import { fieldsOf, textOf } from "../../kube/fields.ts";
import { targetOf, type Catalogue, type Target } from "../../render/target.ts";
import { ReasonedError } from "../../std/errors.ts";
import type { World } from "./world.ts";

export type { Catalogue, Target } from "../../render/target.ts";

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
    const target = targetOf(parseStoredFluxInstance(world.instance), catalogue);
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
