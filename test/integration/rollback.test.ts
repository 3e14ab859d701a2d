import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { outcomeAnnotation, outcomes } from "../../scripts/control-plane/stages.ts";
import { conditionFaults } from "../../src/api/reasons.ts";
import { readStatus } from "../../src/controllers/flux-instance/status.ts";
import { loadRelease } from "../../src/distribution/load.ts";
import type { Release } from "../../src/distribution/release.ts";
import { fieldsOf, listOf, textOf } from "../../src/kube/fields.ts";
import { deploymentKind } from "../../src/kube/kinds.ts";
import type { JsonObject, KubeObject } from "../../src/kube/object.ts";
import { artifactFiles } from "../support/artifact-of.ts";
import { brokenRelease } from "../support/broken-release.ts";
import {
  condition,
  isReady,
  namespace,
  startFluxCluster,
  statusOf,
  type FluxCluster,
} from "../support/flux-cluster.ts";
import { pushImage, startRegistry, type RegistryProcess } from "../support/registry.ts";
import { tarGzOf } from "../support/tarball.ts";

const never = new AbortController().signal;
const sliceKind = { group: "discovery.k8s.io", version: "v1", kind: "EndpointSlice" };
const releaseKind = { group: "helm.toolkit.fluxcd.io", kind: "HelmRelease" };
const timeout = "15s";

