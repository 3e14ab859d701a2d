import assert from "node:assert/strict";
import { after, before, describe, test, type TestContext } from "node:test";
import { outcomeAnnotation } from "../../scripts/control-plane/stages.ts";
import { comparable } from "../../src/apply/compare.ts";
import { managedObjects, type ManagedObject } from "../../src/apply/inventory.ts";
import { readStatus } from "../../src/controllers/flux-instance/status.ts";
import { fieldsOf, listOf, textOf } from "../../src/kube/fields.ts";
import type { JsonObject, JsonValue, KubeObject } from "../../src/kube/object.ts";
import { describeObject } from "../../src/kube/object-id.ts";
import { systemClock } from "../../src/std/clock.ts";
import { deepEqual } from "../../src/std/json.ts";
import { changesOf } from "../support/record-objects.ts";
import { condition, isReady, namespace, startFluxCluster, type FluxCluster } from "../support/flux-cluster.ts";

const never = new AbortController().signal;

/** Every kind of object that an instance can consist of. */
const instance = {
  apiVersion: "fluxcd.controlplane.io/v1",
  kind: "FluxInstance",
  metadata: { name: "flux", namespace },
  spec: {
    distribution: { version: "2.9.4", registry: "ghcr.io/fluxcd" },
    components: [
      "source-controller",
      "kustomize-controller",
      "helm-controller",
      "notification-controller",
      "image-reflector-controller",
      "image-automation-controller",
      "source-watcher",
    ],
    storage: { class: "standard", size: "1Gi" },
    sharding: { shards: ["a"] },
    sync: { kind: "OCIRepository", url: "oci://registry.example.com/fleet", ref: "latest", path: "./" },
    driftIgnore: [
      {
        target: { kind: "Deployment", name: "kustomize-controller" },
        paths: ["/spec/template/spec/containers/0/resources"],
      },
    ],
  },
};

type Operation = { readonly op: "add" | "replace" | "remove"; readonly path: string; readonly value?: JsonValue };

const partOfLabel = "app.kubernetes.io/part-of";
const partOf = "/metadata/labels/app.kubernetes.io~1part-of";
/** What somebody does to an object of each kind, besides to its labels. */
const edits: { readonly [kind: string]: readonly Operation[] } = {
  Deployment: [
    { op: "replace", path: "/spec/replicas", value: 3 },
    { op: "replace", path: "/spec/template/spec/containers/0/args/0", value: "--edited" },
  ],
  Service: [{ op: "replace", path: "/spec/ports/0/name", value: "edited" }],
  ClusterRole: [{ op: "replace", path: "/rules/0/verbs", value: ["edited"] }],
  ClusterRoleBinding: [{ op: "replace", path: "/subjects", value: [] }],
  ResourceQuota: [{ op: "replace", path: "/spec/hard/pods", value: "1" }],
  NetworkPolicy: [{ op: "replace", path: "/spec/policyTypes", value: ["Ingress", "Egress"] }],
  CustomResourceDefinition: [{ op: "remove", path: "/spec/versions/0/schema/openAPIV3Schema/properties/kind" }],
  OCIRepository: [{ op: "replace", path: "/spec/interval", value: "9m" }],
  Kustomization: [{ op: "replace", path: "/spec/path", value: "./edited" }],
};

/** Kinds whose deletion nothing could undo, with the reason. */
const undeletable: { readonly [kind: string]: string } = {
  Namespace: "the instance itself goes with it",
  PersistentVolumeClaim: "Kubernetes keeps it until no pod uses it",
};

let cluster: FluxCluster;

before(async () => {
  cluster = await startFluxCluster();
});
after(async () => {
  await cluster[Symbol.asyncDispose]();
});

async function managed(): Promise<readonly ManagedObject[]> {
  const { inventory } = readStatus((await cluster.instance())["status"]);
  return managedObjects(inventory?.entries ?? []);
}

async function get(id: ManagedObject): Promise<KubeObject> {
  return await cluster.client.get(id, id, never);
}

