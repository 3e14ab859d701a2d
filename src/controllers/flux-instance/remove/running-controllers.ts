import { type OwnerLabels, isOwned } from "../../../apply/ownership.ts";
import type { ApiClient } from "../../../client/api-client.ts";
import { pages } from "../../../client/pages.ts";
import { componentNames } from "../../../distribution/release.ts";
import { fieldsOf, listOf, textOf } from "../../../kube/fields.ts";
import { podKind, deploymentKind } from "../../../kube/kinds.ts";
import { nameObject } from "../../../kube/object-id.ts";
import type { JsonValue, KubeObject, ObjectKey } from "../../../kube/object.ts";
import { containersOf } from "../../../kube/pod-template.ts";
import { formatSelector } from "../../../kube/selector.ts";

/** The requests that controllers and pods are read with. */
export type RunningDeps = { readonly client: Pick<ApiClient, "list" | "listPage"> };

/** Controllers are recognised by the last part of their image's name, whatever the registry, the Deployment and its labels are called. */
const controllerImages = new Set<string>(componentNames);

/** Names of Deployments, sorted. */
export type RunningControllers = {
  /**
   * Those that carry the owner labels. Once all that the inventory lists are gone, these are not in it: the Go operator forgets what it has not
   * deleted yet when it is interrupted, since it writes the new inventory first.
   */
  readonly own: readonly string[];
  /** All others. Without the CRDs they would delete what they have applied, or crash. */
  readonly foreign: readonly string[];
};

/** Deployments of Flux controllers that run, in whatever namespace. Throws as ApiClient. */
export async function findRunningControllers(
  owner: OwnerLabels,
  deps: RunningDeps,
  signal: AbortSignal,
): Promise<RunningControllers> {
  const own: string[] = [];
  const foreign: string[] = [];
  for await (const { items } of pages(deploymentKind, {}, deps.client, signal)) {
    for (const deployment of items) {
      if (!isController(deployment) || !(await runs(deployment, deps, signal))) continue;
      (isOwned(deployment, owner) ? own : foreign).push(nameObject(deployment));
    }
  }
  return { own: own.toSorted(), foreign: foreign.toSorted() };
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

function isController(deployment: KubeObject): boolean {
  return containersOf(deployment).some(({ image }) => controllerImages.has(imageName(image)));
}

/** "ghcr.io/fluxcd/helm-controller:v1.2.0@sha256:..." is "helm-controller". */
function imageName(image: JsonValue | undefined): string {
  const path = textOf(image).split("@")[0] ?? "";
  return path.split("/").at(-1)?.split(":")[0] ?? "";
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