let cluster: FluxCluster;
let registry: RegistryProcess;
let folder: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "rollback-"));
  [cluster, registry] = await Promise.all([startFluxCluster(), startRegistry({ kind: "open" }, never)]);
});
after(async () => {
  await registry?.[Symbol.asyncDispose]();
  await cluster?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

/** Upstream has source-controller recreated, so that two pods never share a volume; without one it may as well be rolled. */
const rolled = {
  target: { kind: "Deployment", name: "source-controller" },
  patch:
    "- op: replace\n  path: /spec/strategy\n  value: { type: RollingUpdate, rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } }\n",
};

/** Makes the pods of the selected Deployments end as `outcome` says. */
function ill(outcome: string, target: JsonObject = {}): JsonObject {
  const value = `{ kwok.flux-operator.test/outcome: ${outcome}, prometheus.io/port: "8080" }`;
  return {
    target: { kind: "Deployment", ...target },
    patch: `- op: add\n  path: /spec/template/metadata/annotations\n  value: ${value}\n`,
  };
}

function spec(version: string, patches: readonly JsonObject[], more: JsonObject = {}): JsonObject {
  return {
    distribution: { version, registry: "ghcr.io/fluxcd" },
    components: ["source-controller", "kustomize-controller", "helm-controller"],
    kustomize: { patches },
    ...more,
  };
}

async function applyInstance(wanted: JsonObject): Promise<void> {
  await cluster.apply({
    apiVersion: "fluxcd.controlplane.io/v1",
    kind: "FluxInstance",
    metadata: {
      name: "flux",
      namespace,
      annotations: {
        "fluxcd.controlplane.io/reconcileTimeout": timeout,
        "fluxcd.controlplane.io/reconcileArtifactEvery": "1s",
      },
    },
    spec: wanted,
  });
}

async function when(what: string, wanted: (instance: KubeObject) => boolean): Promise<KubeObject> {
  const instance = await cluster.instanceWhen(what, wanted);
  assert.deepEqual(conditionFaults(readStatus(instance["status"]).conditions), []);
  return instance;
}

const says = (type: string, beginning: string) => (instance: KubeObject) =>
  condition(instance, type)?.startsWith(beginning) === true;

const runs = (version: string) => (instance: KubeObject) =>
  isReady(instance) && statusOf(instance)["lastAppliedVersion"] === version;

const isStalled = (instance: KubeObject) =>
  statusOf(instance)["observedGeneration"] === instance.metadata.generation &&
  says("Ready", "False/UpgradeFailed: ")(instance) &&
  condition(instance, "Stalled") !== undefined;

async function templates(): Promise<readonly string[]> {
  const { items } = await cluster.client.list(deploymentKind, { namespace }, never);
  return items.map((item) => JSON.stringify(fieldsOf(item["spec"])["template"])).toSorted();
}

function historyOf(instance: KubeObject): readonly string[] {
  const entries = listOf(statusOf(instance)["history"]).map(fieldsOf);
  return entries.map(
    (entry) => `${textOf(fieldsOf(entry["metadata"])["flux"])} ${textOf(entry["lastReconciledStatus"])}`,
  );
}

/** What the operator has asked of the API server for its reconciles: its lease, its events and its watches are its own affair. */
async function requests(): Promise<number> {
  const events = await cluster.plane.auditEvents();
  return events.filter(
    ({ userAgent = "", objectRef, verb }) =>
      userAgent.startsWith("flux-operator/") &&
      verb !== "watch" &&
      !["leases", "events"].includes(objectRef?.resource ?? ""),
  ).length;
}

/** Asks for a reconcile, and finds that nothing is written for it but its echo, and little is asked. */
/** Reconciles on request come to ask next to nothing and to write only that they were. A pod that ends meanwhile may wake one more. */
async function assertSettled(): Promise<void> {
  const deadline = AbortSignal.timeout(30_000);
  for (;;) {
    await cluster.reconcile();
    const before = { writes: (await cluster.writes()).length, requests: await requests() };
    await cluster.reconcile();
    const asked = (await requests()) - before.requests;
    const written = (await cluster.writes())
      .slice(before.writes)
      .map(({ verb, objectRef }) => `${verb} ${objectRef?.resource}/${objectRef?.subresource}`);
    const isSettled = asked <= 5 && isDeepStrictEqual(written, ["patch fluxinstances/status"]);
    if (isSettled) return;
    assert.equal(deadline.aborted, false, `${asked} requests, of them writes: ${written.join(", ")}`);
  }
}

/** Watches who serves the artifacts of source-controller until `stop`; each moment at which nobody does is a line. */
function watchSources(): { readonly stop: () => Promise<readonly string[]> } {
  const ended = new AbortController();
  const gaps: string[] = [];
  const selection = { namespace, labelSelector: "kubernetes.io/service-name=source-controller" };
  const follow = async (): Promise<void> => {
    while (!ended.signal.aborted) {
      const { items, resourceVersion } = await cluster.client.list(sliceKind, selection, ended.signal);
      for (const item of items) note(item);
      const watch = { ...selection, resourceVersion, timeoutMs: 60_000, idleMs: 120_000 };
      for await (const event of cluster.client.watch(sliceKind, watch, ended.signal)) {
        if (event.kind === "deleted") gaps.push("the slice is gone");
        else if (event.kind !== "bookmark") note(event.object);
      }
    }
  };
  const note = (slice: KubeObject): void => {
    const ready = listOf(slice["endpoints"]).filter(
      (endpoint) => fieldsOf(fieldsOf(endpoint)["conditions"])["ready"] === true,
    );
    if (ready.length === 0) gaps.push(`nobody serves at ${slice.metadata.resourceVersion}`);
  };
  const following = follow();
  return {
    stop: async () => {
      ended.abort(new Error("seen enough"));
      await following.catch((error: unknown) => {
        if (!ended.signal.aborted) throw error;
      });
      return gaps;
    },
  };
}

async function storedVersions(): Promise<unknown> {
  const path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/helmreleases.helm.toolkit.fluxcd.io";
  return statusOf(await cluster.plane.rest.get(path))["storedVersions"];
}

/** All that the record says, but since when. */
function keptIn(configMap: KubeObject): JsonObject {
  const { generation: _, ...good } = fieldsOf(JSON.parse(textOf(fieldsOf(configMap["data"])["lastGood.json"])));
  return { ...good, release: fieldsOf(configMap["binaryData"])["release.json.gz"] ?? null };
}

describe("a configuration whose pods fail", { concurrency: 1 }, () => {
  const good = spec("2.9.4", [rolled]);

  test("begins with one that runs", async () => {
    await applyInstance(good);
    await when("ready", runs("2.9.4"));
  });

  for (const outcome of outcomes) {
    test(`is taken back when they are ${outcome}, with sources served all the time, and not tried again`, async () => {
      const was = await templates();
      const { lastAppliedRevision } = statusOf(await cluster.instance());
      const sources = watchSources();
      const begunMs = performance.now();
      await applyInstance(spec("2.9.4", [rolled, ill(outcome)]));
      const back = await when("rolled back", isStalled);
      const tookMs = performance.now() - begunMs;
      assert.ok(tookMs < 60_000, `took ${tookMs} ms`);
      assert.deepEqual(await templates(), was);
      assert.deepEqual(await sources.stop(), []);
      const ready = condition(back, "Ready") ?? "";
      assert.match(
        ready,
        /^False\/UpgradeFailed: A new configuration of Flux 2\.9\.4 \(revision [0-9a-f]{7}\) failed and was rolled back to the configuration before/,
      );
      assert.match(ready, /Deployment\/flux-system\/source-controller: .*change the spec/);
      assert.match(
        condition(back, "UpToDate") ?? "",
        /^False\/UpgradeFailed: .*it is retried at [-0-9T:]+Z, or before when/,
      );
      assert.equal(condition(back, "Reconciling"), undefined);
      assert.equal(statusOf(back)["lastAppliedRevision"], lastAppliedRevision);
      assert.deepEqual(historyOf(back).slice(0, 2), ["v2.9.4 RolledBack", "v2.9.4 UpgradeFailed"]);
      await cluster.told("UpgradeFailed: ");
      await assertSettled();
      assert.equal(condition(await cluster.instance(), "Ready"), ready);
    });

    test(`runs as before once the spec asks for it again after ${outcome}`, async () => {
      await applyInstance(good);
      const instance = await when("ready", runs("2.9.4"));
      assert.match(condition(instance, "UpToDate") ?? "", /^True\/UpToDate: /);
      await assertSettled();
    });
  }

  test("is looked after when it has been taken back", async () => {
    await applyInstance(spec("2.9.4", [rolled, ill("crash-loop")]));
    await when("rolled back", isStalled);
    const path = `/api/v1/namespaces/${namespace}/services/source-controller`;
    const { uid } = (await cluster.plane.rest.get(path)).metadata;
    await cluster.plane.rest.delete(path);
    await cluster.objectWhen(
      { group: "", version: "v1", kind: "Service" },
      "made anew",
      ({ metadata }) => metadata.name === "source-controller" && metadata.uid !== uid,
    );
    await assertSettled();
  });

  test("is tried again when somebody forces it, and taken back again", async () => {
    const at = `${Date.now()}`;
    const annotations = { "reconcile.fluxcd.io/forceAt": at, "reconcile.fluxcd.io/requestedAt": at };
    const tried = when("tried again", says("Reconciling", "True/Progressing: Applying a new configuration"));
    await cluster.patchInstance({ metadata: { annotations } });
    await tried;
    await when("rolled back again", isStalled);
    assert.equal(statusOf(await cluster.instance())["lastHandledForceAt"], at);
  });

  test("stays where it is without rollback, beside the pods that ran before", async () => {
    await applyInstance(good);
    await when("ready", runs("2.9.4"));
    const sources = watchSources();
    await applyInstance(spec("2.9.4", [rolled, ill("crash-loop")], { upgrade: { rollback: false } }));
    const failed = await when("failed", says("Ready", "False/HealthCheckFailed: "));
    assert.match(condition(failed, "Reconciling") ?? "", /^True\/ProgressingWithRetry: /);
    assert.ok((await templates()).some((template) => template.includes(outcomeAnnotation)));
    await cluster.reconcile();
    assert.deepEqual(await sources.stop(), []);
    assert.match(condition(await cluster.instance(), "Ready") ?? "", /^False\/HealthCheckFailed: /);
  });

  test("ends with one that runs", async () => {
    await applyInstance(good);
    await when("ready", runs("2.9.4"));
  });

  test("is not brought up by a record that somebody has damaged, which is told and written anew", async () => {
    const path = `/api/v1/namespaces/${namespace}/configmaps/flux-operator-last-good`;
    const was = await cluster.plane.rest.get(path);
    assert.deepEqual(
      listOf(was.metadata["ownerReferences"]).map((owner) => fieldsOf(owner)["kind"]),
      ["FluxInstance"],
    );
    await cluster.plane.rest.patch(path, { data: { "lastGood.json": "{" } });
    assert.ok(isReady(await cluster.reconcile()));
    const now = await cluster.plane.rest.get(path);
    assert.deepEqual(keptIn(now), keptIn(was));
    await cluster.told(/^LastGoodFailed: .*lastGood\.json is no JSON/);
    await assertSettled();
  });
});

/** Deployments carry this label from 2.3 on, so only those of the new version match. */
const newOnly = { labelSelector: "app.kubernetes.io/part-of=flux" };

describe("a version whose pods fail", { concurrency: 1 }, () => {
  const chart = { spec: { chart: "web", sourceRef: { kind: "HelmRepository", name: "web" } } };

  test("begins with an old one, and objects that it stores", async () => {
    await applyInstance(spec("2.2.3", [rolled]));
    await when("ready", runs("2.2.3"));
    await cluster.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: "apps" } });
    await cluster.apply({
      apiVersion: "helm.toolkit.fluxcd.io/v2beta2",
      kind: "HelmRelease",
      metadata: { name: "web", namespace: "apps" },
      spec: { interval: "5m0s", chart, values: { replicas: 2 } },
    });
    assert.deepEqual(await storedVersions(), ["v2beta2"]);
  });

  test("gives way to the old one over seven minors, also when the operator is killed on the way", async () => {
    const was = await templates();
    const returning = when("on the way back", says("Reconciling", "True/Progressing: Rolling back to Flux 2.2.3"));
    await applyInstance(spec("2.9.4", [rolled, ill("crash-loop", newOnly)]));
    await returning;
    await cluster.restartOperator("SIGKILL");
    const back = await when("rolled back", isStalled);
    assert.match(
      condition(back, "Ready") ?? "",
      /^False\/UpgradeFailed: Flux 2\.9\.4 failed and was rolled back to Flux 2\.2\.3: /,
    );
    assert.equal(statusOf(back)["lastAppliedVersion"], "2.2.3");
    assert.deepEqual(historyOf(back).slice(0, 2), ["v2.2.3 RolledBack", "v2.9.4 UpgradeFailed"]);
    assert.deepEqual(await templates(), was);
    assert.deepEqual(await storedVersions(), ["v2beta2"]);
    const kept = await cluster.client.get(
      { ...releaseKind, version: "v2beta2" },
      { namespace: "apps", name: "web" },
      never,
    );
    assert.deepEqual(fieldsOf(kept["spec"])["values"], { replicas: 2 });
    await assertSettled();
  });

  test("stays when going back would cost fields, says which, and goes back when they are gone", async () => {
    const waiting = cluster.objectWhen(
      { group: "apiextensions.k8s.io", version: "v1", kind: "CustomResourceDefinition" },
      "of the new version",
      (object) =>
        object.metadata.name === "helmreleases.helm.toolkit.fluxcd.io" &&
        JSON.stringify(statusOf(object)["storedVersions"]) === '["v2"]',
    );
    await applyInstance(spec("2.9.4", [rolled, ill("never-ready", newOnly)]));
    await waiting;
    cluster.client.discovery.invalidate(releaseKind.group);
    await cluster.apply({
      apiVersion: "helm.toolkit.fluxcd.io/v2",
      kind: "HelmRelease",
      metadata: { name: "modern", namespace: "apps" },
      spec: { interval: "5m0s", chartRef: { kind: "OCIRepository", name: "web" } },
    });
    const refused = await when("refused", (instance) =>
      /it cannot be rolled back/.test(condition(instance, "Ready") ?? ""),
    );
    const ready = condition(refused, "Ready") ?? "";
    assert.match(
      ready,
      /^False\/UpgradeFailed: Flux 2\.9\.4 failed: .*; it cannot be rolled back to Flux 2\.2\.3: .*HelmRelease\/apps\/modern \(spec\.chartRef\)/,
    );
    assert.equal(condition(await cluster.reconcile(), "Ready"), ready);
    await cluster.plane.rest.delete("/apis/helm.toolkit.fluxcd.io/v2/namespaces/apps/helmreleases/modern");
    await cluster.reconcile();
    await when("rolled back", isStalled);
    assert.deepEqual(await storedVersions(), ["v2beta2"]);
  });

  test("is tried again when the generation changes", async () => {
    await applyInstance(spec("2.9.4", [rolled]));
    await when("upgraded", runs("2.9.4"));
    assert.deepEqual(await storedVersions(), ["v2"]);
  });
});

