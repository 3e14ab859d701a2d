import type { ApiClient } from "../../client/api-client.ts";
import { fieldManager, requestLimit } from "../../apply/plan-apply.ts";
import { isOwned, type OwnerLabels } from "../../apply/prune.ts";
import type { ManagedObject } from "../../apply/inventory.ts";
import { mapConcurrent } from "../../std/concurrent.ts";
import { fieldsOf, listOf, textOf } from "../../kube/fields.ts";
import type { KubeObject } from "../../kube/object.ts";
import { labels } from "../../api/names.ts";

export type OverlapDeps = { readonly client: Pick<ApiClient, "getOrUndefined" | "patch"> };

const selectorFlag = "--watch-label-selector=";

/**
 * Scales those of the stale controllers to 0 whose objects a wanted controller would reconcile too, before it starts: two controllers
 * never reconcile one object. Others keep running until they are pruned.
 */
export async function parkOverlapping(
  stale: readonly ManagedObject[],
  { wanted, owner }: { readonly wanted: readonly KubeObject[]; readonly owner: OwnerLabels },
  { client }: OverlapDeps,
  signal: AbortSignal,
): Promise<void> {
  const controllers = stale.filter(({ kind }) => kind === "Deployment");
  await mapConcurrent(controllers, requestLimit, async (id) => {
    const live = await client.getOrUndefined(id, id, signal);
    if (live === undefined || !isOwned(live, owner) || !wanted.some((object) => overlaps(live, object))) return;
    const replicas = { kind: "merge", value: { spec: { replicas: 0 } } } as const;
    await client.patch({ gvk: id, key: id }, replicas, { fieldManager }, signal);
  });
}

/** Whether two Deployments of one controller may select the same objects. Selectors other than our shards' count as overlapping. */
export function overlaps(stale: KubeObject, wanted: KubeObject): boolean {
  if (wanted.kind !== "Deployment") return false;
  if (componentOf(stale) !== componentOf(wanted)) return false;
  const [left, right] = [selectorOf(stale), selectorOf(wanted)];
  const [a, b] = [readSelector(left), readSelector(right)];
  if (a === undefined || b === undefined || a.key !== b.key) return true;
  return a.shard === b.shard;
}

/** `shard` is undefined for "!key", all that belong to no shard. */
function readSelector(selector: string): { readonly key: string; readonly shard: string | undefined } | undefined {
  const [, not = "", key = "", , shard] = /^(!?)([\w./-]+)(=([\w.-]+))?$/.exec(selector) ?? [];
  if (key === "" || (not === "!") === (shard !== undefined)) return undefined;
  return { key, shard };
}

function componentOf(deployment: KubeObject): string {
  return deployment.metadata.labels?.[labels.component] ?? "";
}

/** Of all containers. */
export function argsOf(deployment: KubeObject): readonly string[] {
  const podSpec = fieldsOf(fieldsOf(fieldsOf(deployment["spec"])["template"])["spec"]);
  return listOf(podSpec["containers"]).flatMap((container) => listOf(fieldsOf(container)["args"]).map(textOf));
}

function selectorOf(deployment: KubeObject): string {
  return (
    argsOf(deployment)
      .findLast((arg) => arg.startsWith(selectorFlag))
      ?.slice(selectorFlag.length) ?? ""
  );
}