/** What it should be: without the server's own fields, and without what the Deployment controller counts. */
function content(object: KubeObject): JsonObject {
  const { metadata, ...rest } = comparable(object);
  const { annotations, finalizers: _, ...others } = fieldsOf(metadata);
  const kept = Object.entries(fieldsOf(annotations)).filter(([key]) => key !== "deployment.kubernetes.io/revision");
  return { ...rest, metadata: { ...others, annotations: Object.fromEntries(kept) } };
}

/** Resolves once the object is as `wanted` says; answers how long that took. */
async function backWhen(id: ManagedObject, what: string, wanted: (object: KubeObject) => boolean): Promise<number> {
  const startedMs = performance.now();
  await cluster.objectWhen(id, what, wanted, id);
  return performance.now() - startedMs;
}

function containersOf(object: KubeObject): readonly JsonObject[] {
  return listOf(fieldsOf(fieldsOf(fieldsOf(object["spec"])["template"])["spec"])["containers"]).map(fieldsOf);
}

async function edit(id: ManagedObject, operations: readonly Operation[]): Promise<void> {
  await cluster.client.patch(
    { gvk: id, key: id },
    { kind: "json", operations: operations.map((operation) => ({ ...operation })) },
    { fieldManager: "somebody" },
    never,
  );
}

/** What Flux's own controllers would say of a sync object. */
async function succeed(id: ManagedObject): Promise<void> {
  const { generation = 0 } = (await get(id)).metadata;
  const lastTransitionTime = "2026-01-01T00:00:00Z";
  const ready = { type: "Ready", status: "True", reason: "Succeeded", message: "ok", lastTransitionTime };
  const status = { observedGeneration: generation, conditions: [ready] };
  const options = { fieldManager: "somebody", subresource: "status" } as const;
  await cluster.client.patch({ gvk: id, key: id }, { kind: "merge", value: { status } }, options, never);
}

function tell(context: TestContext, what: string, times: readonly number[]): void {
  const sorted = times.toSorted((left, right) => left - right).map(Math.round);
  context.diagnostic(
    `${times.length} objects ${what}: median ${sorted[times.length >> 1]} ms, worst ${sorted.at(-1)} ms`,
  );
}

/** Reconciles that the operator began so far: each reads the instance once. */
async function reconciles(): Promise<number> {
  const events = await cluster.plane.auditEvents();
  return events.filter(
    ({ verb, userAgent, objectRef }) =>
      verb === "get" && objectRef?.resource === "fluxinstances" && userAgent?.startsWith("flux-operator/"),
  ).length;
}

function isScaledUp(object: KubeObject, generation: number): boolean {
  return fieldsOf(object["spec"])["replicas"] !== 0 && (object.metadata.generation ?? 0) >= generation;
}

