import type { ApiClient } from "../client/api-client.ts";
import { ApiError } from "../client/api-error.ts";
import { mapConcurrent } from "../std/concurrent.ts";
import { errorMessage, ReasonedError } from "../std/errors.ts";
import { groupKindKey, gvkOf } from "../kube/gvk.ts";
import type { KubeObject } from "../kube/object.ts";
import { nameObject, objectIdOf } from "../kube/object-id.ts";
import { compareForApply } from "../kube/order.ts";
import type { Change } from "./change-set.ts";
import type { Ledger } from "./ledger.ts";
import { fieldManager, requestLimit, type PlannedObject } from "./plan-apply.ts";
import { waitUntilReady, type WaitDeps, type WaitOptions, type WaitResult } from "./wait.ts";

/** Objects that are applied together; the next stage starts when those in `waitFor` are ready. */
export type Stage = {
  readonly name: string;
  readonly objects: readonly PlannedObject[];
  readonly waitFor: readonly KubeObject[];
  /** Done when the stage is ready, before the next one starts. */
  readonly afterwards?: (signal: AbortSignal) => Promise<void>;
};

export type ApplyDeps = WaitDeps & {
  readonly client: Pick<ApiClient, "apply" | "list" | "watch">;
  readonly ledger: Ledger;
};

export type ApplyResult = {
  readonly changes: readonly Change[];
  /** How the wait of the last stage that was begun ended. */
  readonly wait: WaitResult;
};

/** The API server refused objects while they were being written. */
export class ApplyError extends ReasonedError {}

/** Applies stage after stage; stops after one whose objects do not become ready. Throws ApplyError. */
export async function applyStages(
  stages: readonly Stage[],
  wait: WaitOptions,
  deps: ApplyDeps,
  signal: AbortSignal,
): Promise<ApplyResult> {
  const changes: Change[] = [];
  for (const stage of stages) {
    if (wait.interrupt.aborted) return { changes, wait: { kind: "interrupted" } };
    changes.push(...(await applyStage(stage, deps, signal)));
    const result = await waitUntilReady(stage.waitFor, wait, deps, signal);
    if (result.kind !== "ready") return { changes, wait: result };
    await stage.afterwards?.(signal);
  }
  return { changes, wait: { kind: "ready" } };
}

async function applyStage(stage: Stage, deps: ApplyDeps, signal: AbortSignal): Promise<readonly Change[]> {
  const changes: Change[] = stage.objects
    .filter(({ action }) => action === "unchanged")
    .map(({ object }) => ({ id: objectIdOf(object), action: "unchanged" }));
  for (const wave of waves(stage.objects.filter(({ action }) => action !== "unchanged"))) {
    changes.push(...(await applyWave(wave, deps, signal)));
  }
  return changes;
}

/** Kinds on which others of the same stage rely go before them: namespaces, then roles and accounts, then all else. */
const waveOfKind: { readonly [groupKind: string]: number } = {
  Namespace: 0,
  "ClusterRole.rbac.authorization.k8s.io": 1,
  ServiceAccount: 1,
};
const lastWave = 2;

function waves(objects: readonly PlannedObject[]): readonly (readonly PlannedObject[])[] {
  const sorted = objects.toSorted((left, right) => compareForApply(left.object, right.object));
  const byWave = Map.groupBy(sorted, ({ object }) => waveOfKind[groupKindKey(gvkOf(object))] ?? lastWave);
  return [...byWave].toSorted(([left], [right]) => left - right).map(([, wave]) => wave);
}

async function applyWave(
  wave: readonly PlannedObject[],
  deps: ApplyDeps,
  signal: AbortSignal,
): Promise<readonly Change[]> {
  return await mapConcurrent(wave, requestLimit, async ({ object, action }): Promise<Change> => {
    try {
      const answer = await deps.client.apply(object, { fieldManager }, signal);
      deps.ledger.record(object, answer);
    } catch (error) {
      throw error instanceof ApiError ? notApplied(object, error) : error;
    }
    return {
      id: objectIdOf(object),
      action: action === "configure" || action === "migrate" ? "configured" : "created",
    };
  });
}

function notApplied(object: KubeObject, error: ApiError): ApplyError {
  return new ApplyError({
    reason: "ReconciliationFailed",
    retry: "backoff",
    message: `Cannot apply ${nameObject(object)}: ${error.statusMessage || errorMessage(error)}`,
    cause: error,
  });
}
