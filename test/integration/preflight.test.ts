import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { startOperator, type OperatorProcess } from "../../scripts/quickstart/operator-process.ts";
import { conditionFaults } from "../../src/api/reasons.ts";
import { readStatus } from "../../src/controllers/flux-instance/status.ts";
import { loadRelease } from "../../src/distribution/load.ts";
import { fieldsOf, textOf } from "../../src/kube/fields.ts";
import { parseApiVersion } from "../../src/kube/gvk.ts";
import type { JsonObject, KubeObject } from "../../src/kube/object.ts";
import { readinessOf } from "../../src/kube/readiness.ts";
import { systemClock } from "../../src/std/clock.ts";
import { condition, isReady, namespace, startFluxCluster, type FluxCluster } from "../support/flux-cluster.ts";
import { connectAsOperator } from "../support/installation.ts";
import { startWireProxy, type WireProxy } from "../support/wire-proxy.ts";

const never = new AbortController().signal;
let cluster: FluxCluster;
let proxy: WireProxy;
/** Behind the proxy, and quick to try again. */
let operator: OperatorProcess;
let start: () => OperatorProcess;

before(async () => {
  cluster = await startFluxCluster();
  await cluster.operator.stop();
  const { plane } = cluster;
  proxy = await startWireProxy({ server: plane.server, caPem: plane.caPem });
  const kubeconfigPath = await connectAsOperator(plane, proxy.server);
  const args = ["--min-retry-delay=100ms", "--max-retry-delay=1s"];
  start = () => startOperator({ kubeconfigPath, folder: plane.folder, args });
  operator = start();
});
after(async () => {
  await operator.stop("SIGKILL");
  await proxy.stop();
  await cluster[Symbol.asyncDispose]();
});

async function create(object: KubeObject): Promise<void> {
  await cluster.client.create(object, { fieldManager: "test" }, never);
}

function ref({ apiVersion, kind, metadata }: KubeObject) {
  const gvk = { ...parseApiVersion(apiVersion), kind };
  return { gvk, key: { namespace: metadata.namespace ?? "", name: metadata.name } };
}

async function remove(object: KubeObject): Promise<void> {
  await cluster.client.delete(ref(object), { propagationPolicy: "Background" }, never);
}

async function change(object: KubeObject, value: JsonObject, subresource?: "status"): Promise<void> {
  const options = { fieldManager: "test", ...(subresource === undefined ? {} : { subresource }) };
  await cluster.client.patch(ref(object), { kind: "merge", value }, options, never);
}

function instance(spec: JsonObject = {}, annotations: { readonly [name: string]: string } = {}): KubeObject {
  return {
    apiVersion: "fluxcd.controlplane.io/v1",
    kind: "FluxInstance",
    metadata: { name: "flux", namespace, annotations },
    spec: {
      distribution: { version: "2.9.4", registry: "ghcr.io/fluxcd", imagePullSecret: "login" },
      components: ["source-controller"],
      ...spec,
    },
  };
}

/** What stands in the cluster, the instance aside. */
async function world(): Promise<readonly string[]> {
  const snapshot = [...(await cluster.snapshot())].filter(([name]) => !name.startsWith("FluxInstance/"));
  return snapshot.map(([name, at]) => `${name} ${at}`).toSorted();
}

function isRefused(one: KubeObject): boolean {
  return condition(one, "Ready")?.startsWith("False/") === true;
}

/** What the operator wrote besides the instance itself. */
async function writesElsewhere(): Promise<number> {
  return (await cluster.writes()).filter(({ objectRef }) => objectRef?.resource !== "fluxinstances").length;
}

function serverVersion(gitVersion: string): void {
  const body = JSON.stringify({ major: "1", minor: "0", gitVersion });
  const headers = { "content-type": "application/json" };
  const fault = { kind: "answer", status: 200, headers, body } as const;
  proxy.inject({ method: "GET", path: /^\/version$/, fault, times: Number.POSITIVE_INFINITY });
}

function quotasForbidden(): void {
  const body = JSON.stringify({ kind: "Status", code: 403, reason: "Forbidden", message: "no quotas for you" });
  const fault = { kind: "answer", status: 403, body } as const;
  const path = `/api/v1/namespaces/${namespace}/resourcequotas?`;
  proxy.inject({ method: "GET", path, fault, times: Number.POSITIVE_INFINITY });
}

