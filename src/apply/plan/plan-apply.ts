import { ApiError, NoSuchKindError, isRefusal } from "../../client/api-error.ts";
import { kindDefinedBy, isDefinition } from "../../kube/definition.ts";
import { groupKindKey, gvkOf } from "../../kube/gvk.ts";
import { formatObjectId, isBuiltInGroup, nameObject, objectIdOf, keyOf } from "../../kube/object-id.ts";
import type { KubeObject, ObjectMeta } from "../../kube/object.ts";
import type { Clock } from "../../std/clock.ts";
import { mapConcurrent } from "../../std/concurrent.ts";
import { errorMessage, ReasonedError, type ReasonedErrorOptions } from "../../std/errors.ts";
import { planAdoption, type TakeOverDeps } from "../adopt/take-over.ts";
import { wouldChange } from "../compare.ts";
import type { Ledger } from "../ledger.ts";
import { migrationOf } from "../migrate/bridge.ts";
import type { PlannedObject, LiveMetadata, Desired } from "../planned-object.ts";
import { requestLimit } from "../request.ts";
import { dryRunRecreation, mustRecreate } from "../write/recreate.ts";
import { schemaProblems } from "./validate-blind.ts";
import { isScaled, yieldFields } from "./yield-fields.ts";

/** A client that reads and dry-runs, and a ledger that records objects which need no write. */
export type PlanDeps = TakeOverDeps & { readonly ledger: Pick<Ledger, "isUnchanged" | "isPaused" | "record"> };

/** The API server refuses objects of the plan. Nothing has been written. */
export class PlanError extends ReasonedError {}

/** The API server refuses objects that could not be dry-run before their CRDs were served. Only CRDs have been changed. */
export class LatePlanError extends ReasonedError {}

/**
 * Asks the API server, by dry-run, what an apply of `objects` would change, except for objects that have not changed since the ledger recorded
 * them, and for those that another client changes back after each repair, which are left as they are for a while. Throws PlanError when any object would be refused, naming the first of them and how many there are, and as ApiClient.
 */
export async function planApply(
  { objects, ignoredPaths }: Desired,
  live: LiveMetadata,
  deps: PlanDeps,
  signal: AbortSignal,
): Promise<readonly PlannedObject[]> {
  const refused: Refusal[] = [];
  const brought = broughtBy(objects);
  const planned = await mapConcurrent(objects, requestLimit, async (object): Promise<PlannedObject> => {
    const id = formatObjectId(objectIdOf(object));
    const meta = live.get(id);
    if (deps.ledger.isUnchanged(object, meta) || deps.ledger.isPaused(object)) return { object, action: "unchanged" };
    const question = { object, meta, paths: ignoredPaths?.get(id) ?? [], isBrought: brought(object) };
    const result = await dryRun(question, deps, signal);
    const verdict = "action" in result && result.action === "blind" ? againstSchema(object, objects) : result;
    if ("action" in verdict) return verdict;
    refused.push(verdict);
    return { object, action: "blind" };
  });
  if (refused.length > 0) throw new PlanError(refusal(refused, "nothing was changed"));
  return planned;
}

/** `words` are the API server's, or those of the schema in the plan. */
type Refusal = { readonly object: KubeObject; readonly words: string; readonly cause?: Error };

/** An object that cannot be dry-run yet is validated against the CRD in the plan; the API server is asked when that is Established. */
function againstSchema(object: KubeObject, objects: readonly KubeObject[]): PlannedObject | Refusal {
  const key = groupKindKey(gvkOf(object));
  const definition = objects.find((one) => isDefinition(one) && groupKindKey(kindDefinedBy(one)) === key);
  const problems = definition === undefined ? [] : schemaProblems(object, definition);
  if (problems.length === 0) return { object, action: "blind" };
  const words = `its CRD in this version of Flux refuses it: ${problems.join(", ")}`;
  return { object, words };
}

/**
 * When their CRDs are served, dry-runs the custom resources that were blind, before anything else is written. One whose namespace does not
 * exist yet stays blind. Throws LatePlanError, and as ApiClient.
 */
export async function planBlind(
  planned: readonly PlannedObject[],
  { client, clock, installer }: Pick<PlanDeps, "client" | "installer"> & { readonly clock: Clock },
  signal: AbortSignal,
): Promise<void> {
  const { fieldManager } = installer;
  const objects = planned.filter(({ action, object }) => action === "blind" && !isBuiltInGroup(object.apiVersion));
  const results = await mapConcurrent(objects, requestLimit, async ({ object }) => {
    try {
      await whenServed(() => client.apply(object, { fieldManager, dryRun: true }, signal), clock, signal);
      return [];
    } catch (error) {
      if (!(error instanceof ApiError) || !isRefusal(error)) throw error;
      return error.status === 404 ? [] : [refusedBy(object, error)];
    }
  });
  const refused = results.flat();
  if (refused.length > 0) throw new LatePlanError(refusal(refused, "only CRDs were changed"));
}

const servedRecheckMs = 100;
const servedAttempts = 50;

/** Discovery learns of a new CRD a moment later. */
async function whenServed<Answer>(ask: () => Promise<Answer>, clock: Clock, signal: AbortSignal): Promise<Answer> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof NoSuchKindError) || attempt === servedAttempts) throw error;
      await clock.sleep(servedRecheckMs, signal);
    }
  }
}

function serverWords(error: ApiError | NoSuchKindError): string {
  const words = error instanceof ApiError ? error.statusMessage : error.message;
  return `the API server refuses it: ${words || errorMessage(error)}`;
}

function refusedBy(object: KubeObject, error: ApiError | NoSuchKindError): Refusal {
  return { object, words: serverWords(error), cause: error };
}