describe("a version whose pods fail, within the range of the spec", { concurrency: 1 }, () => {
  const repository = "org/manifests";
  let artifact: JsonObject;

  async function push(...releases: readonly Release[]): Promise<void> {
    const tarball = join(folder, "artifact.tgz");
    await writeFile(tarball, await tarGzOf(Object.fromEntries(artifactFiles(...releases))));
    await pushImage({ tarball, to: `${registry.host}/${repository}:latest` }, never);
  }

  test("leaves the instance ready at the old one, and says that it was rolled back", async () => {
    artifact = { artifact: `oci://${registry.host}/${repository}:latest`, artifactInsecure: true };
    await push(loadRelease("2.8.3"));
    const wanted = spec("2.x", [rolled]);
    await applyInstance({ ...wanted, distribution: { ...fieldsOf(wanted["distribution"]), ...artifact } });
    await when("installed from the artifact", runs("2.8.3"));
    await push(loadRelease("2.8.3"), brokenRelease("2.9.4"));
    const back = await when("rolled back", says("Ready", "True/RolledBack: "));
    assert.match(
      condition(back, "Ready") ?? "",
      /^True\/RolledBack: Applied version 2\.8\.3 revision [0-9a-f]{7}; Flux 2\.9\.4 failed and was rolled back: .*container manager crashes/,
    );
    assert.match(condition(back, "UpToDate") ?? "", /^False\/UpgradeFailed: Flux 2\.9\.4 failed: /);
    assert.equal(condition(back, "Stalled"), undefined);
    await assertSettled();
  });

  test("is tried again with another artifact", async () => {
    await push(loadRelease("2.8.3"), loadRelease("2.9.4"));
    const instance = await when("upgraded", runs("2.9.4"));
    assert.match(condition(instance, "Ready") ?? "", /^True\/ReconciliationSucceeded: /);
  });
});
