import type { TestContext } from "node:test";
import { registryHost } from "../../scripts/control-plane/node/addresses.ts";
import { builtControllers, fluxRegistry } from "../../scripts/quickstart/node-images.ts";
import { fieldsOf, listOf, textOf } from "../../src/kube/fields.ts";
import { deploymentKind, eventKind, podKind } from "../../src/kube/kinds.ts";
import type { JsonObject, JsonValue, KubeObject, ObjectKey } from "../../src/kube/object.ts";
import { readinessOf } from "../../src/kube/readiness.ts";
import { leaseKind } from "../../src/runtime/lease.ts";
import { namespace, statusOf } from "./flux-cluster.ts";
import type { NodeWorld } from "./node-world.ts";
import { changesOf } from "./record-objects.ts";

const never = new AbortController().signal;
export const instanceKind = { group: "fluxcd.controlplane.io", version: "v1", kind: "FluxInstance" };
export const instanceKey = { namespace, name: "flux" };
const instancePath = `/apis/fluxcd.controlplane.io/v1/namespaces/${namespace}/fluxinstances/flux`;

/** Lets source-controller pull from the node's registry, which has no TLS. */
export const insecure: JsonObject = {
  target: { kind: "OCIRepository" },
  patch: JSON.stringify([{ op: "add", path: "/spec/insecure", value: true }]),
};

/** An instance whose controllers are those that were built here, and which syncs the app. */
export function fluxInstance(spec: JsonObject): JsonObject {
  return withTimeout("40s", {
    apiVersion: "fluxcd.controlplane.io/v1",
    kind: "FluxInstance",
    metadata: instanceKey,
    spec: {
      components: [...builtControllers],
      sync: { kind: "OCIRepository", url: `oci://${registryHost}/fleet`, ref: "latest", path: "./", interval: "10m" },
      kustomize: { patches: [insecure] },
      ...spec,
      distribution: { registry: fluxRegistry, ...fieldsOf(spec["distribution"]) },
    },
  });
}

/** The instance, or a merge patch of it, with a limit for each reconcile: 40s are enough for what gets healthy on a busy machine. */
export function withTimeout(timeout: string, instance: JsonObject = {}): JsonObject {
  const metadata = fieldsOf(instance["metadata"]);
  return {
    ...instance,
    metadata: { ...metadata, annotations: { "fluxcd.controlplane.io/reconcileTimeout": timeout } },
  };
}

/** A JSON patch of kustomize-controller, whose stop stops no source. */
export function kustomizePatch(operations: readonly JsonObject[]): JsonObject {
  return { target: { kind: "Deployment", name: "kustomize-controller" }, patch: JSON.stringify(operations) };
}

/** An application whose pods really run, and do nothing. */
export function application(edition: string): readonly (KubeObject & JsonObject)[] {
  const metadata = { name: "web", namespace: "apps" };
  const labels = { app: "web" };
  const containers = [{ name: "main", image: `${registryHost}/app:1` }];
  return [
    { apiVersion: "v1", kind: "Namespace", metadata: { name: "apps" } },
    { apiVersion: "v1", kind: "ConfigMap", metadata, data: { edition } },
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata,
      spec: {
        replicas: 2,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { terminationGracePeriodSeconds: 1, containers } },
      },
    },
  ];
}

/** Resolves once the application runs, to `appPods`. */
export async function appRuns(world: NodeWorld): Promise<readonly string[]> {
  await rolledOut(world, { namespace: "apps", name: "web" });
  return await appPods(world);
}

/** "uid [restarts]" of each pod of the application, sorted. */
export async function appPods({ client }: NodeWorld): Promise<readonly string[]> {
  const { items } = await client.list(podKind, { namespace: "apps" }, never);
  return items.map((pod) => `${pod.metadata.uid} ${JSON.stringify(restartsIn(pod))}`).toSorted();
}

