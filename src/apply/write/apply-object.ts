import { ApiError } from "../../client/api-error.ts";
import { nameObject, objectIdOf } from "../../kube/object-id.ts";
import type { KubeObject } from "../../kube/object.ts";
import { errorMessage } from "../../std/errors.ts";
import { adoptionOf, takeOver, type TakeOverDeps } from "../adopt/take-over.ts";
import { ApplyError } from "../apply-error.ts";
import type { Change, Takeover } from "../change-set.ts";
import type { Ledger } from "../ledger.ts";
import type { PlannedObject, PlannedAdoption } from "../planned-object.ts";
import { fieldManager } from "../request.ts";
import { deleteForRecreation, type RecreateDeps } from "./recreate.ts";

export type ApplyObjectDeps = TakeOverDeps & RecreateDeps & { readonly ledger: Ledger };

/** Writes one object as planned. `timeoutMs` bounds the wait for what has to go before. Throws ApplyError. */
export async function applyObject(
  planned: PlannedObject,
  timeoutMs: number,
  deps: ApplyObjectDeps,
  signal: AbortSignal,
): Promise<Change> {
  const { object, action, live } = planned;
  try {
    if (action === "recreate" && live !== undefined) await deleteForRecreation(live, timeoutMs, deps, signal);
    const takeover = await applyAndTakeOver(planned, deps, signal);
    return { id: objectIdOf(object), action: outcomes[action], ...(takeover === undefined ? {} : { takeover }) };
  } catch (error) {
    throw error instanceof ApiError ? notApplied(object, error) : error;
  }
}

const outcomes = {
  create: "created",
  blind: "created",
  configure: "configured",
  migrate: "configured",
  recreate: "recreated",
  unchanged: "unchanged",
} as const satisfies { readonly [action in PlannedObject["action"]]: Change["action"] };

async function applyAndTakeOver(
  { object, yielded, shared = false, live, adoption }: PlannedObject,
  deps: ApplyObjectDeps,
  signal: AbortSignal,
): Promise<Takeover | undefined> {
  const applied = yielded ?? object;
  if (adoption !== undefined && live !== undefined) await takeOver({ live, adoption }, applied, deps, signal);
  const answer = await deps.client.apply(applied, { fieldManager }, signal);
  // What could not be dry-run, or was written by others since, shows its previous owners only now.
  const late = adoption === undefined ? adoptionOf(answer, shared, deps) : undefined;
  if (late !== undefined) await takeOver({ live: answer, adoption: late }, applied, deps, signal);
  const final = late === undefined ? answer : await deps.client.apply(applied, { fieldManager }, signal);
  deps.ledger.record(object, final);
  const taken = adoption ?? late;
  return taken === undefined ? undefined : takeoverOf(taken, final);
}

function takeoverOf(adoption: PlannedAdoption, applied: KubeObject): Takeover {
  const still = new Set(adoption.remaining(applied));
  return {
    managers: adoption.managers,
    removed: adoption.removed.filter((path) => !still.has(path)),
    remaining: adoption.removed.filter((path) => still.has(path)),
    ...(adoption.refusal === undefined ? {} : { refusal: adoption.refusal }),
  };
}

function notApplied(object: KubeObject, error: ApiError): ApplyError {
  return new ApplyError({
    reason: "ReconciliationFailed",
    retry: "backoff",
    message: `Cannot apply ${nameObject(object)}: ${error.statusMessage || errorMessage(error)}`,
    cause: error,
  });
}
