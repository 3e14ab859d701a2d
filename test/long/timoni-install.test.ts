import assert from "node:assert/strict";
import { test } from "node:test";
import { startOperator } from "../../scripts/quickstart/operator-process.ts";
import type { TimoniModule } from "../../scripts/timoni/modules.ts";
import { fluxInstance } from "../../src/api/names.ts";
import { createApiClient, type OwnedApiClient } from "../../src/client/create-client.ts";
import { loadConnection } from "../../src/client/load-connection.ts";
import { fieldsOf, textOf } from "../../src/kube/fields.ts";
import { gvkOf } from "../../src/kube/gvk.ts";
import type { JsonObject, KubeObject } from "../../src/kube/object.ts";
import { compareForApply } from "../../src/kube/order.ts";
import { readinessOf } from "../../src/kube/readiness.ts";
import { systemClock } from "../../src/std/clock.ts";
import { startControlPlane } from "../support/control-plane.ts";
import { connectAsOperator, forbiddenRequests } from "../support/installation.ts";
import { built, healthOf, type Health } from "../support/timoni.ts";

const namespace = "flux-system";
const patienceMs = 90_000;
const never = new AbortController().signal;
const refOf = (object: KubeObject) => ({
  gvk: gvkOf(object),
  key: { namespace: object.metadata.namespace ?? "", name: object.metadata.name },
});
const flux = (version: string): JsonObject => ({
  "instance.distribution.version": version,
  "instance.components": ["source-controller"],
});
const nameOf = ({ kind, metadata }: KubeObject): string => `${kind}/${metadata.name}`;

/** Reads an object until `wanted` holds. Fails with the last state. */
async function until(
  client: OwnedApiClient,
  object: KubeObject,
  wanted: (live: KubeObject | undefined) => boolean | Promise<boolean>,
): Promise<KubeObject | undefined> {
  const { gvk, key } = refOf(object);
  const deadline = AbortSignal.timeout(patienceMs);
  for (;;) {
    const live = await client.getOrUndefined(gvk, key, never);
    if (await wanted(live)) return live;
    if (deadline.aborted) throw new Error(`Timed out: ${nameOf(object)} is ${JSON.stringify(live?.["status"])}`);
    await systemClock.sleep(100, never);
  }
}

/** As Timoni applies: a CRD first, everything server-side with the labels of the Timoni instance, and then it waits; for an instance, by the health check. */
async function apply(client: OwnedApiClient, module: TimoniModule, values: JsonObject): Promise<readonly Health[]> {
  const name = module === "flux-operator" ? module : "flux";
  const owner = { "instance.timoni.sh/name": name, "instance.timoni.sh/namespace": namespace };
  const owned = (await built(module, values)).toSorted(compareForApply).map((object) => withLabels(object, owner));
  for (const object of owned) {
    await client.apply(object, { fieldManager: "timoni" }, never);
    if (object.kind === "CustomResourceDefinition") await until(client, object, isCurrent);
  }
  const seen: Health[] = [];
  for (const object of owned) {
    if (object.kind !== fluxInstance.kind) await until(client, object, isCurrent);
    else
      await until(client, object, async (live) => {
        const health = live === undefined ? "InProgress" : await healthOf(live);
        if (seen.at(-1) !== health) seen.push(health);
        return health !== "InProgress";
      });
  }
  return seen;
}

function withLabels(object: KubeObject, labels: { readonly [name: string]: string }): KubeObject {
  const { metadata } = object;
  return { ...object, metadata: { ...metadata, labels: { ...metadata.labels, ...labels } } };
}

const isCurrent = (live: KubeObject | undefined): boolean =>
  live !== undefined && readinessOf(live).status === "Current";

/** As Timoni deletes: in reverse, all but what its annotation keeps, and then it waits. */
async function remove(client: OwnedApiClient, module: TimoniModule, values: JsonObject): Promise<void> {
  const objects = (await built(module, values)).toSorted(compareForApply).toReversed();
  const deleted = objects.filter(({ metadata }) => metadata.annotations?.["action.timoni.sh/prune"] !== "disabled");
  for (const object of deleted) await client.delete(refOf(object), {}, never);
  for (const object of deleted) await until(client, object, (live) => live === undefined);
}

test("operator and instance, as Timoni applies, changes and deletes them", async (context) => {
  await using plane = await startControlPlane({ variant: "full" });
  const connection = await loadConnection({ kubeconfig: plane.kubeconfigPath, env: {}, clock: systemClock });
  const client = createApiClient({ connection, userAgent: "test", clock: systemClock });
  const names = async (path: string): Promise<readonly string[]> =>
    (await plane.rest.list(path)).map(({ metadata }) => metadata.name).toSorted();
  const deployments = `/apis/apps/v1/namespaces/${namespace}/deployments`;
  const instancePath = `/apis/fluxcd.controlplane.io/v1/namespaces/${namespace}/fluxinstances/flux`;
  const versionOf = async (): Promise<string> =>
    textOf(fieldsOf((await plane.rest.get(instancePath))["status"])["lastAppliedVersion"]);
  try {
    await plane.rest.create("/api/v1/namespaces", {
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name: namespace },
    });

    await context.test("the operator is installed, and its Deployment becomes available", async () => {
      await apply(client, "flux-operator", {});
      assert.deepEqual(await names(deployments), ["flux-operator"]);
    });

    await using operator = startOperator({ kubeconfigPath: await connectAsOperator(plane), folder: plane.folder });
    await context.test("an instance is in progress, and then ready", async () => {
      assert.deepEqual(await apply(client, "flux-instance", flux("2.8.8")), ["InProgress", "Current"]);
      assert.equal(await versionOf(), "2.8.8");
      assert.deepEqual(await names(deployments), ["flux-operator", "source-controller"]);
    });

    await context.test("another version is ready only when it has been applied", async () => {
      assert.equal((await apply(client, "flux-instance", flux("2.9.4"))).at(-1), "Current");
      assert.equal(await versionOf(), "2.9.4");
    });

    await context.test("a version that does not exist fails, and one that exists is ready again", async () => {
      assert.equal((await apply(client, "flux-instance", flux("9.x"))).at(-1), "Failed");
      assert.equal((await apply(client, "flux-instance", flux("2.9.4"))).at(-1), "Current");
    });

    await context.test("the instance is deleted when Flux is uninstalled", async () => {
      await remove(client, "flux-instance", flux("2.9.4"));
      assert.deepEqual(await names(deployments), ["flux-operator"]);
    });

    await context.test("the operator had the rights that it asked for, and its removal keeps the CRD", async () => {
      assert.deepEqual(forbiddenRequests(await plane.auditEvents()), []);
      assert.equal(operator.process.exitCode, null);
      await remove(client, "flux-operator", {});
      assert.deepEqual(await names(deployments), []);
      const crds = await names("/apis/apiextensions.k8s.io/v1/customresourcedefinitions");
      assert.deepEqual(crds, [fluxInstance.crd]);
    });
  } finally {
    await client.close();
  }
});
