import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import type { AuditEvent } from "../../scripts/control-plane/audit.ts";
import { conditionFaults } from "../../src/api/reasons.ts";
import { readStatus } from "../../src/controllers/flux-instance/status.ts";
import { loadRelease } from "../../src/distribution/load.ts";
import { fieldsOf, listOf, textOf } from "../../src/kube/fields.ts";
import { deploymentKind } from "../../src/kube/kinds.ts";
import type { KubeObject } from "../../src/kube/object.ts";
import { readinessOf } from "../../src/kube/readiness.ts";
import { microTimestamp, systemClock } from "../../src/std/clock.ts";
import {
  condition,
  isReady,
  manifest,
  namespace,
  startFluxCluster,
  statusOf,
  type FluxCluster,
} from "../support/flux-cluster.ts";

const never = new AbortController().signal;
const sharded = [
  "helm-controller",
  "image-automation-controller",
  "image-reflector-controller",
  "kustomize-controller",
  "source-controller",
];

let cluster: FluxCluster;

before(async () => {
  cluster = await startFluxCluster();
});
after(async () => {
  await cluster[Symbol.asyncDispose]();
});

async function deployments(): Promise<readonly KubeObject[]> {
  return (await cluster.client.list(deploymentKind, { namespace }, never)).items;
}

async function deploymentNames(): Promise<readonly string[]> {
  return (await deployments()).map((deployment) => deployment.metadata.name).toSorted();
}

function argsOf(deployment: KubeObject): readonly string[] {
  const podSpec = fieldsOf(fieldsOf(fieldsOf(deployment["spec"])["template"])["spec"]);
  return listOf(fieldsOf(listOf(podSpec["containers"])[0])["args"]).map(textOf);
}

/** Names of the Deployments that have `flag`. */
async function withFlag(flag: string): Promise<readonly string[]> {
  return (await deployments())
    .filter((deployment) => argsOf(deployment).includes(flag))
    .map((deployment) => deployment.metadata.name)
    .toSorted();
}

function withShards(names: readonly string[], shards: readonly string[]): readonly string[] {
  return names.flatMap((name) => [name, ...shards.map((shard) => `${name}-${shard}`)]).toSorted();
}

function isApply({ requestURI }: AuditEvent): boolean {
  return requestURI.includes("force=true");
}

/** What runs, apart from the instance's own status: nothing of it may change when something is refused. */
async function world(): Promise<readonly string[]> {
  const snapshot = await cluster.snapshot();
  const others = [...snapshot].filter(([name]) => !name.startsWith("FluxInstance/"));
  return others.map(([name, at]) => `${name} ${at}`).toSorted();
}

const someTime = "2026-01-01T00:00:00Z";
const syncPaths = {
  source: `/apis/source.toolkit.fluxcd.io/v1/namespaces/${namespace}/gitrepositories/${namespace}`,
  kustomization: `/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/${namespace}/kustomizations/${namespace}`,
};

/** Takes back whatever one of the cases below has broken. */
async function restore(): Promise<void> {
  const { kustomize } = fieldsOf((await manifest("examples/flux-instance-rfc.yaml"))["spec"]);
  await cluster.patchInstance({
    spec: {
      distribution: { version: "2.2.x", source: null, verify: null },
      kustomize: kustomize ?? null,
      upgrade: null,
    },
  });
}

const execFileAsync = promisify(execFile);

async function kubectl(...args: readonly string[]): Promise<string> {
  const { binaries, kubeconfigPath } = cluster.plane;
  const command = ["--kubeconfig", kubeconfigPath, "-n", namespace, ...args];
  return (await execFileAsync(binaries.kubectl, command)).stdout;
}

function columns(table: string): readonly string[] {
  return (table.split("\n")[0] ?? "").split(/ {2,}/).map((name) => name.trim());
}

function indentOf(line = ""): number {
  return line.search(/\S|$/);
}

