import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { conditionFaults } from "../../src/api/reasons.ts";
import { suspensionManager } from "../../src/controllers/flux-instance/remove/suspension.ts";
import { readStatus } from "../../src/controllers/flux-instance/status.ts";
import { fieldsOf, listOf, textOf } from "../../src/kube/fields.ts";
import type { JsonObject, KubeObject } from "../../src/kube/object.ts";
import { systemClock } from "../../src/std/clock.ts";
import {
  condition,
  isReady,
  namespace,
  startFluxCluster,
  statusOf,
  type FluxCluster,
} from "../support/flux-cluster.ts";

const never = new AbortController().signal;
const definition = "CustomResourceDefinition/helmreleases.helm.toolkit.fluxcd.io";
const definitionPath = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/helmreleases.helm.toolkit.fluxcd.io";
const releasePath = "/apis/helm.toolkit.fluxcd.io/v2/namespaces/default/helmreleases/web";
const kustomizationPath = `/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/${namespace}/kustomizations/${namespace}`;
const kustomizationKind = { group: "kustomize.toolkit.fluxcd.io", version: "v1", kind: "Kustomization" };
const controllers = ["source-controller", "kustomize-controller"];
const sync = { kind: "GitRepository", url: "https://git.example.com/fleet", ref: "refs/heads/main", path: "./" };

let cluster: FluxCluster;

before(async () => {
  cluster = await startFluxCluster();
});
after(async () => {
  await cluster[Symbol.asyncDispose]();
});

async function change(spec: JsonObject): Promise<KubeObject> {
  await cluster.patchInstance({ spec });
  return await cluster.instanceWhen("ready", isReady);
}

async function exists(path: string): Promise<boolean> {
  return (await cluster.plane.rest.request("GET", path)).status === 200;
}

/** Events are written behind the status. */
async function eventSays(says: string): Promise<void> {
  const deadline = AbortSignal.timeout(20_000);
  while (!(await eventsSaid()).includes(says)) await systemClock.sleep(100, deadline);
}

async function eventsSaid(): Promise<readonly string[]> {
  const events = await cluster.plane.rest.list(`/api/v1/namespaces/${namespace}/events`);
  return events.map((event) => `${textOf(event["reason"])}: ${textOf(event["message"])}`);
}

function inventoryOf(instance: KubeObject): readonly string[] {
  return listOf(fieldsOf(statusOf(instance)["inventory"])["entries"]).map((entry) => textOf(fieldsOf(entry)["id"]));
}