function inNamespace(apiVersion: string, kind: string, name: string, fields: JsonObject = {}): KubeObject {
  const { metadata = {}, ...rest } = fields;
  return { apiVersion, kind, metadata: { name, namespace, ...(metadata as JsonObject) }, ...rest };
}

const account = inNamespace("v1", "ServiceAccount", "source-controller", { metadata: { finalizers: ["test/held"] } });
const quota = inNamespace("v1", "ResourceQuota", "small", { spec: { hard: { pods: "0" } } });
const login = inNamespace("v1", "Secret", "login", {
  type: "kubernetes.io/dockerconfigjson",
  data: { ".dockerconfigjson": btoa('{"auths":{}}') },
});
const source = inNamespace("source.toolkit.fluxcd.io/v1", "GitRepository", "web", {
  metadata: { finalizers: ["finalizers.fluxcd.io"] },
  spec: { interval: "1m", url: "https://git.example.com/web" },
});
const fast: KubeObject = {
  apiVersion: "storage.k8s.io/v1",
  kind: "StorageClass",
  metadata: { name: "fast" },
  provisioner: "flux-operator.test/fast",
};

function otherFlux(replicas: number): KubeObject {
  const labels = { "app.kubernetes.io/part-of": "flux", "app.kubernetes.io/component": "source-controller" };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "source-controller", namespace: "old", labels },
    spec: {
      replicas,
      selector: { matchLabels: { app: "old" } },
      template: { metadata: { labels: { app: "old" } }, spec: { containers: [{ name: "manager", image: "old:1" }] } },
    },
  };
}

const definitions = loadRelease("2.9.4").components["source-controller"] ?? [];

async function served(apiVersion: string, kind: string): Promise<void> {
  const deadline = AbortSignal.timeout(60_000);
  const path = `/apis/${apiVersion}`;
  for (;;) {
    const { status, body } = await cluster.plane.rest.request("GET", path);
    if (status === 200 && JSON.stringify(body).includes(`"kind":"${kind}"`)) return;
    await systemClock.sleep(20, deadline);
  }
}

/** What Kubernetes puts into a new namespace. */
async function come(name: string): Promise<void> {
  const deadline = AbortSignal.timeout(60_000);
  while (!(await cluster.snapshot()).has(name)) await systemClock.sleep(50, deadline);
}

type Obstacle = {
  readonly name: string;
  readonly spec?: JsonObject;
  readonly put: () => Promise<void>;
  readonly take: () => Promise<void>;
  readonly message: string;
};

const refusals: readonly Obstacle[] = [
  {
    name: "a Kubernetes that is too old",
    put: async () => serverVersion("v1.18.9-eks-1234"),
    take: async () => proxy.heal(),
    message:
      "Flux 2.9.4 needs Kubernetes 1.33 or newer, and this is v1.18.9-eks-1234; upgrade Kubernetes, or choose an older Flux in spec.distribution.version",
  },
  {
    name: "an object of the plan under deletion",
    put: async () => {
      await create(account);
      await remove(account);
    },
    take: () => change(account, { metadata: { finalizers: null } }),
    message:
      "being deleted: ServiceAccount/flux-system/source-controller (held by test/held); wait until the deletion has ended, or find out who holds it up",
  },
  {
    name: "objects that a controller would go on deleting",
    put: async () => {
      for (const one of definitions.filter(({ kind }) => kind === "CustomResourceDefinition")) await create(one);
      await served("source.toolkit.fluxcd.io/v1", "GitRepository");
      await create(source);
      await remove(source);
    },
    take: () => change(source, { metadata: { finalizers: null } }),
    message:
      "being deleted: GitRepository/flux-system/web; once started, their controller would finish these deletions and remove what they manage; remove the finalizers first to keep it",
  },
  {
    name: "a quota without room for the pods",
    put: () => create(quota),
    take: () => remove(quota),
    message: "ResourceQuota/flux-system/small has no room for the pods of Flux (pods: 0); raise it or remove it",
  },
  {
    name: "a storage class that is not there",
    spec: { storage: { class: "fast", size: "1Gi" }, wait: false },
    put: async () => undefined,
    take: () => create(fast),
    message:
      "StorageClass/fast, which PersistentVolumeClaim/flux-system/source-controller asks for, does not exist; create it, or change spec.storage.class",
  },
  {
    name: "another Flux that watches the same objects",
    put: async () => {
      await create(otherFlux(1));
      await cluster.objectWhen(
        { group: "apps", version: "v1", kind: "Deployment" },
        "running",
        (object) => object.metadata.namespace === "old" && readinessOf(object).status === "Current",
      );
    },
    take: () => remove(otherFlux(1)),
    message:
      "another installation of Flux reconciles the same objects: Deployment/old/source-controller; remove it, or scale it to 0",
  },
];

