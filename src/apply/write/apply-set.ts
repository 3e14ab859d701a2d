import { gvkOf } from "../../kube/gvk.ts";
import { objectIdOf } from "../../kube/object-id.ts";
import type { KubeObject } from "../../kube/object.ts";
import { applyPlaceOf, compareForApply } from "../../kube/order.ts";
import { mapConcurrent } from "../../std/concurrent.ts";
import type { Change } from "../change-set.ts";
import { waitUntilReady, type WaitDeps, type WaitOptions, type WaitResult } from "../health/wait.ts";
import type { PlannedObject } from "../planned-object.ts";
import { requestLimit } from "../request.ts";
import { applyObject, type ApplyObjectDeps } from "./apply-object.ts";

/** Objects that are applied together; the next stage starts when those in `waitFor` are ready. */
export type Stage = {
  readonly name: string;
  readonly objects: readonly PlannedObject[];
  readonly waitFor: readonly KubeObject[];
  /** Done when the stage is ready, before the next one starts. */
  readonly afterwards?: (signal: AbortSignal) => Promise<void>;
};

/** Writes objects, and watches them until they are ready. */
export type ApplyDeps = WaitDeps & ApplyObjectDeps;

/** What was changed, and how the last wait ended. */
export type ApplyResult = {
  readonly changes: readonly Change[];
  /** How the wait of the last stage that was applied ended. */
  readonly wait: WaitResult;
};

/**
 * Applies stage after stage, and stops after one whose objects do not become ready. Throws as `applyObject`, or an AggregateError of several
 * failures in one wave.
 */
export async function applyStages(
  stages: readonly Stage[],
  wait: WaitOptions,
  deps: ApplyDeps,
  signal: AbortSignal,
): Promise<ApplyResult> {
  const changes: Change[] = [];
  for (const stage of stages) {
    if (wait.interrupt.aborted) return { changes, wait: { kind: "interrupted" } };
    changes.push(...(await applyStage(stage, wait.timeoutMs, deps, signal)));
    const result = await waitUntilReady(stage.waitFor, wait, deps, signal);
    if (result.kind !== "ready") return { changes, wait: result };
    await stage.afterwards?.(signal);
  }
  return { changes, wait: { kind: "ready" } };
}

async function applyStage(
  stage: Stage,
  timeoutMs: number,
  deps: ApplyDeps,
  signal: AbortSignal,
): Promise<readonly Change[]> {
  const changes: Change[] = stage.objects
    .filter(({ action }) => action === "unchanged")
    .map(({ object }) => ({ id: objectIdOf(object), action: "unchanged" }));
  for (const wave of waves(stage.objects.filter(({ action }) => action !== "unchanged"))) {
    changes.push(...(await applyWave(wave, timeoutMs, deps, signal)));
  }
  return changes;
}

/** Objects that are written side by side: kinds on which others of the same stage rely come in a wave before them. */
function waves(objects: readonly PlannedObject[]): readonly (readonly PlannedObject[])[] {
  const sorted = objects.toSorted((left, right) => compareForApply(left.object, right.object));
  return [...Map.groupBy(sorted, ({ object }) => applyPlaceOf(gvkOf(object)).wave).values()];
}

async function applyWave(
  wave: readonly PlannedObject[],
  timeoutMs: number,
  deps: ApplyDeps,
  signal: AbortSignal,
): Promise<readonly Change[]> {
  return await mapConcurrent(wave, requestLimit, (planned) => applyObject(planned, timeoutMs, deps, signal));
}
