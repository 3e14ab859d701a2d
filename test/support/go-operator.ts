import { fluxInstanceCrd } from "../../src/api/crd.ts";
import { parseStoredFluxInstance } from "../../src/api/flux-instance.ts";
import { fieldsOf, listOf } from "../../src/kube/fields.ts";
import { gvkOf } from "../../src/kube/gvk.ts";
import type { JsonObject, KubeObject } from "../../src/kube/object.ts";
import { compareForApply } from "../../src/kube/order.ts";
import { systemClock } from "../../src/std/clock.ts";
import { sha256Digest } from "../../src/std/digest.ts";
import { formatYaml, parseKubeYaml } from "../../src/std/yaml.ts";
import { namespace, type FluxCluster } from "./flux-cluster.ts";
import type { GoldenCase, GoldenResult } from "./golden-cases.ts";

const group = "fluxcd.controlplane.io";
const manager = "flux-operator";
const instancePath = `/apis/${group}/v1/namespaces/${namespace}/fluxinstances/flux`;
const definitionPath = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/fluxinstances.${group}`;

/** What the Go operator has left: its rendering, and what it wrote about it. */
export type GoOperatorState = { readonly objects: readonly KubeObject[]; readonly status: JsonObject };

/**
 * Makes the cluster as the Go operator leaves it when it is scaled to 0 after a success: all objects applied server-side, the instance
 * at v1 with finalizer and status, and the other kinds of the group. Our own definition is there at the end. No operator may run.
 */
export async function leaveAsGoOperator(
  golden: GoldenCase,
  cluster: Pick<FluxCluster, "client" | "plane">,
): Promise<GoOperatorState> {
  const { instanceYaml, want } = golden;
  if (want === undefined) throw new Error(`the case ${golden.name} has no rendering`);
  await replaceDefinition(cluster);
  for (const object of want.objects.toSorted(compareForApply)) await applyServed(object, manager, cluster);
  for (const object of otherObjects) await applyServed(object, "kubectl", cluster);
  await applyServed(parseStoredFluxInstance(parseKubeYaml(instanceYaml)), "kubectl", cluster);
  const finalizers = { metadata: { finalizers: [`${group}/finalizer`] } };
  await cluster.plane.rest.patch(`${instancePath}?fieldManager=${manager}`, finalizers);
  const status = statusOf(want);
  await cluster.plane.rest.patch(`${instancePath}/status?fieldManager=${manager}`, { status });
  await cluster.plane.rest.apply(definitionPath, fluxInstanceCrd());
  return { objects: want.objects, status };
}

/** Status after one success: no `observedGeneration` and no `lastAppliedVersion`, and the digest is that of the Go operator's YAML. */
function statusOf({ objects, images, version }: GoldenResult): JsonObject {
  const digest = sha256Digest(objects.map((object) => `---\n${formatYaml(object)}`).join(""));
  const at = "2026-08-01T10:00:00Z";
  const reason = "ReconciliationSucceeded";
  return {
    conditions: [
      {
        type: "Ready",
        status: "True",
        reason,
        message: "Reconciliation finished in 7s",
        lastTransitionTime: at,
        observedGeneration: 1,
      },
    ],
    lastAttemptedRevision: `${version}@${digest}`,
    lastAppliedRevision: `${version}@${digest}`,
    components: images.map(({ name, repository, tag, digest: pinned }) => ({ name, repository, tag, digest: pinned })),
    inventory: { entries: objects.map(entryOf) },
    history: [
      {
        digest,
        firstReconciled: at,
        lastReconciled: at,
        lastReconciledDuration: "7.1s",
        lastReconciledStatus: reason,
        totalReconciliations: 3,
        metadata: { flux: version },
      },
    ],
  };
}

function entryOf({ apiVersion, kind, metadata }: KubeObject): JsonObject {
  const [version = "", of = ""] = apiVersion.split("/").toReversed();
  return { id: [metadata.namespace ?? "", metadata.name, of, kind].join("_"), v: version };
}

function definition(kind: string, plural: string): KubeObject {
  const schema = { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: "Namespaced",
      names: { kind, plural, singular: kind.toLowerCase() },
      versions: [{ name: "v1", served: true, storage: true, schema }],
    },
  };
}

function ofGroup(kind: string, name: string): KubeObject {
  const metadata = { name, namespace, finalizers: [`${group}/finalizer`] };
  return { apiVersion: `${group}/v1`, kind, metadata, spec: { inputs: [] } };
}

const appLabels = { "app.kubernetes.io/name": manager };

/** What belongs to the Go operator and not to Flux: its own Deployment, and objects of its other kinds. */
export const otherObjects: readonly KubeObject[] = [
  definition("ResourceSet", "resourcesets"),
  definition("ResourceSetInputProvider", "resourcesetinputproviders"),
  definition("FluxReport", "fluxreports"),
  ofGroup("ResourceSet", "apps"),
  ofGroup("ResourceSetInputProvider", "apps"),
  ofGroup("FluxReport", "flux"),
  {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: manager, namespace, labels: appLabels },
    spec: {
      replicas: 0,
      selector: { matchLabels: appLabels },
      template: {
        metadata: { labels: appLabels },
        spec: { containers: [{ name: "manager", image: "flux-operator:v0.58.0" }] },
      },
    },
  },
];

/** Applies as `fieldManager`, once the kind is served. */
export async function applyServed(
  object: KubeObject,
  fieldManager: string,
  { client }: Pick<FluxCluster, "client">,
): Promise<KubeObject> {
  const deadline = AbortSignal.timeout(60_000);
  while ((await client.discovery.find(gvkOf(object), deadline)) === undefined) {
    client.discovery.invalidate();
    await systemClock.sleep(50, deadline);
  }
  return await client.apply(object, { fieldManager }, deadline);
}

/** Ours with what the Go operator's has of it: one version, none of the RFC's names. */
export async function replaceDefinition({ client, plane }: Pick<FluxCluster, "client" | "plane">): Promise<void> {
  const live = await plane.rest.get(definitionPath);
  const spec = fieldsOf(fluxInstanceCrd()["spec"]);
  const v1 = listOf(spec["versions"])
    .map(fieldsOf)
    .find((version) => version["name"] === "v1");
  const text = JSON.stringify(v1, (key, value: unknown) =>
    key === "x-kubernetes-validations" || isAlias(key, value) ? undefined : value,
  );
  const versions: JsonObject[] = [JSON.parse(text) as JsonObject];
  const never = new AbortController().signal;
  await client.replace({ ...live, spec: { ...spec, versions } }, { fieldManager: "test" }, never);
  await plane.rest.request("GET", instancePath);
}

/** Others have these names too (`sharding.shards`, `sync.pullSecret`): an alias is told by its description. */
function isAlias(key: string, value: unknown): boolean {
  if (key !== "shards" && key !== "pullSecret") return false;
  return JSON.stringify(value).includes("v1alpha1");
}
