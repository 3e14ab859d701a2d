import type { ApiClient } from "../client/api-client.ts";
import { ApiError, NoSuchKindError } from "../client/api-error.ts";
import { mapConcurrent } from "../std/concurrent.ts";
import { errorMessage, ReasonedError } from "../std/errors.ts";
import { fieldsOf, textOf } from "../kube/fields.ts";
import { groupKindKey, gvkOf, type GroupKind } from "../kube/gvk.ts";
import type { KubeObject, ObjectKey, ObjectMeta } from "../kube/object.ts";
import { formatObjectId, nameObject, objectIdOf } from "../kube/object-id.ts";
import { isDefinition, migrationOf } from "./bridge.ts";
import { wouldChange } from "./compare.ts";
import type { Ledger } from "./ledger.ts";

export const fieldManager = "flux-operator";
/** Requests in flight at a time; more does not make the API server faster on two cores. */
export const requestLimit = 8;

/**
 * What an apply of one object would do. `blind` objects cannot be dry-run yet, because the plan itself brings their kind or
 * their namespace. `migrate` definitions cannot be applied before `migrate` has been there: objects may lie in a version that goes.
 */
export type PlannedObject = {
  readonly object: KubeObject;
  readonly action: "create" | "configure" | "unchanged" | "blind" | "migrate";
  /** As the API server has it; absent where there is none, and where the ledger spares the question. */
  readonly live?: KubeObject;
};

/** Metadata of the live objects that carry our owner labels, by inventory id. */
export type LiveMetadata = ReadonlyMap<string, ObjectMeta>;

export type PlanDeps = { readonly client: Pick<ApiClient, "getOrUndefined" | "apply">; readonly ledger: Ledger };

/** The API server refuses objects of the plan. Nothing has been written. */
export class PlanError extends ReasonedError {}

/**
 * Asks the API server, by dry-run, what an apply of `objects` would change; the objects that the ledger vouches for are not asked about.
 * Throws PlanError when any object would be refused, naming the first of them and how many there are.
 */
export async function planApply(
  objects: readonly KubeObject[],
  live: LiveMetadata,
  deps: PlanDeps,
  signal: AbortSignal,
): Promise<readonly PlannedObject[]> {
  const refused: Refusal[] = [];
  const brought = broughtBy(objects);
  const planned = await mapConcurrent(objects, requestLimit, async (object): Promise<PlannedObject> => {
    const meta = live.get(formatObjectId(objectIdOf(object)));
    if (deps.ledger.isSettled(object, meta)) return { object, action: "unchanged" };
    const result = await dryRun({ object, isKnown: meta !== undefined, isBrought: brought(object) }, deps, signal);
    if ("action" in result) return result;
    refused.push(result);
    return { object, action: "blind" };
  });
  if (refused.length > 0) throw refusal(refused);
  return planned;
}

type Refusal = { readonly object: KubeObject; readonly error: ApiError | NoSuchKindError };

type Question = {
  readonly object: KubeObject;
  /** It is among the live objects that carry our labels. */
  readonly isKnown: boolean;
  /** Its kind or its namespace may come with the plan. */
  readonly isBrought: boolean;
};

/** Whether the definition or the namespace of an object is part of the plan, so that the API server may not know it yet. */
function broughtBy(objects: readonly KubeObject[]): (object: KubeObject) => boolean {
  const namespaces = new Set(objects.filter(({ kind }) => kind === "Namespace").map(({ metadata }) => metadata.name));
  const kinds = new Set(objects.filter(isDefinition).map((definition) => groupKindKey(kindDefinedBy(definition))));
  return (object) => namespaces.has(object.metadata.namespace ?? "") || kinds.has(groupKindKey(gvkOf(object)));
}

function kindDefinedBy(definition: KubeObject): GroupKind {
  const spec = fieldsOf(definition["spec"]);
  return { group: textOf(spec["group"]), kind: textOf(fieldsOf(spec["names"])["kind"]) };
}

async function dryRun(
  { object, isKnown, isBrought }: Question,
  { client, ledger }: PlanDeps,
  signal: AbortSignal,
): Promise<PlannedObject | Refusal> {
  try {
    const [answer, live] = await ask(object, isKnown, client, signal);
    if (live === undefined) return { object, action: "create" };
    if (wouldChange(live, answer)) return { object, action: "configure", live };
    ledger.record(object, live);
    return { object, action: "unchanged", live };
  } catch (error) {
    if (error instanceof NoSuchKindError) return isBrought ? { object, action: "blind" } : { object, error };
    if (!(error instanceof ApiError) || !isVerdict(error)) throw error;
    if (error.status === 404 && isBrought) return { object, action: "blind" };
    return isAboutStoredVersions(object, error) ? await dryRunBridge(object, client, signal) : { object, error };
  }
}

type Answer = readonly [dryRun: KubeObject, live: KubeObject | undefined];

/** What nobody has seen yet most likely does not exist: then the dry-run alone tells, since it answers without a resourceVersion. */
async function ask(
  object: KubeObject,
  isKnown: boolean,
  client: PlanDeps["client"],
  signal: AbortSignal,
): Promise<Answer> {
  const dry = client.apply(object, { fieldManager, dryRun: true }, signal);
  const get = (): Promise<KubeObject | undefined> => client.getOrUndefined(gvkOf(object), keyOf(object), signal);
  if (isKnown) return await Promise.all([dry, get()]);
  const answer = await dry;
  return [answer, answer.metadata.resourceVersion === undefined ? undefined : await get()];
}

/** Nothing else is wrong with the definition: the API server names every fault. */
function isAboutStoredVersions(object: KubeObject, { causes }: ApiError): boolean {
  return (
    isDefinition(object) &&
    causes.length > 0 &&
    causes.every(({ field = "" }) => field.startsWith("status.storedVersions"))
  );
}

async function dryRunBridge(
  object: KubeObject,
  client: PlanDeps["client"],
  signal: AbortSignal,
): Promise<PlannedObject | Refusal> {
  try {
    const live = await client.getOrUndefined(gvkOf(object), keyOf(object), signal);
    if (live === undefined) return { object, action: "create" };
    const bridge = migrationOf(live, object)?.bridge;
    if (bridge !== undefined) await client.apply(bridge, { fieldManager, dryRun: true }, signal);
    return { object, action: "migrate", live };
  } catch (error) {
    if (!(error instanceof ApiError) || !isVerdict(error)) throw error;
    return { object, error };
  }
}

/** 4xx about the object itself, as opposed to a server that is busy or a permission that we lack. */
function isVerdict(error: ApiError): boolean {
  return error.status >= 400 && error.status < 500 && ![401, 403, 408, 429].includes(error.status);
}

function refusal(refused: readonly Refusal[]): PlanError {
  const [first, ...others] = refused.toSorted((left, right) =>
    nameObject(left.object) < nameObject(right.object) ? -1 : 1,
  );
  const more = others.length === 0 ? "" : ` (and ${others.length} more)`;
  const { object, error } = first as Refusal;
  const words = error instanceof ApiError ? error.statusMessage : error.message;
  return new PlanError({
    reason: "ReconciliationFailed",
    retry: "backoff",
    message: `Cannot apply ${nameObject(object)}: the API server refuses it: ${words || errorMessage(error)}${more}; nothing was changed`,
    cause: error,
  });
}

export function keyOf(object: KubeObject): ObjectKey {
  return { namespace: object.metadata.namespace ?? "", name: object.metadata.name };
}