/** Whether the operator has asked for the lease there after it had read the instance under deletion. */
async function sawDeleted(path: string): Promise<boolean> {
  const events = await cluster.plane.auditEvents();
  const deleted = events.findIndex(({ verb, requestURI }) => verb === "delete" && requestURI.startsWith(path));
  const after = deleted === -1 ? [] : events.slice(deleted);
  const read = after.findIndex(({ verb, requestURI }) => verb === "get" && requestURI.startsWith(path));
  return (
    read !== -1 && after.slice(read).some(({ objectRef: at }) => at?.resource === "leases" && at.namespace === "apps")
  );
}

describe("FluxInstance, from the RFC's example to its deletion", { concurrency: 1 }, () => {
  const foreign = new Map<string, string>();

  test("leaves what others have in the cluster alone from the start", async () => {
    await cluster.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: "apps" } });
    await cluster.apply({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "enterprise-flux-auth", namespace },
      type: "kubernetes.io/dockerconfigjson",
      stringData: { ".dockerconfigjson": '{"auths":{}}' },
    });
    await cluster.apply({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "settings", namespace: "apps" },
      data: { colour: "blue" },
    });
    await cluster.apply({
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "web", namespace: "apps" },
      spec: {
        selector: { matchLabels: { app: "web" } },
        template: { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "web", image: "web:1" }] } },
      },
    });
    await cluster.objectWhen(
      deploymentKind,
      "available",
      (object) => object.metadata.name === "web" && readinessOf(object).status === "Current",
    );
    for (const [name, at] of await cluster.snapshot()) foreign.set(name, at.split("@")[0] ?? "");
  });

  test("becomes ready with the RFC's status", async () => {
    await cluster.apply(await manifest("examples/flux-instance-rfc.yaml"));
    const instance = await cluster.instanceWhen("ready", isReady);
    assert.match(
      condition(instance, "Ready") ?? "",
      /^True\/ReconciliationSucceeded: Applied version 2\.2\.3 revision [0-9a-f]{7}$/,
    );
    assert.equal(
      condition(instance, "UpToDate"),
      "False/NewVersionAvailable: Upgrade to latest version 2.9.4 blocked by semver range 2.2.x",
    );
    assert.deepEqual(conditionFaults(readStatus(instance["status"]).conditions), []);
    const status = statusOf(instance);
    assert.equal(status["observedGeneration"], instance.metadata.generation);
    assert.equal(status["latestVersion"], "2.9.4");
    assert.equal(status["lastAppliedVersion"], "2.2.3");
    assert.match(textOf(status["lastAppliedRevision"]), /^v2\.2\.3@sha256:[0-9a-f]{64}$/);
    const facts = loadRelease("2.2.3").images["enterprise-distroless"] ?? {};
    assert.deepEqual(
      status["lastAppliedImages"],
      Object.entries(facts).map(([name, { tag, digest }]) => ({
        name: `ghcr.io/controlplaneio-fluxcd/distroless/${name}:${tag}`,
        digest,
      })),
    );
    assert.deepEqual(instance.metadata.finalizers, ["fluxcd.controlplane.io/finalizer"]);
  });

  test("tells kubectl at a glance how it is, more with -o wide, and shows no field without a value", async () => {
    const table = await kubectl("get", "fluxinstance");
    assert.deepEqual(columns(table), ["NAME", "AGE", "READY", "VERSION", "STATUS"]);
    assert.match(table, /\nflux +\d+s +True +2\.2\.3 +Applied version 2\.2\.3 revision [0-9a-f]{7}\n$/);
    const wide = await kubectl("get", "fluxinstance", "-o", "wide");
    assert.deepEqual(columns(wide), ["NAME", "AGE", "READY", "VERSION", "STATUS", "UPTODATE", "LATEST", "REVISION"]);
    assert.match(wide, / +False +2\.9\.4 +v2\.2\.3@sha256:[0-9a-f]{64}\n$/);
    const lines = (await kubectl("describe", "fluxinstance", "flux")).split("\nEvents:")[0]?.split("\n") ?? [];
    const empty = lines.filter((line, index) => /:\s*$/.test(line) && indentOf(lines[index + 1]) <= indentOf(line));
    assert.deepEqual(empty, []);
  });

  test("runs each sharded component and its shards, all available", async () => {
    const all = await deployments();
    assert.deepEqual(
      await deploymentNames(),
      [...withShards(sharded, ["shard1", "shard2"]), "notification-controller"].toSorted(),
    );
    assert.deepEqual(
      all.filter((deployment) => readinessOf(deployment).status !== "Current").map(({ metadata }) => metadata.name),
      [],
    );
  });

  test("sets the patched flags where the patch selects, and the lockdown where it belongs", async () => {
    const patched = withShards(["helm-controller", "kustomize-controller"], ["shard1", "shard2"]);
    assert.deepEqual(await withFlag("--concurrent=10"), patched);
    assert.deepEqual(await withFlag("--requeue-dependency=10s"), patched);
    const locked = sharded.filter((name) => name !== "source-controller");
    assert.deepEqual(
      await withFlag("--no-cross-namespace-refs=true"),
      [...withShards(locked, ["shard1", "shard2"]), "notification-controller"].toSorted(),
    );
  });

  test("binds the claim for artifacts and uses it", async () => {
    const claims = { group: "", version: "v1", kind: "PersistentVolumeClaim" };
    const { items } = await cluster.client.list(claims, { namespace }, never);
    assert.deepEqual(
      items.map((claim) => [claim.metadata.name, statusOf(claim)["phase"]]),
      [["source-controller", "Bound"]],
    );
  });

  test("writes nothing but the echo of a request when nothing has changed, also right after a restart", async () => {
    await cluster.reconcile();
    await cluster.restartOperator();
    await cluster.reconcile();
    const before = { world: await world(), writes: (await cluster.writes()).length };
    await cluster.reconcile();
    assert.deepEqual(await world(), before.world);
    const written = (await cluster.writes()).slice(before.writes);
    assert.deepEqual(
      written.map(({ verb, objectRef }) => `${verb} ${objectRef?.resource}/${objectRef?.subresource}`),
      ["patch fluxinstances/status"],
    );
  });

  test("writes nothing at all when it only restarts", async () => {
    const before = (await cluster.writes()).length;
    await cluster.restartOperator();
    await cluster.reconcile();
    assert.equal((await cluster.writes()).length, before + 1);
  });

  test("brings back an object that somebody deletes, and a field that somebody edits", async () => {
    const path = `/api/v1/namespaces/${namespace}/services/webhook-receiver`;
    const { uid } = (await cluster.plane.rest.get(path)).metadata;
    await cluster.plane.rest.delete(path);
    await cluster.objectWhen(
      { group: "", version: "v1", kind: "Service" },
      "made anew",
      ({ metadata }) => metadata.name === "webhook-receiver" && metadata.uid !== uid,
    );
    const deployment = `/apis/apps/v1/namespaces/${namespace}/deployments/helm-controller`;
    await cluster.plane.rest.patch(deployment, { spec: { replicas: 0 } });
    await cluster.objectWhen(
      deploymentKind,
      "scaled back",
      (object) =>
        object.metadata.name === "helm-controller" &&
        fieldsOf(object["spec"])["replicas"] === 1 &&
        readinessOf(object).status === "Current",
    );
    assert.ok(isReady(await cluster.reconcile()));
  });

  test("tells the health of the sync objects apart from Ready", async () => {
    const sync = {
      kind: "GitRepository",
      url: "https://git.example.com/fleet",
      ref: "refs/heads/main",
      path: "clusters/one",
    };
    await cluster.patchInstance({ spec: { sync } });
    const waiting = await cluster.instanceWhen("synced or not", (object) => condition(object, "Synced") !== undefined);
    assert.ok(isReady(waiting));
    assert.match(
      condition(waiting, "Synced") ?? "",
      /^Unknown\/SyncProgressing: .*Kustomization\/flux-system\/flux-system/,
    );
    for (const path of Object.values(syncPaths)) {
      const { generation = 0 } = (await cluster.plane.rest.get(path)).metadata;
      const ready = { type: "Ready", status: "True", reason: "Succeeded", message: "ok", lastTransitionTime: someTime };
      await cluster.plane.rest.patch(`${path}/status`, {
        status: { observedGeneration: generation, conditions: [ready] },
      });
    }
    const synced = await cluster.reconcile();
    assert.match(condition(synced, "Synced") ?? "", /^True\/SyncSucceeded: /);
  });

  test("suspends the Kustomization before it deletes it when the sync is removed, so that nothing is pruned", async () => {
    const before = (await cluster.writes()).length;
    await cluster.patchInstance({ spec: { sync: null } });
    const instance = await cluster.instanceWhen("without sync", (object) => condition(object, "Synced") === undefined);
    assert.ok(isReady(instance));
    // A deletion names the version that was seen, and is tried again if the watch did not know of the suspension yet.
    const written = (await cluster.writes()).slice(before).filter(({ responseStatus }) => responseStatus?.code !== 409);
    assert.deepEqual(
      written.filter(({ objectRef }) => objectRef?.resource === "kustomizations").map(({ verb }) => verb),
      ["patch", "delete"],
    );
    assert.equal((await cluster.plane.rest.request("GET", syncPaths.kustomization)).status, 404);
  });

  test("converges and prunes when a shard and a component go and the domain changes", async () => {
    await cluster.apply({
      apiVersion: "image.toolkit.fluxcd.io/v1beta2",
      kind: "ImageRepository",
      metadata: { name: "web", namespace: "apps", finalizers: ["finalizers.fluxcd.io"] },
      spec: { interval: "1m0s", image: "registry.example.com/web" },
    });
    await cluster.patchInstance({
      spec: {
        shards: ["shard1"],
        components: ["source-controller", "kustomize-controller", "helm-controller", "notification-controller"],
        cluster: { domain: "example.internal" },
      },
    });
    const instance = await cluster.instanceWhen("ready", isReady);
    const kept = ["helm-controller", "kustomize-controller", "source-controller"];
    assert.deepEqual(await deploymentNames(), [...withShards(kept, ["shard1"]), "notification-controller"].toSorted());
    const events = "--events-addr=http://notification-controller.flux-system.svc.example.internal./";
    assert.deepEqual(await withFlag(events), withShards(kept, ["shard1"]));
    const inventory = listOf(fieldsOf(statusOf(instance)["inventory"])["entries"]).map((entry) =>
      textOf(fieldsOf(entry)["id"]),
    );
    assert.deepEqual(
      inventory.filter((id) => id.includes("image-") || id.includes("shard2")),
      [],
    );
    await cluster.gone("CustomResourceDefinition/imagepolicies.image.toolkit.fluxcd.io");
    await cluster.gone("CustomResourceDefinition/imageupdateautomations.image.toolkit.fluxcd.io");
  });

  for (const { name, patch, reason, says } of [
    {
      name: "a range that matches nothing",
      patch: { spec: { distribution: { version: "1.x" } } },
      reason: "BuildFailed",
      says: ["1.x", "spec.distribution.version"],
    },
    {
      name: "a patch whose path does not exist",
      patch: {
        spec: {
          kustomize: {
            patches: [
              {
                target: { kind: "Deployment", name: "source-controller" },
                patch: "- op: replace\n  path: /spec/nothing/here\n  value: 1\n",
              },
            ],
          },
        },
      },
      reason: "BuildFailed",
      says: ["spec.kustomize.patches[0]", "/spec/nothing/here", "source-controller"],
    },
    {
      name: "an upgrade window that never opens",
      patch: { spec: { upgrade: { windows: [{ schedule: "0 0 31 2 *", duration: "2h" }] } } },
      reason: "BuildFailed",
      says: ["spec.upgrade.windows[0].schedule", "0 0 31 2 *"],
    },
  ]) {
    test(`refuses ${name} in a condition that names it, and touches nothing that runs`, async () => {
      const before = await world();
      await cluster.patchInstance(patch);
      const refused = await cluster.instanceWhen("stalled", (object) => condition(object, "Stalled") !== undefined);
      const ready = condition(refused, "Ready") ?? "";
      assert.ok(ready.startsWith(`False/${reason}: `), ready);
      for (const part of says) assert.ok(ready.includes(part), `${ready} does not name ${part}`);
      assert.deepEqual(conditionFaults(readStatus(refused["status"]).conditions), []);
      assert.deepEqual(await world(), before);
      await restore();
      await cluster.instanceWhen("ready again", isReady);
      assert.deepEqual(await world(), before);
    });
  }

  test("warns of an annotation that it cannot read, and goes on", async () => {
    const annotation = "fluxcd.controlplane.io/reconcileEvery";
    await cluster.patchInstance({ metadata: { annotations: { [annotation]: "often" } } });
    const instance = await cluster.reconcile();
    assert.match(condition(instance, "Warning") ?? "", /^True\/InvalidAnnotation: .*reconcileEvery.*"often".*10m/);
    assert.ok(isReady(instance));
    await cluster.patchInstance({ metadata: { annotations: { [annotation]: "10m" } } });
    assert.equal(condition(await cluster.reconcile(), "Warning"), undefined);
  });

  test("tells an instance in another namespace that it does not count, and writes nothing else", async () => {
    const elsewhere = await manifest("examples/flux-instance-rfc.yaml");
    await cluster.apply({ ...elsewhere, metadata: { name: "flux", namespace: "apps" } });
    const told = await cluster.instanceWhen("told", (object) => condition(object, "Ready") !== undefined, "apps");
    assert.match(condition(told, "Ready") ?? "", /^False\/WrongNamespace: .*flux-system/);
    assert.deepEqual(conditionFaults(readStatus(told["status"]).conditions), []);
    assert.equal(told.metadata.finalizers, undefined);
    const path = "/apis/fluxcd.controlplane.io/v1/namespaces/apps/fluxinstances/flux";
    await cluster.plane.rest.patch(path, { metadata: { finalizers: ["fluxcd.controlplane.io/finalizer"] } });
    await cluster.plane.rest.delete(path);
    await cluster.gone("FluxInstance/apps/flux");
  });

  test("leaves an instance alone, status and finalizer, where another operator leads", async () => {
    const leases = "/apis/coordination.k8s.io/v1/namespaces/apps/leases";
    const spec = { holderIdentity: "other", leaseDurationSeconds: 600, renewTime: microTimestamp(systemClock) };
    await cluster.plane.rest.create(leases, {
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: { name: "flux-operator", namespace: "apps" },
      spec,
    });
    const metadata = { name: "flux", namespace: "apps", finalizers: ["fluxcd.controlplane.io/finalizer"] };
    await cluster.apply({ ...(await manifest("examples/flux-instance-rfc.yaml")), metadata });
    const path = "/apis/fluxcd.controlplane.io/v1/namespaces/apps/fluxinstances/flux";
    await cluster.plane.rest.delete(path);
    const deadline = AbortSignal.timeout(60_000);
    while (!(await sawDeleted(path))) await systemClock.sleep(100, deadline);
    const left = await cluster.plane.rest.get(path);
    assert.deepEqual([left.metadata.finalizers, left["status"]], [metadata.finalizers, { observedGeneration: -1 }]);
    await cluster.plane.rest.patch(`${leases}/flux-operator`, { spec: { holderIdentity: "" } });
    await cluster.plane.rest.patch(path, { metadata: { annotations: { "reconcile.fluxcd.io/requestedAt": "now" } } });
    await cluster.gone("FluxInstance/apps/flux");
    await cluster.plane.rest.delete(`${leases}/flux-operator`);
  });

  test("goes on hold when told so, and repairs nothing meanwhile", async () => {
    const annotation = "fluxcd.controlplane.io/reconcile";
    await cluster.patchInstance({ metadata: { annotations: { [annotation]: "Disabled" } } });
    await cluster.reconcile();
    const path = `/api/v1/namespaces/${namespace}/services/webhook-receiver`;
    await cluster.plane.rest.delete(path);
    await cluster.reconcile();
    assert.equal((await cluster.plane.rest.request("GET", path)).status, 404);
    await cluster.patchInstance({ metadata: { annotations: { [annotation]: "Enabled" } } });
    await cluster.reconcile();
    assert.equal((await cluster.plane.rest.request("GET", path)).status, 200);
  });

  test("stops the controllers of one sharding key before those of another start", async () => {
    const before = (await cluster.writes()).length;
    await cluster.patchInstance({ spec: { shards: null, sharding: { key: "example.com/shard", shards: ["shard1"] } } });
    await cluster.instanceWhen("ready", isReady);
    const names = withShards(["helm-controller", "kustomize-controller", "source-controller"], ["shard1"]);
    const writes = (await cluster.writes())
      .slice(before)
      .filter(({ objectRef }) => objectRef?.resource === "deployments");
    const parked = writes.slice(0, writes.findIndex(isApply)).map(({ objectRef }) => objectRef?.name ?? "");
    assert.deepEqual(parked.toSorted(), names);
    const all = (await deployments()).filter(({ metadata }) => names.includes(metadata.name));
    assert.deepEqual(
      all.map(({ spec }) => fieldsOf(spec)["replicas"]),
      names.map(() => 1),
    );
    await cluster.patchInstance({ spec: { shards: ["shard1"], sharding: null } });
    await cluster.instanceWhen("ready", isReady);
  });

  test("upgrades to the next minor once the range allows it", async () => {
    await cluster.patchInstance({ spec: { distribution: { version: "2.3.x" } } });
    const instance = await cluster.instanceWhen(
      "upgraded",
      (object) => isReady(object) && statusOf(object)["lastAppliedVersion"] === "2.3.0",
    );
    assert.equal(
      condition(instance, "UpToDate"),
      "False/NewVersionAvailable: Upgrade to latest version 2.9.4 blocked by semver range 2.3.x",
    );
    const name = "helmreleases.helm.toolkit.fluxcd.io";
    const definition = await cluster.plane.rest.get(`/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${name}`);
    assert.deepEqual(statusOf(definition)["storedVersions"], ["v2"], "v2beta2 is stored no more, and still served");
  });

  test("removes all that it installed but the namespace when it is deleted, and nothing of others", async () => {
    await cluster.apply({
      apiVersion: "source.toolkit.fluxcd.io/v1",
      kind: "GitRepository",
      metadata: { name: "app", namespace: "apps", finalizers: ["finalizers.fluxcd.io"] },
      spec: { interval: "1m0s", url: "https://git.example.com/app" },
    });
    await cluster.plane.rest.delete(`/apis/fluxcd.controlplane.io/v1/namespaces/${namespace}/fluxinstances/flux`);
    await cluster.gone("FluxInstance/flux-system/flux");
    const left = new Map([...(await cluster.snapshot())].map(([name, at]) => [name, at.split("@")[0]]));
    for (const [name, uid] of foreign) assert.equal(left.get(name), uid, `${name} is as before`);
    const more = [...left.keys()].filter((name) => !foreign.has(name) && !leftOnPurpose.test(name));
    assert.deepEqual(more, []);
  });
});

/** The API server keeps service IPs and revisions for a moment; root certificates and default accounts belong to the namespace. */
const leftOnPurpose = /^(IPAddress|ControllerRevision|PersistentVolume)\//;