/** How often each container was restarted, of the pods that are not being deleted. */
export async function restartsOf({ client }: NodeWorld, labelSelector: string): Promise<readonly JsonValue[]> {
  const { items } = await client.list(podKind, { namespace, labelSelector }, never);
  return items.filter(({ metadata }) => metadata.deletionTimestamp === undefined).flatMap(restartsIn);
}

/** How often each container of the pod was restarted. */
export function restartsIn(pod: KubeObject): readonly JsonValue[] {
  return listOf(statusOf(pod)["containerStatuses"]).map((status) => fieldsOf(status)["restartCount"] ?? 0);
}

/** JSON merge patch of the instance. */
export async function patchInstance({ plane }: NodeWorld, patch: JsonObject): Promise<KubeObject> {
  return await plane.rest.patch(instancePath, patch);
}

export async function instanceWhen(world: NodeWorld, wanted: (object: KubeObject) => boolean): Promise<KubeObject> {
  return await world.when(instanceKind, instanceKey, wanted);
}

/** Resolves once the Deployment is as it should be. */
export async function rolledOut(world: NodeWorld, key: ObjectKey): Promise<void> {
  await world.when(deploymentKind, key, (object) => readinessOf(object).status === "Current");
}

/** Whether the status is that of the instance's newest spec. */
export function isCurrent(object: KubeObject): boolean {
  return statusOf(object)["observedGeneration"] === object.metadata.generation;
}

/** The outcome of the last run, as the history has it. */
export function lastOutcome(object: KubeObject): string {
  const [newest] = listOf(statusOf(object)["history"]);
  return textOf(fieldsOf(newest)["lastReconciledStatus"]);
}

export type Handovers = { stop(): Promise<readonly number[]> };

/**
 * Watches the operator's lease until `stop`, which answers for how many milliseconds nobody led, for each time that another process has taken it.
 * Resolves once it knows who leads.
 */
export async function recordHandovers({ client }: NodeWorld): Promise<Handovers> {
  const over = new AbortController();
  const { promise: known, resolve: know } = Promise.withResolvers<void>();
  const taken: number[] = [];
  const watch = async (): Promise<void> => {
    let [leader, freedMs] = ["", Number.NaN];
    const lease = { gvk: leaseKind, key: { namespace, name: "flux-operator" } };
    for await (const { spec } of changesOf(client, lease, over.signal)) {
      const holder = holderOf(spec);
      if (holder === "" && Number.isNaN(freedMs)) freedMs = performance.now();
      if (holder === "" || holder === leader) continue;
      if (leader !== "") taken.push(Number.isNaN(freedMs) ? 0 : performance.now() - freedMs);
      [leader, freedMs] = [holder, Number.NaN];
      know();
    }
  };
  const watching = watch().catch((error: unknown) => {
    if (!over.signal.aborted) throw error;
  });
  await Promise.race([known, watching]);
  return {
    stop: async () => {
      over.abort(new Error("the record is over"));
      await watching;
      return taken;
    },
  };
}

/** Milliseconds from when the first pod of the operator begins to pull its image until it leads, as watches tell. */
export async function pullToLead(world: NodeWorld): Promise<number> {
  const leads = world
    .when(leaseKind, { namespace, name: "flux-operator" }, ({ spec }) => holderOf(spec) !== "")
    .then(() => performance.now());
  const deadline = AbortSignal.timeout(120_000);
  for await (const event of changesOf(world.client, { gvk: eventKind }, deadline)) {
    const { name = "" } = fieldsOf(event["involvedObject"]);
    if (event["reason"] !== "Pulling" || !textOf(name).startsWith("flux-operator-")) continue;
    const pullsMs = performance.now();
    return (await leads) - pullsMs;
  }
  throw new Error("no pod of the operator pulls its image");
}

function holderOf(spec: JsonValue | undefined): string {
  return textOf(fieldsOf(spec)["holderIdentity"]);
}

/** Prints how long something took. */
export function tell(context: TestContext, what: string, sinceMs: number): void {
  context.diagnostic(`${what}: ${((performance.now() - sinceMs) / 1000).toFixed(1)} s`);
}