type Question = {
  readonly object: KubeObject;
  /** Present when it is among the live objects that carry our labels. */
  readonly meta: ObjectMeta | undefined;
  /** JSON pointers of fields that other field managers may own. */
  readonly paths: readonly string[];
  /** Its kind or its namespace may come with the plan. */
  readonly isBrought: boolean;
};

/** Whether the CRD or the namespace of an object is part of the plan, so that the API server may not know it yet. */
function broughtBy(objects: readonly KubeObject[]): (object: KubeObject) => boolean {
  const namespaces = new Set(objects.filter(({ kind }) => kind === "Namespace").map(({ metadata }) => metadata.name));
  const kinds = new Set(objects.filter(isDefinition).map((definition) => groupKindKey(kindDefinedBy(definition))));
  return (object) => namespaces.has(object.metadata.namespace ?? "") || kinds.has(groupKindKey(gvkOf(object)));
}

async function dryRun(question: Question, deps: PlanDeps, signal: AbortSignal): Promise<PlannedObject | Refusal> {
  const { ledger } = deps;
  const { object, isBrought, paths } = question;
  try {
    const { answer, live, applied } = await ask(question, deps, signal);
    if (live === undefined) return { object, action: "create" };
    const { adoption, shared } = await planAdoption({ live, answer, shared: paths.length > 0 }, deps, signal);
    const lent = { ...(applied === object ? {} : { yielded: applied }), ...(shared ? { shared } : {}) };
    if (adoption !== undefined) return { object, ...lent, action: "configure", live, adoption };
    if (wouldChange(live, answer)) return { object, ...lent, action: "configure", live };
    ledger.record(object, live);
    return { object, action: "unchanged", live };
  } catch (error) {
    if (error instanceof NoSuchKindError) return isBrought ? { object, action: "blind" } : refusedBy(object, error);
    if (!(error instanceof ApiError) || !isRefusal(error)) throw error;
    if (error.status === 404 && isBrought) return { object, action: "blind" };
    if (isAboutStoredVersions(object, error)) return await dryRunBridge(object, deps, signal);
    return await planRecreation({ object, error }, deps, signal);
  }
}

async function planRecreation(
  { object, error }: { readonly object: KubeObject; readonly error: ApiError },
  { client, installer }: Pick<PlanDeps, "client" | "installer">,
  signal: AbortSignal,
): Promise<PlannedObject | Refusal> {
  const live = await client.getOrUndefined(gvkOf(object), keyOf(object), signal);
  if (live === undefined || !mustRecreate(live, error, installer)) return refusedBy(object, error);
  try {
    await dryRunRecreation(object, { client, installer }, signal);
    return { object, action: "recreate", live };
  } catch (refused) {
    if (!(refused instanceof ApiError) || !isRefusal(refused)) throw refused;
    return refusedBy(object, refused);
  }
}

type Answer = { readonly answer: KubeObject; readonly live: KubeObject | undefined; readonly applied: KubeObject };

/** An object that no watch has seen most likely does not exist: then the dry-run alone is enough, since its answer has no resourceVersion. */
async function ask(
  { object, meta, paths }: Question,
  { client, installer: { fieldManager } }: Pick<PlanDeps, "client" | "installer">,
  signal: AbortSignal,
): Promise<Answer> {
  const dryRunOf = (applied: KubeObject): Promise<KubeObject> =>
    client.apply(applied, { fieldManager, dryRun: true }, signal);
  const get = (): Promise<KubeObject | undefined> => client.getOrUndefined(gvkOf(object), keyOf(object), signal);
  if (meta !== undefined && paths.length === 0 && !isScaled(meta)) {
    const [answer, live] = await Promise.all([dryRunOf(object), get()]);
    return { answer, live, applied: object };
  }
  const first = meta === undefined ? await dryRunOf(object) : undefined;
  if (first !== undefined && first.metadata.resourceVersion === undefined) {
    return { answer: first, live: undefined, applied: object };
  }
  const live = await get();
  const applied = live === undefined ? object : yieldFields(object, live, { paths, fieldManager });
  return { answer: applied === object && first !== undefined ? first : await dryRunOf(applied), live, applied };
}

/** Whether only stored versions are wrong with the CRD: the API server names every fault. */
function isAboutStoredVersions(object: KubeObject, { causes }: ApiError): boolean {
  return (
    isDefinition(object) &&
    causes.length > 0 &&
    causes.every(({ field = "" }) => field.startsWith("status.storedVersions"))
  );
}

async function dryRunBridge(
  object: KubeObject,
  { client, installer: { fieldManager } }: Pick<PlanDeps, "client" | "installer">,
  signal: AbortSignal,
): Promise<PlannedObject | Refusal> {
  try {
    const live = await client.getOrUndefined(gvkOf(object), keyOf(object), signal);
    if (live === undefined) return { object, action: "create" };
    const bridge = migrationOf(live, object)?.bridge;
    if (bridge !== undefined) await client.apply(bridge, { fieldManager, dryRun: true }, signal);
    return { object, action: "migrate", live };
  } catch (error) {
    if (!(error instanceof ApiError) || !isRefusal(error)) throw error;
    return refusedBy(object, error);
  }
}

function refusal(refused: readonly Refusal[], changed: string): ReasonedErrorOptions {
  const [first, ...others] = refused.toSorted((left, right) =>
    nameObject(left.object) < nameObject(right.object) ? -1 : 1,
  );
  const more = others.length === 0 ? "" : ` (and ${others.length} more)`;
  const { object, words, cause } = first as Refusal;
  const message = `Cannot apply ${nameObject(object)}: ${words}${more}; ${changed}`;
  return { reason: "ReconciliationFailed", retry: "backoff", message, cause };
}
