import assert from "node:assert/strict";
import { fluxInstanceCrd } from "../../src/api/crd.ts";
import type { OwnedApiClient } from "../../src/client/create-client.ts";
import { createApiClient } from "../../src/client/create-client.ts";
import { loadConnection } from "../../src/client/load-connection.ts";
import type { DeletionPolicy } from "../../src/api/spec.ts";
import { fieldsOf } from "../../src/kube/fields.ts";
import { nameObject } from "../../src/kube/object-id.ts";
import type { JsonObject, KubeObject } from "../../src/kube/object.ts";
import { systemClock } from "../../src/std/clock.ts";
import { startControlPlane, type ControlPlane } from "./control-plane.ts";
import { namespace, recordStatuses, untilServed } from "./flux-cluster.ts";
import { connectAsOperator, forbiddenRequests, grantRights } from "./installation.ts";
import { snapshotOf } from "./snapshot.ts";

export const instancePath = `/apis/fluxcd.controlplane.io/v1/namespaces/${namespace}/fluxinstances/flux`;
const fluxFinalizer = "finalizers.fluxcd.io";
const thirdParty = "example.com/audit";
const never = new AbortController().signal;

/** A cluster in which Flux is installed and removed again and again, among things of others that have to stay as they are. */
export type RemovalWorld = AsyncDisposable & {
  readonly plane: ControlPlane;
  /** With the rights of the operator. */
  readonly client: OwnedApiClient;
  /** Creates the instance; somebody has to reconcile it. */
  createInstance(policy: DeletionPolicy): Promise<void>;
  /** What users have of Flux's kinds, held by its finalizer and by one of somebody else's; to be called when Flux is installed. */
  useFlux(): Promise<void>;
  /** All that there is, without what the API server keeps for a moment, and the state of Flux's custom resources. Fails unless what is of others is the very same as at the start. */
  contents(): Promise<readonly string[]>;
};

const others: readonly JsonObject[] = [
  { apiVersion: "v1", kind: "Namespace", metadata: { name: "apps" } },
  { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "settings", namespace: "apps" }, data: { colour: "blue" } },
  service("apps"),
  // What Flux's first version left behind has nearly our names.
  {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: "helmreleases.helm.fluxcd.io" },
    spec: {
      group: "helm.fluxcd.io",
      scope: "Namespaced",
      names: { kind: "HelmRelease", listKind: "HelmReleaseList", plural: "helmreleases", singular: "helmrelease" },
      versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: { type: "object" } } }],
    },
  },
  {
    apiVersion: "helm.fluxcd.io/v1",
    kind: "HelmRelease",
    metadata: { name: "old", namespace: "apps", finalizers: [fluxFinalizer] },
  },
  { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "source-controller", namespace }, data: { whose: "mine" } },
];

function service(inNamespace: string): JsonObject {
  const metadata = { name: "source-controller", namespace: inNamespace };
  return { apiVersion: "v1", kind: "Service", metadata, spec: { ports: [{ port: 80 }] } };
}

const used: readonly KubeObject[] = [
  {
    apiVersion: "source.toolkit.fluxcd.io/v1",
    kind: "GitRepository",
    metadata: { name: "app", namespace: "apps", finalizers: [fluxFinalizer, thirdParty] },
    spec: { interval: "1m0s", url: "https://git.example.com/app" },
  },
  {
    apiVersion: "kustomize.toolkit.fluxcd.io/v1",
    kind: "Kustomization",
    metadata: { name: "app", namespace: "apps", finalizers: [fluxFinalizer] },
    spec: { interval: "10m0s", prune: true, sourceRef: { kind: "GitRepository", name: "app" } },
  },
  {
    apiVersion: "kustomize.toolkit.fluxcd.io/v1",
    kind: "Kustomization",
    metadata: { name: "app", namespace: "default", finalizers: [fluxFinalizer] },
    spec: { interval: "10m0s", prune: true, sourceRef: { kind: "GitRepository", name: "app", namespace: "apps" } },
  },
];

const usedPaths = [
  "/apis/source.toolkit.fluxcd.io/v1/namespaces/apps/gitrepositories/app",
  "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/apps/kustomizations/app",
  "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/default/kustomizations/app",
];
const syncPaths = {
  source: `/apis/source.toolkit.fluxcd.io/v1/namespaces/${namespace}/gitrepositories/${namespace}`,
  kustomization: `/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/${namespace}/kustomizations/${namespace}`,
};

/** Flux in miniature: two controllers, and a sync. */
function instanceWith(deletionPolicy: DeletionPolicy): JsonObject {
  return {
    apiVersion: "fluxcd.controlplane.io/v1",
    kind: "FluxInstance",
    metadata: { name: "flux", namespace },
    spec: {
      distribution: { version: "2.9.4", registry: "ghcr.io/fluxcd" },
      components: ["source-controller", "kustomize-controller"],
      sync: { kind: "GitRepository", url: "https://git.example.com/fleet", ref: "refs/heads/main", path: "./" },
      deletionPolicy,
    },
  };
}

