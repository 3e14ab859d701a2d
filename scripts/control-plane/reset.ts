import { setTimeout as sleep } from "node:timers/promises";
import { deletionFailure } from "../../src/kube/definition.ts";
import type { JsonObject, KubeObject } from "../../src/kube/object.ts";
import { isJsonObject } from "../../src/std/json.ts";
import { RestError, type Rest } from "./rest.ts";
import type { Variant } from "./versions.ts";

/** Uids of the cluster-scoped objects that a new cluster has. */
export type Baseline = ReadonlySet<string>;

export type ResetOptions = { readonly variant: Variant; readonly baseline: Baseline; readonly signal?: AbortSignal };

/** One served resource: `groupPath` is "/api/v1" or "/apis/<group>/<version>". */
type Resource = { readonly groupPath: string; readonly name: string; readonly namespaced: boolean };

/** An object that a new cluster would not have. */
type Leftover = { readonly object: KubeObject; readonly path: string; readonly resource: Resource };

const timeoutMs = 30_000;
const pollMs = 50;
const keptNamespaces = new Set(["default", "kube-system", "kube-public", "kube-node-lease"]);
/** The cluster makes these by itself, some of them only after it is ready. */
const keptObjects = new Set([
  "configmaps/kube-root-ca.crt",
  "serviceaccounts/default",
  "services/kubernetes",
  "servicecidrs/kubernetes",
]);
/** Made and removed by the cluster as their owners come and go; events go with their namespace, or after an hour. */
const derivedResources = new Set(["events", "ipaddresses", "endpoints", "endpointslices"]);
/** Could refuse or delay all other deletions. */
const gatekeepers = new Set([
  "validatingwebhookconfigurations",
  "mutatingwebhookconfigurations",
  "validatingadmissionpolicybindings",
  "mutatingadmissionpolicybindings",
]);

export async function takeBaseline(rest: Rest, signal?: AbortSignal): Promise<Baseline> {
  const resources = (await discover(rest, signal)).filter(({ namespaced }) => !namespaced);
  const lists = await Promise.all(resources.map((resource) => listAll(rest, resource, signal)));
  return new Set(lists.flat().map(({ metadata }) => metadata.uid ?? ""));
}

/**
 * Deletes every cluster-scoped object that is not in the baseline, every namespace that a new cluster does not have, and what stands in
 * `default`; kube-system is left as it is, and what was only changed is not changed back. Finalizers of others are taken off, as their
 * controllers may be gone. Throws when something is still there after 30 seconds.
 */
export async function resetCluster(rest: Rest, options: ResetOptions): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const left = await leftovers(rest, options);
    if (left.length === 0) return;
    if (performance.now() > deadline) {
      const paths = left.map(({ path }) => path).join(", ");
      throw new Error(`Cannot reset the cluster: after ${timeoutMs} ms there are still ${paths}`);
    }
    for (const batch of inOrder(left)) await Promise.all(batch.map((leftover) => remove(rest, leftover, options)));
    await sleep(pollMs, undefined, withSignal(options.signal));
  }
}

/** Gatekeepers first; what holds other leftovers once those are gone, as it would wait some seconds for them. */
function inOrder(left: readonly Leftover[]): readonly (readonly Leftover[])[] {
  const gates = left.filter(({ resource }) => gatekeepers.has(resource.name));
  const namespaces = new Set(left.map(({ object }) => object.metadata.namespace));
  const groups = new Set(left.map(({ resource }) => resource.groupPath.split("/")[2]));
  const others = left.filter(({ object, resource }) => {
    if (gatekeepers.has(resource.name)) return false;
    if (resource.name === "namespaces") return !namespaces.has(object.metadata.name);
    return resource.name !== "customresourcedefinitions" || !groups.has(groupOf(object));
  });
  return [gates, others];
}

function groupOf({ spec }: KubeObject): string {
  return isJsonObject(spec) && typeof spec["group"] === "string" ? spec["group"] : "";
}

async function leftovers(rest: Rest, { baseline, signal }: ResetOptions): Promise<readonly Leftover[]> {
  const resources = await discover(rest, signal);
  const lists = await Promise.all(
    resources.map(async (resource) => {
      const objects = await listAll(rest, resource, signal);
      return objects
        .filter((object) => isLeftover(object, resource, baseline))
        .map((object) => ({ object, resource, path: pathOf(object, resource) }));
    }),
  );
  return lists.flat();
}

function isLeftover({ metadata }: KubeObject, { name, namespaced }: Resource, baseline: Baseline): boolean {
  if (keptObjects.has(`${name}/${metadata.name}`)) return false;
  if (metadata.labels?.["kube-aggregator.kubernetes.io/automanaged"] !== undefined) return false;
  if (namespaced) return metadata.namespace === "default" || !keptNamespaces.has(metadata.namespace ?? "");
  return !baseline.has(metadata.uid ?? "");
}

