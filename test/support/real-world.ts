import { fieldsOf } from "../../src/kube/fields.ts";
import type { GroupVersionKind } from "../../src/kube/gvk.ts";
import type { JsonObject, KubeObject } from "../../src/kube/object.ts";
import { condition, startFluxCluster, statusOf, type FluxCluster } from "./flux-cluster.ts";
import { pushFluxArtifact } from "./flux-artifact.ts";
import { startRealFlux, type RealFlux } from "./real-flux.ts";
import { startRegistry } from "./registry.ts";

export const sourceKind = { group: "source.toolkit.fluxcd.io", version: "v1", kind: "OCIRepository" };
export const kustomizationKind = { group: "kustomize.toolkit.fluxcd.io", version: "v1", kind: "Kustomization" };

export type FluxName = { readonly namespace: string; readonly name: string };

/** A cluster with the operator, the real Flux controllers, and a registry from which they sync. */
export type RealWorld = AsyncDisposable & {
  readonly cluster: FluxCluster;
  readonly flux: RealFlux;
  /** "oci://127.0.0.1:<port>" */
  readonly registry: string;
  /** Pushes what `repository` has at tag `latest`; gives back its revision. */
  push(repository: string, objects: readonly Workload[]): Promise<string>;
  /**
   * Asks the source and the Kustomization of that name for a reconcile, and waits until both controllers have answered it: ready, at
   * `revision`, which was applied.
   */
  synced(key: FluxName, revision: string): Promise<void>;
};

export type Workload = KubeObject & JsonObject;

export async function startRealWorld(): Promise<RealWorld> {
  const registry = await startRegistry({ kind: "open" }, new AbortController().signal);
  const cluster = await startFluxCluster();
  const flux = startRealFlux(cluster.plane, cluster.client);
  let asked = 0;
  const answered = async (
    gvk: GroupVersionKind,
    key: FluxName,
    wanted: (status: JsonObject) => boolean,
  ): Promise<void> => {
    asked += 1;
    const at = `${Date.now()}-${asked}`;
    const value = { metadata: { annotations: { "reconcile.fluxcd.io/requestedAt": at } } };
    const options = { fieldManager: "flux-client-side-apply" };
    await cluster.client.patch({ gvk, key }, { kind: "merge", value }, options, new AbortController().signal);
    await cluster.objectWhen(gvk, `ready as ${key.namespace}/${key.name}`, (object) => {
      const status = statusOf(object);
      return (
        object.metadata.name === key.name &&
        object.metadata.namespace === key.namespace &&
        status["lastHandledReconcileAt"] === at &&
        status["observedGeneration"] === object.metadata.generation &&
        condition(object, "Ready")?.startsWith("True/") === true &&
        wanted(status)
      );
    });
  };
  return {
    cluster,
    flux,
    registry: `oci://${registry.host}`,
    push: (repository, objects) => pushFluxArtifact({ host: registry.host, repository, tag: "latest" }, objects),
    synced: async (key, revision) => {
      await answered(sourceKind, key, ({ artifact }) => fieldsOf(artifact)["revision"] === revision);
      await answered(kustomizationKind, key, ({ lastAppliedRevision }) => lastAppliedRevision === revision);
    },
    [Symbol.asyncDispose]: async () => {
      await flux[Symbol.asyncDispose]();
      await cluster[Symbol.asyncDispose]();
      await registry[Symbol.asyncDispose]();
    },
  };
}

/** The source and the Kustomization of somebody who uses Flux, beside the instance's own. */
export function userSync(
  { namespace, name }: FluxName,
  url: string,
  labels: { readonly [key: string]: string } = {},
): readonly Workload[] {
  const metadata = { namespace, name, labels };
  return [
    {
      apiVersion: "source.toolkit.fluxcd.io/v1",
      kind: "OCIRepository",
      metadata,
      spec: { interval: "10m", url, ref: { tag: "latest" }, insecure: true },
    },
    {
      apiVersion: "kustomize.toolkit.fluxcd.io/v1",
      kind: "Kustomization",
      metadata,
      spec: { interval: "10m", prune: true, path: "./", sourceRef: { kind: "OCIRepository", name } },
    },
  ];
}

/** What an application consists of, its namespace aside. */
export function application(inNamespace: string, name: string, data: JsonObject): readonly Workload[] {
  const metadata = { namespace: inNamespace, name };
  const labels = { app: name };
  const container = { name: "main", image: `registry.example.com/${name}:1` };
  return [
    { apiVersion: "v1", kind: "ConfigMap", metadata, data },
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata,
      spec: {
        replicas: 2,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [container] } },
      },
    },
    { apiVersion: "v1", kind: "Service", metadata, spec: { selector: labels, ports: [{ name: "http", port: 80 }] } },
  ];
}