export async function startRemovalWorld(): Promise<RemovalWorld> {
  const plane = await startControlPlane({ variant: "full" });
  const admin = await connect(plane.kubeconfigPath);
  const apply = async (object: JsonObject): Promise<KubeObject> =>
    await admin.apply(object as KubeObject, { fieldManager: "test" }, never);
  await plane.rest.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", fluxInstanceCrd());
  await untilServed(admin);
  await apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
  await grantRights(plane);
  const client = await connect(await connectAsOperator(plane));
  for (const object of others) await whenServed(() => apply(object));
  const before = await snapshotOf(plane);
  const stop = new AbortController();
  const auditor = audit(plane, stop.signal);
  const statuses = recordStatuses(admin);
  return {
    plane,
    client,
    createInstance: async (policy) => void (await apply(instanceWith(policy))),
    useFlux: async () => {
      for (const object of used) await whenServed(() => apply(object));
      for (const path of Object.values(syncPaths))
        await plane.rest.patch(path, { metadata: { finalizers: [fluxFinalizer] } });
      // It lost the labels that make it ours.
      const metadata = { labels: { "fluxcd.controlplane.io/name": null, "fluxcd.controlplane.io/namespace": null } };
      await plane.rest.patch(`/api/v1/namespaces/${namespace}/serviceaccounts/kustomize-controller`, { metadata });
    },
    contents: async () => {
      const now = await snapshotOf(plane);
      const changed = [...before].filter(([name, at]) => !restless.test(name) && now.get(name) !== at);
      assert.deepEqual(changed, []);
      const replaced = [...before].filter(([name, at]) => uidOf(now.get(name)) !== uidOf(at));
      assert.deepEqual(replaced, []);
      return [...[...now.keys()].filter((name) => !passing.test(name)).toSorted(), ...(await states(plane))];
    },
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await auditor;
      const faults = await statuses.stop();
      const forbidden = forbiddenRequests(await plane.auditEvents());
      await Promise.all([client.close(), admin.close()]);
      await plane.stop();
      assert.deepEqual(forbidden, [], "the operator has asked for nothing that its rights do not allow");
      assert.deepEqual(faults, [], "every status that was seen is legal");
    },
  };
}

async function connect(kubeconfig: string): Promise<OwnedApiClient> {
  const connection = await loadConnection({ kubeconfig, env: {}, clock: systemClock });
  return createApiClient({ connection, userAgent: "test", clock: systemClock });
}

/** Our namespace is labelled anew each time; the API server's own roles take in what Flux's roles grant. */
const restless = /^(Namespace\/flux-system|ClusterRole\/(admin|edit|view))$/;

function uidOf(at: string | undefined): string | undefined {
  return at?.split("@")[0];
}

const passing = /^(IPAddress|ControllerRevision|PersistentVolume)\//;

/** What holds and what stops the custom resources that are left. */
async function states({ rest }: ControlPlane): Promise<readonly string[]> {
  const answers = await Promise.all(
    [...usedPaths, ...Object.values(syncPaths)].map((path) => rest.request("GET", path)),
  );
  return answers
    .filter(({ status }) => status === 200)
    .map(({ body }) => {
      const { metadata, spec, kind, apiVersion } = body as KubeObject;
      const { finalizers = [], deletionTimestamp } = metadata;
      const suspended = fieldsOf(spec)["suspend"] === true ? "suspended" : "runs";
      const ending = deletionTimestamp === undefined ? "stays" : "ends";
      return `${nameObject({ metadata, kind, apiVersion })} ${suspended}, ${ending}, held by [${finalizers.join(", ")}]`;
    });
}

async function whenServed<Result>(ask: () => Promise<Result>): Promise<Result> {
  const deadline = AbortSignal.timeout(30_000);
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (deadline.aborted) throw error;
      await systemClock.sleep(50, deadline);
    }
  }
}

/** Somebody else's controller: gives its object free once Flux has let go of it, and is unhappy when its finalizer is gone before. */
async function audit(plane: ControlPlane, signal: AbortSignal): Promise<void> {
  const path = "/apis/source.toolkit.fluxcd.io/v1/namespaces/apps/gitrepositories/app";
  while (!signal.aborted) {
    const { status, body } = await plane.rest.request("GET", path);
    if (status === 200) {
      const { metadata } = body as KubeObject;
      const ending = metadata.deletionTimestamp !== undefined;
      if (ending && !metadata.finalizers?.includes(fluxFinalizer)) {
        await plane.rest.request("PATCH", path, { body: { metadata: { finalizers: null } } });
      }
    }
    await systemClock.sleep(50, signal).catch(() => undefined);
  }
}