async function remove(rest: Rest, leftover: Leftover, { variant, signal }: ResetOptions): Promise<void> {
  const { object, path, resource } = leftover;
  const finalizers = object.metadata.finalizers ?? [];
  const kept = finalizers.filter((finalizer) => isNative(finalizer, variant));
  const isEnding = object.metadata.deletionTimestamp !== undefined;
  if (kept.length < finalizers.length) {
    const { status } = await rest.request("PATCH", path, {
      body: { metadata: { finalizers: kept } },
      ...withSignal(signal),
    });
    if (status >= 300 && status !== 404 && status !== 409 && status !== 422)
      throw new Error(`Cannot take the finalizers off ${path}: ${status}`);
  }
  if (!isEnding) await rest.delete(`${path}?gracePeriodSeconds=0`, signal);
  else if (deletionFailure(object)?.isWait === false) await touch(rest, path, signal);
  const isNamespace = resource.name === "namespaces" && resource.groupPath === "/api/v1";
  if (isNamespace && (variant === "light" || !mayBeInWork(object))) await finalize(rest, leftover, signal);
}

/**
 * Whether the namespace controller may be at it: it begins 5 seconds after the deletion, and would go on in another namespace of the same name
 * if this one were gone in the middle of its work.
 */
function mayBeInWork({ metadata: { deletionTimestamp } }: KubeObject): boolean {
  return deletionTimestamp !== undefined && Date.now() - Date.parse(deletionTimestamp) > 3_000;
}

/** Has the API server look again at a definition whose deletion has failed, which it does only after minutes where it meets its own last write. */
async function touch(rest: Rest, path: string, signal: AbortSignal | undefined): Promise<void> {
  const body = { metadata: { annotations: { touched: `${performance.now()}` } } };
  const { status } = await rest.request("PATCH", path, { body, ...withSignal(signal) });
  if (status >= 300 && status !== 404) throw new Error(`Cannot touch ${path}: ${status}`);
}

/** What stands in every namespace or comes without being asked for: resetCluster does not look at it, the next namespace of that name would have it. */
const residue = [
  "/api/v1/%/events",
  "/api/v1/%/configmaps",
  "/api/v1/%/serviceaccounts",
  "/api/v1/%/endpoints",
  "/apis/discovery.k8s.io/v1/%/endpointslices",
];

/** Lets a namespace go at once: the namespace controller begins 5 seconds after the deletion, and the light variant has none. */
async function finalize(rest: Rest, { object, path }: Leftover, signal: AbortSignal | undefined): Promise<void> {
  const { name } = object.metadata;
  await Promise.all(residue.map((template) => rest.delete(template.replace("%", `namespaces/${name}`), signal)));
  const body = { apiVersion: "v1", kind: "Namespace", metadata: { name }, spec: { finalizers: [] } };
  const { status } = await rest.request("PUT", `${path}/finalize`, { body, ...withSignal(signal) });
  if (status >= 300 && status !== 404 && status !== 409)
    throw new Error(`Cannot finalize namespace ${name}: ${status}`);
}

/** Finalizers whose controller is part of the cluster; with the light variant, of the API server. */
function isNative(finalizer: string, variant: Variant): boolean {
  if (finalizer === "customresourcecleanup.apiextensions.k8s.io") return true;
  return variant !== "light" && nativeFinalizers.has(finalizer);
}

const nativeFinalizers = new Set([
  "foregroundDeletion",
  "orphan",
  "kubernetes",
  "kubernetes.io/pvc-protection",
  "kubernetes.io/pv-protection",
  "batch.kubernetes.io/job-tracking",
]);

/** Every resource that can be listed and deleted, in the preferred version of its group. */
async function discover(rest: Rest, signal: AbortSignal | undefined): Promise<readonly Resource[]> {
  const groups = membersOf(await rest.get("/apis", signal), "groups").map((group) => {
    const preferred = group["preferredVersion"];
    return `/apis/${isJsonObject(preferred) && typeof preferred["groupVersion"] === "string" ? preferred["groupVersion"] : ""}`;
  });
  const lists = await Promise.all(["/api/v1", ...groups].map((path) => discoverGroup(rest, path, signal)));
  return lists.flat();
}

async function discoverGroup(
  rest: Rest,
  groupPath: string,
  signal: AbortSignal | undefined,
): Promise<readonly Resource[]> {
  const { status, body } = await rest.request("GET", groupPath, withSignal(signal));
  // A group goes with its last CRD.
  if (status === 404 || status === 503 || !isJsonObject(body)) return [];
  return membersOf(body, "resources").flatMap(({ name, namespaced, verbs }) => {
    const isOurs = typeof name === "string" && !name.includes("/") && !derivedResources.has(name);
    const canBeReset = Array.isArray(verbs) && verbs.includes("list") && verbs.includes("delete");
    return isOurs && canBeReset ? [{ groupPath, name, namespaced: namespaced === true }] : [];
  });
}

async function listAll(
  rest: Rest,
  { groupPath, name }: Resource,
  signal: AbortSignal | undefined,
): Promise<readonly KubeObject[]> {
  try {
    return await rest.list(`${groupPath}/${name}`, signal);
  } catch (error) {
    if (error instanceof RestError && [404, 405, 429, 503].includes(error.status)) return [];
    throw error;
  }
}

function pathOf({ metadata }: KubeObject, { groupPath, name, namespaced }: Resource): string {
  const scope = namespaced ? `/namespaces/${metadata.namespace}` : "";
  return `${groupPath}${scope}/${name}/${encodeURIComponent(metadata.name)}`;
}

function membersOf(object: JsonObject, field: string): readonly JsonObject[] {
  const members = object[field];
  return Array.isArray(members) ? members.filter(isJsonObject) : [];
}

function withSignal(signal: AbortSignal | undefined): { readonly signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}
