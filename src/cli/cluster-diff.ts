import { installer } from "../api/installer.ts";
import { objectAnnotations, ownerOf } from "../api/names.ts";
import { inventoryOf, readInventory, staleObjects } from "../apply/inventory.ts";
import { Ledger } from "../apply/ledger.ts";
import { isKept, isOwned } from "../apply/ownership.ts";
import { planApply, type PlanDeps } from "../apply/plan/plan-apply.ts";
import { adoptionIn, type PlannedObject, type Desired } from "../apply/planned-object.ts";
import { requestLimit } from "../apply/request.ts";
import type { ApiClient } from "../client/api-client.ts";
import { formatObjectId, objectIdOf } from "../kube/object-id.ts";
import type { KubeObject, ObjectKey } from "../kube/object.ts";
import { compareForFluxApply } from "../render/apply-order.ts";
import { mapConcurrent } from "../std/concurrent.ts";
import { instanceKind } from "./cluster.ts";

/** What an apply would do to one object. */
export type Difference =
  | { readonly kind: "created" | "pruned"; readonly object: KubeObject }
  | {
      readonly kind: "changed";
      readonly object: KubeObject;
      readonly before: KubeObject;
      readonly after: KubeObject;
      /** What the difference between the two does not show. */
      readonly note?: string;
    };

/** What an apply would do to all objects. */
export type ClusterDiff = { readonly differences: readonly Difference[]; readonly unchanged: number };

type Client = Pick<ApiClient, "getOrUndefined" | "apply" | "patch">;

/**
 * What would change on the cluster if the instance `key` rendered to `wanted`, in the order of the apply. It uses the operator's own plan and
 * the inventory in status. Writes nothing. Throws PlanError when the API server refuses an object, and as ApiClient.
 */
export async function diffCluster(
  wanted: Desired,
  key: ObjectKey,
  client: Client,
  signal: AbortSignal,
): Promise<ClusterDiff> {
  const answers = new Answers(client);
  const objects = wanted.objects.toSorted(compareForFluxApply);
  const planned = await planApply(
    { ...wanted, objects },
    new Map(),
    { client: answers, ledger: new Ledger(), installer },
    signal,
  );
  const applied = planned.flatMap((one): Difference[] => {
    if (one.action === "unchanged") return [];
    const { object } = one;
    const { before, after } = answers.of(object);
    if (before === undefined) return [{ kind: "created", object }];
    return [{ kind: "changed", object, before, after: finalOf(one, after), ...noteOf(one) }];
  });
  const pruned = await prunedObjects(objects, key, client, signal);
  return { differences: [...applied, ...pruned], unchanged: planned.length - applied.length };
}

/** The last answer is not always the final form: some objects are changed in more than one step. */
function finalOf(planned: PlannedObject, answer: KubeObject | undefined): KubeObject {
  const { object, action } = planned;
  if (action === "migrate" || action === "recreate") return object;
  return adoptionIn(planned)?.after ?? answer ?? object;
}

function noteOf(planned: PlannedObject): { readonly note?: string } {
  if (planned.action === "recreate")
    return { note: "recreated: its immutable fields differ, and this instance has not created it" };
  const adoption = adoptionIn(planned);
  if (adoption === undefined || adoption.managers.length === 0) return {};
  const kept = adoption.refusal === undefined ? "" : `; fields of theirs stay: ${adoption.refusal}`;
  return { note: `taken over from ${adoption.managers.join(", ")}${kept}` };
}

/** Records what the API server answers to the plan's dry-runs, since the plan keeps only the verdict. */
class Answers implements Pick<PlanDeps["client"], keyof Client> {
  readonly #client: Client;
  readonly #before = new Map<string, KubeObject>();
  readonly #after = new Map<string, KubeObject>();

  constructor(client: Client) {
    this.#client = client;
  }

  of(object: KubeObject): { readonly before: KubeObject | undefined; readonly after: KubeObject | undefined } {
    const id = formatObjectId(objectIdOf(object));
    return { before: this.#before.get(id), after: this.#after.get(id) };
  }

  async getOrUndefined(...args: Parameters<Client["getOrUndefined"]>): Promise<KubeObject | undefined> {
    const live = await this.#client.getOrUndefined(...args);
    const [gvk, key] = args;
    if (live !== undefined) this.#before.set(formatObjectId({ ...gvk, ...key }), live);
    return live;
  }

  async patch(...args: Parameters<Client["patch"]>): Promise<KubeObject> {
    return await this.#client.patch(...args);
  }

  async apply(...args: Parameters<Client["apply"]>): Promise<KubeObject> {
    const answer = await this.#client.apply(...args);
    this.#after.set(formatObjectId(objectIdOf(args[0])), answer);
    return answer;
  }
}

/** What the live instance manages and `objects` no longer has, except what a prune would keep. */
async function prunedObjects(
  objects: readonly KubeObject[],
  key: ObjectKey,
  client: Client,
  signal: AbortSignal,
): Promise<readonly Difference[]> {
  const instance = await client.getOrUndefined(instanceKind, key, signal);
  const stale = staleObjects(readInventory(instance?.["status"]), inventoryOf(objects));
  const live = await mapConcurrent(stale, requestLimit, (id) => client.getOrUndefined(id, id, signal));
  const owner = ownerOf(key);
  return live
    .filter((object) => object !== undefined)
    .filter((object) => isOwned(object, owner) && !isKept(object, objectAnnotations.prune))
    .map((object) => ({ kind: "pruned", object }));
}