describe("a part of Flux that is removed", { concurrency: 1 }, () => {
  let release: KubeObject;

  test("was there before", async () => {
    await cluster.apply({
      apiVersion: "fluxcd.controlplane.io/v1",
      kind: "FluxInstance",
      metadata: { name: "flux", namespace },
      spec: {
        distribution: { version: "2.9.4", registry: "ghcr.io/fluxcd" },
        components: [...controllers, "helm-controller"],
        sharding: { shards: ["one", "two"] },
        sync,
      },
    });
    await cluster.instanceWhen("ready", isReady);
    release = await cluster.apply({
      apiVersion: "helm.toolkit.fluxcd.io/v2",
      kind: "HelmRelease",
      metadata: { name: "web", namespace: "default", finalizers: ["finalizers.fluxcd.io"] },
      spec: { interval: "5m0s", chartRef: { kind: "OCIRepository", name: "web" } },
    });
    await cluster.apply({
      apiVersion: "kustomize.toolkit.fluxcd.io/v1",
      kind: "Kustomization",
      metadata: { name: "web", namespace: "default", labels: { "sharding.fluxcd.io/key": "two" } },
      spec: { interval: "10m0s", prune: true, sourceRef: { kind: "GitRepository", name: "web" } },
    });
  });

  test("as a component leaves the user's resources, frees them, and names them", async () => {
    const instance = await change({ components: controllers });
    const says = "No controller reconciles 1 helmreleases (default/web): their component is not installed";
    assert.equal(condition(instance, "Unattended"), `True/NoController: ${says}`);
    assert.deepEqual(conditionFaults(readStatus(instance["status"]).conditions), []);
    await eventSays(`NoController: ${says}`);
    const left = await cluster.plane.rest.get(releasePath);
    assert.deepEqual(
      [left.metadata.uid, left["spec"], left.metadata.finalizers],
      [release.metadata.uid, release["spec"], undefined],
    );
    assert.ok(
      inventoryOf(instance).includes(
        "_helmreleases.helm.toolkit.fluxcd.io_apiextensions.k8s.io_CustomResourceDefinition",
      ),
    );
    assert.equal(await exists(`/apis/apps/v1/namespaces/${namespace}/deployments/helm-controller`), false);
  });

  test("as a component is no reason to write anything later", async () => {
    await cluster.reconcile();
    const before = (await cluster.writes()).length;
    await cluster.reconcile();
    assert.equal((await cluster.writes()).length, before + 1, "the echo of the request");
  });

  test("as a component finds its resources again when it comes back", async () => {
    const { uid } = (await cluster.plane.rest.get(definitionPath)).metadata;
    const instance = await change({ components: [...controllers, "helm-controller"] });
    assert.equal(condition(instance, "Unattended"), undefined);
    assert.equal((await cluster.plane.rest.get(definitionPath)).metadata.uid, uid);
    assert.equal((await cluster.plane.rest.get(releasePath)).metadata.uid, release.metadata.uid);
  });

  test("as a component takes its definitions along once they have no resources", async () => {
    await cluster.plane.rest.delete(releasePath);
    const instance = await change({ components: controllers });
    assert.equal(condition(instance, "Unattended"), undefined);
    await cluster.gone(definition);
  });

  test("as a shard leaves what is labelled for it, and names it", async () => {
    const instance = await change({ sharding: { shards: ["one"] } });
    const says = "1 kustomizations (default/web): they are labelled for a shard that does not exist";
    assert.equal(condition(instance, "Unattended"), `True/NoController: No controller reconciles ${says}`);
    await cluster.plane.rest.patch("/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/default/kustomizations/web", {
      metadata: { labels: { "sharding.fluxcd.io/key": "one" } },
    });
    assert.equal(condition(await cluster.reconcile(), "Unattended"), undefined);
  });

  test("as the sync comes back whole, although the old one is still ending", async () => {
    await cluster.plane.rest.patch(kustomizationPath, { metadata: { finalizers: ["finalizers.fluxcd.io"] } });
    const { uid } = (await cluster.plane.rest.get(kustomizationPath)).metadata;
    await change({ sync: null });
    const ending = await cluster.plane.rest.get(kustomizationPath);
    assert.notEqual(ending.metadata.deletionTimestamp, undefined);
    assert.equal(fieldsOf(ending["spec"])["suspend"], true, "its controller prunes nothing");
    assert.equal(fieldsOf(ending["spec"])["prune"], true);
    await cluster.patchInstance({ spec: { sync } });
    await cluster.instanceWhen("trying", ({ status, metadata }) => {
      const { conditions } = readStatus(status);
      return conditions.some(
        ({ type, observedGeneration }) => type === "Reconciling" && observedGeneration === metadata.generation,
      );
    });
    assert.equal(fieldsOf((await cluster.plane.rest.get(kustomizationPath))["spec"])["suspend"], true);
    await cluster.plane.rest.patch(kustomizationPath, { metadata: { finalizers: null } });
    await cluster.instanceWhen("ready", isReady);
    const anew = await cluster.plane.rest.get(kustomizationPath);
    assert.notEqual(anew.metadata.uid, uid);
    assert.equal(fieldsOf(anew["spec"])["suspend"], undefined);
  });

  test("as the sync, half removed and wanted again, runs on; what a user suspends stays so", async () => {
    const suspendAs = async (fieldManager: string, suspend: boolean | null): Promise<unknown> =>
      await cluster.client.patch(
        { gvk: kustomizationKind, key: { namespace, name: namespace } },
        { kind: "merge", value: { spec: { suspend } } },
        { fieldManager },
        never,
      );
    const isSuspended = async (): Promise<boolean> =>
      fieldsOf((await cluster.plane.rest.get(kustomizationPath))["spec"])["suspend"] === true;
    await suspendAs(suspensionManager, true);
    await cluster.reconcile();
    assert.equal(await isSuspended(), false);
    await suspendAs("flux", true);
    await cluster.reconcile();
    assert.equal(await isSuspended(), true);
  });
});