function definition(group: string, kind: string): KubeObject {
  const [plural, singular] = [`${kind.toLowerCase()}s`, kind.toLowerCase()];
  const openAPIV3Schema = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
  const version = {
    name: "v1",
    served: true,
    storage: true,
    schema: { openAPIV3Schema },
    subresources: { status: {} },
  };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      names: { plural, singular, kind, listKind: `${kind}List` },
      scope: "Namespaced",
      versions: [version],
    },
  };
}

const resourceSet = inNamespace("fluxcd.controlplane.io/v1", "ResourceSet", "apps");
const bootstrap = inNamespace("kustomize.toolkit.fluxcd.io/v1", "Kustomization", "flux-system", {
  spec: { interval: "1m", prune: true, sourceRef: { kind: "GitRepository", name: "flux-system" } },
});
const idOfBootstrapped = "flux-system_source-controller_apps_Deployment";
const warned = {
  objects: [
    otherFlux(0),
    definition("fluxcd.controlplane.io", "ResourceSet"),
    ...(loadRelease("2.9.4").components["kustomize-controller"] ?? []).filter(
      ({ kind }) => kind === "CustomResourceDefinition",
    ),
    inNamespace("apps/v1", "Deployment", "source-controller", {
      ...otherFlux(1),
      metadata: {
        namespace,
        labels: {
          ...otherFlux(1).metadata.labels,
          "kustomize.toolkit.fluxcd.io/name": "flux-system",
          "kustomize.toolkit.fluxcd.io/namespace": namespace,
        },
        annotations: { "meta.helm.sh/release-name": "flux2" },
      },
      spec: {
        strategy: { type: "Recreate" },
        selector: { matchLabels: { app: "source-controller" } },
        template: {
          metadata: { labels: { app: "source-controller" } },
          spec: { containers: [{ name: "manager", image: "old:1" }] },
        },
      },
    }),
  ],
  texts: [
    "Kubernetes 1.99 is newer than 1.36, the newest that this operator is tested with; upgrade the operator",
    "could not check resource quotas: no quotas for you",
    "Secret/flux-system/login, named in spec.distribution.imagePullSecret, does not exist, so images are pulled without login; create it with type kubernetes.io/dockerconfigjson",
    "the Helm release flux2 installed controllers that this instance takes over; do not upgrade or uninstall it, but let Helm forget it by deleting its Secrets (label owner=helm)",
    "another installation of Flux is there: Deployment/old/source-controller; remove it if it is not needed",
    "Kustomization/flux-system/flux-system also applies Deployment/flux-system/source-controller; remove them from its source (they will not be deleted)",
    "there are objects that this operator leaves alone and does not reconcile: ResourceSet",
  ],
};

function longPatch(bytes: number): JsonObject {
  return { patch: `# ${"x".repeat(bytes)}\n[]`, target: { kind: "Deployment", name: "nothing" } };
}

