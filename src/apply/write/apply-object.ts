// Tests: src/apply/write/apply-set.test.ts, src/apply/plan/planned-takeover.test.ts
import { ApiError } from "../../client/api-error.ts";
import { nameObject, objectIdOf } from "../../kube/object-id.ts";
import type { KubeObject } from "../../kube/object.ts";
import { errorMessage } from "../../std/errors.ts";
import { adoptionOf, takeOver, type TakeOverDeps } from "../adopt/take-over.ts";
import { ApplyError } from "../apply-error.ts";
import type { Change, OnChange, Takeover } from "../change-set.ts";
import type { Ledger } from "../ledger.ts";
import type { ConfiguredObject, PlannedAdoption, PlannedObject } from "../planned-object.ts";
import { deleteForRecreation, type RecreateDeps } from "./recreate.ts";

/** A client that takes over, recreates and applies; the ledger records each answer, and `onChange` is called after each write. */
export type ApplyObjectDeps = TakeOverDeps &
  RecreateDeps & { readonly ledger: Ledger; readonly onChange?: OnChange | undefined };

/** Writes one object as planned. `timeoutMs` bounds the wait for the deletion before a recreation. Throws ApplyError, and ConnectionError. */
export async function applyObject(
  planned: PlannedObject,
  timeoutMs: number,
  deps: ApplyObjectDeps,
  signal: AbortSignal,
): Promise<Change> {
  const { object } = planned;
  try {
    if (planned.action === "recreate") await deleteForRecreation(planned.live, timeoutMs, deps, signal);
    const takeover = await applyAndTakeOver(planned, deps, signal);
    const action = outcomes[planned.action];
    const change: Change = { id: objectIdOf(object), action, ...(takeover === undefined ? {} : { takeover }) };
    deps.onChange?.(change);
    return change;
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
  planned: PlannedObject,
  deps: ApplyObjectDeps,
  signal: AbortSignal,
): Promise<Takeover | undefined> {
  const { object } = planned;
  const { fieldManager } = deps.installer;
  const { live, yielded: applied = object, shared = false, adoption } = configuring(planned);
  if (adoption !== undefined && live !== undefined) await takeOver({ live, adoption }, applied, deps, signal);
  const answer = await deps.client.apply(applied, { fieldManager }, signal);
  // What could not be dry-run, or was written by another client since, shows its previous owners only now.
  const late = adoption === undefined ? adoptionOf(answer, shared, deps) : undefined;
  if (late !== undefined) await takeOver({ live: answer, adoption: late }, applied, deps, signal);
  const final = late === undefined ? answer : await deps.client.apply(applied, { fieldManager }, signal);
  if (planned.action === "create" || planned.action === "configure") {
    deps.ledger.repaired(object, planned.live, final, fieldManager);
  }
  deps.ledger.record(object, final);
  const taken = adoption ?? late;
  return taken === undefined ? undefined : takeoverOf(taken, final);
}

function configuring(planned: PlannedObject): Partial<ConfiguredObject> {
  return planned.action === "configure" ? planned : {};
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
