import { isOwned, type Owner } from "../../../apply/ownership.ts";
import { requestLimit } from "../../../apply/request.ts";
import type { ApiClient } from "../../../client/api-client.ts";
import { fieldsOf, listOf, textOf } from "../../../kube/fields.ts";
import { podKind } from "../../../kube/kinds.ts";
import { nameObject } from "../../../kube/object-id.ts";
import type { KubeObject, ObjectKey } from "../../../kube/object.ts";
import { formatSelector } from "../../../kube/selector.ts";
import { mapConcurrent } from "../../../std/concurrent.ts";
import { listFluxControllers } from "../flux-controllers.ts";

/** The requests that controllers and pods are read with. */
export type RunningDeps = { readonly client: Pick<ApiClient, "list" | "listPage"> };

/** Deployments, sorted by name. */
export type RunningControllers = {
  /**
   * Those of the instance. Once all that the inventory lists are gone, these are not in it: the Go operator forgets what it has not deleted yet
   * when it is interrupted, since it writes the new inventory first.
   */
  readonly own: readonly KubeObject[];
  /** All others. Without the CRDs they would delete what they have applied, or crash. */
  readonly foreign: readonly KubeObject[];
};

/** Deployments of Flux controllers that run, in whatever namespace. Throws as ApiClient. */
export async function findRunningControllers(
  owner: Owner,
  deps: RunningDeps,
  signal: AbortSignal,
): Promise<RunningControllers> {
  const found = await listFluxControllers(deps.client, signal);
  const running = await mapConcurrent(found, requestLimit, async (one) =>
    (await runs(one, deps, signal)) ? [one] : [],
  );
  const sorted = running.flat().toSorted((left, right) => (nameObject(left) < nameObject(right) ? -1 : 1));
  const { own = [], foreign = [] } = Object.groupBy(sorted, (one) => (isOwned(one, owner) ? "own" : "foreign"));
  return { own, foreign };
}

/**
 * Pods of these Deployments that have not ended, sorted by name. They are found by the names of their ReplicaSets, since a Deployment that
 * another client deleted may be gone before its pods, and has no selector then. Throws as ApiClient.
 */
export async function findControllerPods(
  deployments: readonly ObjectKey[],
  { client }: RunningDeps,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const found: string[] = [];
  for (const [namespace, inNamespace] of Map.groupBy(deployments, (deployment) => deployment.namespace)) {
    const names = new Set(inNamespace.map(({ name }) => name));
    const { items } = await client.list(podKind, { namespace }, signal);
    const running = items.filter((pod) => names.has(deploymentOf(pod)) && !hasEnded(pod));
    found.push(...running.map(nameObject));
  }
  return found.toSorted();
}

/** A ReplicaSet is named after its Deployment, with a dash and a hash appended. */
function deploymentOf({ metadata }: KubeObject): string {
  const owner = listOf(metadata["ownerReferences"])
    .map(fieldsOf)
    .find(({ kind }) => kind === "ReplicaSet");
  return textOf(owner?.["name"]).replace(/-[^-]*$/, "");
}

function hasEnded(pod: KubeObject): boolean {
  return ["Succeeded", "Failed"].includes(textOf(fieldsOf(pod["status"])["phase"]));
}

/** Whether the Deployment runs: one that is scaled to 0 does until its last pod is deleted. */
async function runs(deployment: KubeObject, { client }: RunningDeps, signal: AbortSignal): Promise<boolean> {
  const spec = fieldsOf(deployment["spec"]);
  if (spec["replicas"] !== 0) return true;
  const labels = Object.entries(fieldsOf(fieldsOf(spec["selector"])["matchLabels"])).map(
    ([key, value]): [string, string] => [key, textOf(value)],
  );
  const { namespace = "" } = deployment.metadata;
  const selection = { namespace, labelSelector: formatSelector(Object.fromEntries(labels)), metadataOnly: true };
  return (await client.list(podKind, selection, signal)).items.length > 0;
}
