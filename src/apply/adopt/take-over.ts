// Tests: src/apply/plan/planned-takeover.test.ts, test/integration/adopted-states.test.ts
import type { ApiClient } from "../../client/api-client.ts";
import { ApiError, isConflict, isNotFound, isRefusal } from "../../client/api-error.ts";
import { gvkOf } from "../../kube/gvk.ts";
import { nameObject, keyOf } from "../../kube/object-id.ts";
import type { KubeObject } from "../../kube/object.ts";
import type { Clock } from "../../std/clock.ts";
import { mergePatchOf } from "../../std/merge-patch.ts";
import { ApplyError } from "../apply-error.ts";
import { comparable } from "../compare.ts";
import type { Installer } from "../installer.ts";
import type { PlannedAdoption, Adoption } from "../planned-object.ts";
import { maxConflicts, pauseAfterConflict } from "../request.ts";
import { adopt, type AdoptOptions } from "./adopt.ts";

/** A client that patches managedFields, and the names of the field managers whose fields are taken over. */
export type TakeOverDeps = {
  readonly client: Pick<ApiClient, "getOrUndefined" | "apply" | "patch">;
  readonly installer: Installer;
  /** Field managers whose fields are taken over, besides those that the installer names. None by default. */
  readonly overrideManagers?: readonly string[];
};

/**
 * What a takeover will do. `shared`: other field managers keep their fields, because the user allows that or because the API server refuses to
 * remove them.
 */
export type ForeseenAdoption = { readonly adoption?: PlannedAdoption; readonly shared: boolean };

type Seen = { readonly live: KubeObject; readonly answer: KubeObject; readonly shared: boolean };

/**
 * How to take `live` over, when `answer` is what the API server said to our dry-run. The removal of the fields of others is dry-run too; when
 * the API server refuses it, as it does for immutable fields, they stay. Throws as ApiClient.
 */
export async function planAdoption(seen: Seen, deps: TakeOverDeps, signal: AbortSignal): Promise<ForeseenAdoption> {
  const { live, shared } = seen;
  const { fieldManager } = deps.installer;
  const adoption = adopt(live, seen.answer, optionsOf(deps, shared));
  if (adoption === undefined) return { shared };
  if (adoption.removed.length === 0) return { adoption: { ...adoption, shared }, shared };
  const value = mergePatchOf(comparable(live), comparable(adoption.after));
  try {
    const ref = { gvk: gvkOf(live), key: keyOf(live) };
    const after = await deps.client.patch(ref, { kind: "merge", value }, { fieldManager, dryRun: true }, signal);
    // A field that the API server sets again is a default, and not one that a previous owner has set.
    const still = new Set(adoption.remaining(after));
    const removed = adoption.removed.filter((path) => !still.has(path));
    return { adoption: { ...adoption, shared, after, removed }, shared };
  } catch (error) {
    if (!(error instanceof ApiError) || !isRefusal(error)) throw error;
    const careful = adopt(seen.live, seen.answer, optionsOf(deps, true));
    if (careful === undefined) return { shared: true };
    return { adoption: { ...careful, shared, refusal: error.statusMessage }, shared: true };
  }
}

/**
 * Makes the fields of previous owners ours. The apply that follows removes those that are not desired. Throws ApplyError when the API server
 * refuses, or after 10 conflicts.
 */
export async function takeOver(
  { live, adoption }: { readonly live: KubeObject; readonly adoption: PlannedAdoption },
  desired: KubeObject,
  deps: TakeOverDeps & { readonly clock: Pick<Clock, "sleep"> },
  signal: AbortSignal,
): Promise<void> {
  const ref = { gvk: gvkOf(desired), key: keyOf(desired) };
  const { fieldManager } = deps.installer;
  let current: { readonly live: KubeObject; readonly adoption: Adoption } = { live, adoption };
  for (let attempt = 1; ; attempt += 1) {
    try {
      await deps.client.patch(ref, { kind: "json", operations: guarded(current) }, { fieldManager }, signal);
      return;
    } catch (error) {
      if (isNotFound(error)) return;
      if (!isConflict(error) || attempt === maxConflicts) {
        throw error instanceof ApiError ? notTaken(desired, error) : error;
      }
    }
    await pauseAfterConflict(attempt, deps.clock, signal);
    const fresh = await deps.client.getOrUndefined(ref.gvk, ref.key, signal);
    if (fresh === undefined) return;
    const answer = await deps.client.apply(desired, { fieldManager, dryRun: true }, signal);
    const next = adopt(fresh, answer, optionsOf(deps, adoption.shared || adoption.refusal !== undefined));
    if (next === undefined) return;
    current = { live: fresh, adoption: next };
  }
}

/** What others still own of an object that was applied without a plan for them, because it could not be dry-run; undefined when they own nothing. */
export function adoptionOf(applied: KubeObject, shared: boolean, deps: TakeOverDeps): PlannedAdoption | undefined {
  const adoption = adopt(applied, applied, optionsOf(deps, shared));
  return adoption === undefined ? undefined : { ...adoption, shared };
}

/** The resourceVersion makes sure that no entry is lost that another client writes at the same moment. */
function guarded({
  live,
  adoption,
}: {
  readonly live: KubeObject;
  readonly adoption: Adoption;
}): Adoption["operations"] {
  const { resourceVersion = "" } = live.metadata;
  return [{ op: "replace", path: "/metadata/resourceVersion", value: resourceVersion }, ...adoption.operations];
}

function optionsOf({ installer, overrideManagers = [] }: TakeOverDeps, keepOthers: boolean): AdoptOptions {
  return { installer, overrideManagers, keepOthers };
}

function notTaken(object: KubeObject, error: ApiError): ApplyError {
  return new ApplyError({
    reason: "ReconciliationFailed",
    retry: "backoff",
    message: `Cannot take over ${nameObject(object)}: ${error.statusMessage}`,
    cause: error,
  });
}