describe("preflight", { concurrency: 1 }, () => {
  before(async () => {
    await create(login);
    await create({ apiVersion: "v1", kind: "Namespace", metadata: { name: "old" } });
    await come("ServiceAccount/old/default");
    await come("ConfigMap/old/kube-root-ca.crt");
  });

  for (const { name, spec, put, take, message } of refusals) {
    test(`refuses ${name}, touches nothing, and goes on by itself`, async () => {
      await put();
      const before = { world: await world(), writes: await writesElsewhere() };
      await create(instance(spec));
      const refused = await cluster.instanceWhen("refused", isRefused);
      assert.equal(
        condition(refused, "Ready"),
        `False/PreflightFailed: Cannot apply Flux 2.9.4: ${message}; nothing was changed`,
      );
      assert.deepEqual(conditionFaults(readStatus(refused["status"]).conditions), []);
      assert.equal(condition(refused, "Stalled"), undefined);
      await retried();
      assert.deepEqual(await world(), before.world);
      assert.equal(await writesElsewhere(), before.writes);
      assert.equal((await cluster.instance()).metadata.resourceVersion, refused.metadata.resourceVersion);
      await take();
      const ready = await cluster.instanceWhen("ready", isReady);
      assert.equal(condition(ready, "Warning"), undefined);
      await remove(instance());
      await cluster.gone(`FluxInstance/${namespace}/flux`);
    });
  }

  test("refuses a sync object that its definition refuses, although both are new, and touches nothing", async () => {
    const patch = JSON.stringify([{ op: "replace", path: "/spec/interval", value: "soon" }]);
    const sync = { kind: "GitRepository", url: "https://git.example.com/fleet", ref: "refs/heads/main", path: "a" };
    const patches = [{ patch, target: { kind: "GitRepository" } }];
    const components = ["source-controller", "kustomize-controller"];
    const before = { world: await world(), writes: await writesElsewhere() };
    await create(instance({ components, sync, kustomize: { patches } }));
    const refused = await cluster.instanceWhen("refused", isRefused);
    assert.equal(
      condition(refused, "Ready"),
      "False/ReconciliationFailed: Cannot apply GitRepository/flux-system/flux-system: its CRD in this version of Flux refuses it: " +
        'spec.interval must match pattern "^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"; nothing was changed',
    );
    await retried();
    assert.deepEqual(await world(), before.world);
    assert.equal(await writesElsewhere(), before.writes);
    await remove(instance());
    await cluster.gone(`FluxInstance/${namespace}/flux`);
  });

  test("refuses an instance that has no room for its status beside its spec, and touches nothing", async () => {
    const before = { world: await world(), writes: await writesElsewhere() };
    await create(instance({ kustomize: { patches: [520_000, 520_000, 490_000].map(longPatch) } }));
    const refused = await cluster.instanceWhen("refused", isRefused);
    assert.match(
      condition(refused, "Ready") ?? "",
      /^False\/PreflightFailed: Cannot apply Flux 2\.9\.4: the FluxInstance would take 15\d\d KiB with its status, and the API server stores at most 1536 KiB of an object; shorten spec\.kustomize\.patches, or have fewer shards; nothing was changed$/,
    );
    await retried();
    assert.deepEqual(await world(), before.world);
    assert.equal(await writesElsewhere(), before.writes);
    await remove(instance());
    await cluster.gone(`FluxInstance/${namespace}/flux`);
  });

  test("warns of all the rest, and takes it back when it is gone", async () => {
    await remove(login);
    for (const one of warned.objects) await create(one);
    await served("fluxcd.controlplane.io/v1", "ResourceSet");
    await create(resourceSet);
    await served("kustomize.toolkit.fluxcd.io/v1", "Kustomization");
    await create(bootstrap);
    await change(bootstrap, { status: { inventory: { entries: [{ id: idOfBootstrapped, v: "v1" }] } } }, "status");
    serverVersion("v1.99.0");
    quotasForbidden();
    await create(instance({}, { "fluxcd.controlplane.io/reconcileEvery": "often" }));
    const ready = await cluster.instanceWhen("ready", isReady);
    const { warnings } = readStatus(ready["status"]);
    assert.deepEqual(warnings, warned.texts);
    const told = condition(ready, "Warning") ?? "";
    // A condition shows the beginning and the end of so much; `status.warnings` has it all.
    const beginning = warned.texts.join("; ").slice(0, 300);
    assert.ok(told.startsWith(`True/PreflightWarning: ${beginning}… (`), told);
    assert.match(told, /\d+ more characters; the operator's log has them all\) ….*10m0?s?/);
    assert.deepEqual(conditionFaults(readStatus(ready["status"]).conditions), []);

    proxy.heal();
    await create(login);
    await remove(otherFlux(0));
    await remove(resourceSet);
    await remove(bootstrap);
    const helm = inNamespace("apps/v1", "Deployment", "source-controller");
    await change(helm, { metadata: { annotations: { "meta.helm.sh/release-name": null } } });
    await change(instance(), { metadata: { annotations: { "fluxcd.controlplane.io/reconcileEvery": null } } });
    const still = await cluster.reconcile();
    assert.deepEqual([condition(still, "Warning"), readStatus(still["status"]).warnings], [undefined, undefined]);
  });

  test("leaves what runs alone, and Ready, when the range finds a release that the cluster cannot run", async () => {
    const revision = `v2.9.3@sha256:${"0".repeat(64)}`;
    await change(instance(), { status: { lastAppliedRevision: revision, lastAttemptedRevision: revision } }, "status");
    const before = { world: await world(), writes: await writesElsewhere() };
    serverVersion("v1.20.0");
    await operator.stop();
    operator = start();
    const refused = await cluster.instanceWhen(
      "refused",
      (one) => condition(one, "UpToDate")?.startsWith("False/") === true,
    );
    assert.match(condition(refused, "UpToDate") ?? "", /^False\/PreflightFailed: .* needs Kubernetes 1\.33 or newer/);
    assert.match(condition(refused, "Ready") ?? "", /^True\/ReconciliationSucceeded/);
    assert.deepEqual(conditionFaults(readStatus(refused["status"]).conditions), []);
    await retried();
    assert.deepEqual(await world(), before.world);
    assert.equal(await writesElsewhere(), before.writes);
    proxy.heal();
    const ready = await cluster.instanceWhen(
      "up to date",
      (one) => condition(one, "UpToDate")?.startsWith("True/") === true,
    );
    assert.match(condition(ready, "Ready") ?? "", /^True\/ReconciliationSucceeded/);
  });

  test("repairs what runs while the release that the range finds is refused", async () => {
    await change(instance(), { spec: { distribution: { version: "2.9.3" } } });
    await cluster.instanceWhen("at 2.9.3", (one) => isReady(one) && runs(one, "2.9.3"));
    await operator.stop();
    await widenRange();
    serverVersion("v1.20.0");
    quotasForbidden();
    operator = start();
    await cluster.instanceWhen("refused", isHeld);
    const controller = inNamespace("apps/v1", "Deployment", "source-controller");
    const lost = await cluster.client.get(ref(controller).gvk, ref(controller).key, never);
    await remove(controller);
    const deadline = AbortSignal.timeout(60_000);
    for (let live: KubeObject | undefined; live === undefined || live.metadata.uid === lost.metadata.uid;) {
      await systemClock.sleep(20, deadline);
      live = await cluster.client.getOrUndefined(ref(controller).gvk, ref(controller).key, deadline);
    }
    await retried();
    const repaired = await cluster.instanceWhen("repaired", isReady);
    assert.ok(isHeld(repaired) && runs(repaired, "2.9.3"));
    assert.deepEqual(conditionFaults(readStatus(repaired["status"]).conditions), []);
    const settled = await cluster.writes();
    await retried();
    assert.equal((await cluster.writes()).length, settled.length, "a retry that repairs nothing writes nothing");
    assert.match(
      condition(await cluster.instanceWhen("still", isHeld), "Warning") ?? "",
      /could not check resource quotas/,
    );
    proxy.heal();
    await cluster.instanceWhen("upgraded", (one) => isReady(one) && runs(one, "2.9.4"));
  });
});

function runs({ status }: KubeObject, version: string): boolean {
  return readStatus(status).lastAppliedVersion === version;
}

function isHeld(one: KubeObject): boolean {
  return condition(one, "UpToDate")?.startsWith("False/PreflightFailed: Cannot apply Flux 2.9.4") === true;
}

/** Makes it look as if the range had always been so wide, and its newest release had come later. */
async function widenRange(): Promise<void> {
  const distribution = { version: "2.9.x" };
  await change(instance(), { spec: { distribution } });
  const { gvk, key } = ref(instance());
  const widened = await cluster.client.get(gvk, key, never);
  const observedGeneration = widened.metadata.generation ?? 0;
  const conditions = readStatus(widened["status"]).conditions.map((one) =>
    Object.assign({}, one, { observedGeneration }),
  );
  await change(instance(), { status: { observedGeneration, conditions } }, "status");
  const kept = inNamespace("v1", "ConfigMap", "flux-operator-last-good");
  const live = await cluster.client.get(ref(kept).gvk, ref(kept).key, never);
  const good: JsonObject = JSON.parse(textOf(fieldsOf(live["data"])["lastGood.json"]));
  const text = JSON.stringify({ ...good, spec: widened["spec"] });
  await change(kept, { data: { "lastGood.json": text } });
}

/** Waits until the operator has looked twice more. */
async function retried(): Promise<void> {
  const wanted = looks() + 2;
  const deadline = AbortSignal.timeout(60_000);
  while (looks() < wanted) await systemClock.sleep(20, deadline);
}

/** Every look asks for the version. */
function looks(): number {
  return proxy.requests.filter(({ path }) => path === "/version").length;
}