/** Does to our applies what Argo CD does when it heals itself; resolves to how often that was. */
async function undoEveryRepair(id: ManagedObject, signal: AbortSignal): Promise<number> {
  const theirs = { kind: "merge", value: { metadata: { labels: { [partOfLabel]: "theirs" } } } } as const;
  let undone = 0;
  try {
    for await (const { metadata } of changesOf(cluster.client, { gvk: id, key: id }, signal)) {
      if (metadata.labels?.[partOfLabel] !== "flux") continue;
      await cluster.client.patch({ gvk: id, key: id }, theirs, { fieldManager: "argocd-controller" }, signal);
      undone += 1;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  return undone;
}

describe("drift", { concurrency: 1 }, () => {
  test("the instance becomes ready", async () => {
    await cluster.apply(instance);
    await cluster.instanceWhen("ready", isReady);
    const kinds = new Set((await managed()).map(({ kind }) => kind));
    for (const kind of [...Object.keys(edits), ...Object.keys(undeletable)]) assert.ok(kinds.has(kind), kind);
  });

  test("every managed object that somebody edits is as it was", async (context) => {
    const times: number[] = [];
    for (const id of await managed()) {
      const before = content(await get(id));
      const isBack = (object: KubeObject): boolean => deepEqual(content(object), before);
      await edit(id, [{ op: "replace", path: partOf, value: "edited" }, ...(edits[id.kind] ?? [])]);
      times.push(await backWhen(id, `as it was: ${describeObject(id)}`, isBack));
    }
    tell(context, "edited", times);
  });

  test("every managed object that loses the label by which we watch it gets it back", async (context) => {
    const times: number[] = [];
    for (const id of await managed()) {
      const before = content(await get(id));
      await edit(id, [{ op: "remove", path: "/metadata/labels/app.kubernetes.io~1managed-by" }]);
      times.push(await backWhen(id, `ours: ${describeObject(id)}`, (object) => deepEqual(content(object), before)));
    }
    tell(context, "unlabelled", times);
  });

  test("every managed object that somebody deletes is there anew", async (context) => {
    const times: number[] = [];
    for (const id of await managed()) {
      if (undeletable[id.kind] !== undefined) continue;
      const { uid } = (await get(id)).metadata;
      await cluster.client.delete({ gvk: id, key: id }, {}, never);
      times.push(await backWhen(id, `made anew: ${describeObject(id)}`, ({ metadata }) => metadata.uid !== uid));
    }
    tell(context, "deleted", times);
    await cluster.instanceWhen("ready", isReady);
  });

  test("fields of others stay, while ours beside them are repaired", async () => {
    const deployments = (await managed()).filter(({ kind }) => kind === "Deployment");
    const named = (name: string): ManagedObject => {
      const found = deployments.find((id) => id.name === name);
      assert.ok(found !== undefined, name);
      return found;
    };
    const [scaled, lent, injected] = ["helm-controller", "kustomize-controller", "source-controller"].map(named);
    assert.ok(scaled !== undefined && lent !== undefined && injected !== undefined);
    const path = `/apis/apps/v1/namespaces/${namespace}/deployments/${scaled.name}/scale`;
    await cluster.plane.rest.patch(path, { spec: { replicas: 2 } });
    const resources = { limits: { cpu: "3", memory: "3Gi" }, requests: { cpu: "1", memory: "1Gi" } };
    await edit(lent, [{ op: "replace", path: "/spec/template/spec/containers/0/resources", value: resources }]);
    await edit(injected, [
      { op: "add", path: "/metadata/labels/team", value: "theirs" },
      { op: "add", path: "/spec/template/spec/containers/-", value: { name: "mesh", image: "mesh:1" } },
    ]);
    for (const id of [scaled, lent, injected]) {
      await edit(id, [{ op: "replace", path: partOf, value: "edited" }]);
      await backWhen(id, "ours again", ({ metadata }) => metadata.labels?.["app.kubernetes.io/part-of"] === "flux");
    }
    await cluster.reconcile();
    assert.equal(fieldsOf((await get(scaled))["spec"])["replicas"], 2);
    assert.deepEqual(containersOf(await get(lent))[0]?.["resources"], resources);
    const theirs = await get(injected);
    assert.equal(theirs.metadata.labels?.["team"], "theirs");
    assert.deepEqual(
      containersOf(theirs).map(({ name }) => textOf(name)),
      ["manager", "mesh"],
    );
  });

  test("half a minute of reconciles in which nothing happens makes no write", async () => {
    const rounds = 30;
    for (const id of (await managed()).filter(({ group }) => group.endsWith("fluxcd.io"))) await succeed(id);
    await cluster.instanceWhen("synced", (object) => condition(object, "Synced")?.startsWith("True/") === true);
    await cluster.patchInstance({ metadata: { annotations: { "fluxcd.controlplane.io/reconcileEvery": "1s" } } });
    await cluster.reconcile();
    const before = {
      writes: (await cluster.writes()).length,
      world: await cluster.snapshot(),
      begun: await reconciles(),
    };
    const deadline = AbortSignal.timeout(90_000);
    while ((await reconciles()) < before.begun + rounds) await systemClock.sleep(100, deadline);
    assert.equal((await cluster.writes()).length, before.writes);
    assert.deepEqual(await cluster.snapshot(), before.world);
  });

  test("replicas of 0 come back, since Kubernetes records no owner for them, whether patched or put", async () => {
    const helm = (await managed()).find(({ kind, name }) => kind === "Deployment" && name === "helm-controller");
    assert.ok(helm !== undefined);
    const path = `/apis/apps/v1/namespaces/${namespace}/deployments/helm-controller/scale`;
    const { generation = 0 } = (await get(helm)).metadata;
    await cluster.plane.rest.patch(path, { spec: { replicas: 0 } });
    await backWhen(helm, "scaled up again", (object) => isScaledUp(object, generation + 2));
    // Without its resourceVersion, since the status of the Deployment may still change.
    const { apiVersion, kind, metadata } = await cluster.plane.rest.get(path);
    const body = { apiVersion, kind, metadata: { name: metadata.name, namespace }, spec: {} };
    assert.equal((await cluster.plane.rest.request("PUT", path, { body })).status, 200);
    await backWhen(helm, "scaled up again", (object) => isScaledUp(object, generation + 4));
  });

  test("a controller that the spec scales to 0 is told to leave its resources unattended", async () => {
    const patch = JSON.stringify([{ op: "replace", path: "/spec/replicas", value: 0 }]);
    const patches = [{ target: { kind: "Deployment", name: "helm-controller" }, patch }];
    // A reconcile that ends while another client has scaled it to 0 tells so for a moment.
    await cluster.instanceWhen("attended", (object) => condition(object, "Unattended") === undefined);
    await cluster.reconcile();
    await cluster.patchInstance({ spec: { kustomize: { patches } } });
    const told = await cluster.instanceWhen("unattended", (object) => condition(object, "Unattended") !== undefined);
    // The patch also selects the shard.
    assert.equal(
      condition(told, "Unattended"),
      "True/NoController: No controller reconciles the resources of Deployment/flux-system/helm-controller-a: it is scaled to 0; the resources of Deployment/flux-system/helm-controller: it is scaled to 0",
    );
    await cluster.patchInstance({ spec: { kustomize: null } });
    await cluster.instanceWhen("attended", (object) => condition(object, "Unattended") === undefined);
  });

  test("an edit while pods are waited for is repaired at once, and not when the wait is over", async () => {
    const controller = (await managed()).find(({ kind, name }) => kind === "Deployment" && name === "helm-controller");
    assert.ok(controller !== undefined);
    const annotations = { [outcomeAnnotation]: "never-ready" };
    const patch = JSON.stringify([{ op: "add", path: "/spec/template/metadata/annotations", value: annotations }]);
    const patches = [{ target: { kind: "Deployment", name: "helm-controller" }, patch }];
    await cluster.patchInstance({ spec: { kustomize: { patches } } });
    await backWhen(controller, "waited for", (object) => JSON.stringify(object["spec"]).includes(outcomeAnnotation));
    const { spec } = await get(controller);
    await edit(controller, [{ op: "replace", path: "/spec/template/spec/containers/0/args/0", value: "--edited" }]);
    await backWhen(controller, "repaired", (object) => deepEqual(object["spec"] ?? null, spec ?? null));
    await cluster.patchInstance({ spec: { kustomize: null } });
    await cluster.instanceWhen("ready", isReady);
  });

  test("a client that undoes every repair costs a few of them, and is named with the object and the field", async () => {
    const service = (await managed()).find(({ kind, name }) => kind === "Service" && name === "webhook-receiver");
    assert.ok(service !== undefined);
    const stop = new AbortController();
    const neighbour = undoEveryRepair(service, stop.signal);
    const told = await cluster.instanceWhen("contested", (object) => condition(object, "Warning") !== undefined);
    assert.equal(
      condition(told, "Warning"),
      `True/Contested: undone after each repair, so it is repaired seldom: Service/flux-system/webhook-receiver: argocd-controller changes metadata.labels.${partOfLabel}; have that client leave the object alone, or leave the field to it with spec.driftIgnore`,
    );
    assert.ok(isReady(told));
    const other = { ...service, name: "source-controller" };
    await edit(other, [{ op: "replace", path: partOf, value: "edited" }]);
    await backWhen(other, "repaired", ({ metadata }) => metadata.labels?.[partOfLabel] === "flux");
    assert.equal((await get(service)).metadata.labels?.[partOfLabel], "theirs", "it is left alone for now");
    stop.abort();
    // Its own change, and one after each of ten repairs, of which tests before this one may have used some.
    const undone = await neighbour;
    assert.ok(undone > 1 && undone <= 11, `${undone} changes of the neighbour`);
    await cluster.reconcile();
    assert.equal((await get(service)).metadata.labels?.[partOfLabel], "flux", "on request it is repaired");
  });
});
