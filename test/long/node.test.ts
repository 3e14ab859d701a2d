import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test, type TestContext } from "node:test";
import { promisify } from "node:util";
import { nodeAbsent } from "../../scripts/control-plane/node/absent.ts";
import { registryHost } from "../../scripts/control-plane/node/addresses.ts";
import { pushProgram } from "../../scripts/control-plane/node/images.ts";
import { fluxRegistry, installManifest } from "../../scripts/quickstart/node-images.ts";
import { fieldsOf, listOf, textOf } from "../../src/kube/fields.ts";
import { deploymentKind, podKind } from "../../src/kube/kinds.ts";
import type { JsonObject, JsonValue, KubeObject } from "../../src/kube/object.ts";
import { readinessOf } from "../../src/kube/readiness.ts";
import { leaseKind } from "../../src/runtime/lease.ts";
import { systemClock } from "../../src/std/clock.ts";
import { pushFluxArtifact } from "../support/flux-artifact.ts";
import { condition, isReady, namespace, statusOf } from "../support/flux-cluster.ts";
import { changesOf } from "../support/record-objects.ts";
import { kubectl, reserveNode, startNodeWorld, type NodeWorld } from "../support/node-world.ts";

const run = promisify(execFile);
const absent = nodeAbsent();
const never = new AbortController().signal;
const version = "2.9.4";
const instanceKind = { group: "fluxcd.controlplane.io", version: "v1", kind: "FluxInstance" };
const instanceKey = { namespace, name: "flux" };
const instancePath = `/apis/fluxcd.controlplane.io/v1/namespaces/${namespace}/fluxinstances/flux`;

async function said(program: string, ...args: readonly string[]): Promise<string> {
  return (await run(program, args)).stdout;
}

/** What a node must leave as it was: links, routes, rules, mounts, settings of the kernel and cgroups. */
async function machine(): Promise<{ readonly [what: string]: string }> {
  const settings = ["vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops", "net/ipv4/ip_forward"];
  return {
    // Whoever asks whether a node can run here makes a link for a moment.
    links: (await said("ip", "-brief", "link")).replace(/^fxtry.*\n/gm, "").replace(/^(\S+).*$/gm, "$1"),
    routes: await said("ip", "route"),
    rules: await said("nft", "list", "ruleset"),
    mounts: readFileSync("/proc/self/mounts", "utf8"),
    settings: settings.map((path) => readFileSync(`/proc/sys/${path}`, "utf8").trim()).join(" "),
    cgroups: readdirSync("/sys/fs/cgroup")
      .map((name) => `${name}: ${folders(`/sys/fs/cgroup/${name}`)}`)
      .join("\n"),
  };
}

function folders(path: string): string {
  return readdirSync(path, { withFileTypes: true })
    .flatMap((entry) => (entry.isDirectory() ? [entry.name] : []))
    .join(" ");
}

const insecure = [
  { target: { kind: "OCIRepository" }, patch: JSON.stringify([{ op: "add", path: "/spec/insecure", value: true }]) },
];

/** A JSON patch of kustomize-controller, whose stop stops no source. */
function patchOf(operations: readonly JsonObject[]): JsonObject {
  return { target: { kind: "Deployment", name: "kustomize-controller" }, patch: JSON.stringify(operations) };
}

const pod = "/spec/template/spec";
const container = `${pod}/containers/0`;

/** Runs a program that answers the probes in place of the controller. */
function runsStandIn(...args: readonly string[]): readonly JsonObject[] {
  return [
    { op: "replace", path: `${container}/image`, value: `${registryHost}/app:1` },
    { op: "replace", path: `${container}/args`, value: [...args, "--listen=:9440,:8080"] },
  ];
}

const failures = [
  {
    name: "cannot be pulled",
    change: [{ op: "replace", path: `${container}/image`, value: `${registryHost}/nowhere:1` }],
    says: /kustomize-controller: container manager cannot pull its image 10\.250\.0\.1:5000\/nowhere:1;/,
  },
  {
    name: "crash for ever",
    change: runsStandIn("--crashes=-1"),
    says: /kustomize-controller: container manager crashes: exit code 1 \(Error\);/,
  },
  {
    name: "are never ready",
    change: [
      { op: "replace", path: `${container}/image`, value: `${registryHost}/app:1` },
      { op: "replace", path: `${container}/args`, value: [] },
    ],
    says: /kustomize-controller: container manager runs, but is not ready;/,
  },
  {
    name: "PodSecurity refuses",
    change: [{ op: "add", path: `${pod}/hostNetwork`, value: true }],
    says: /kustomize-controller: PodSecurity restricted:latest refuses its pods;/,
  },
  {
    name: "fit on no node",
    change: [
      { op: "replace", path: `${container}/resources/limits/cpu`, value: "900" },
      { op: "replace", path: `${container}/resources/requests/cpu`, value: "900" },
    ],
    says: /kustomize-controller: no node has room for its pod;/,
  },
];

/** An instance whose controllers are those that were built here, and which syncs the app. */
function instance(spec: JsonObject = {}): JsonObject {
  return {
    apiVersion: "fluxcd.controlplane.io/v1",
    kind: "FluxInstance",
    metadata: { ...instanceKey, annotations: { "fluxcd.controlplane.io/reconcileTimeout": "40s" } },
    spec: {
      distribution: { version, registry: fluxRegistry },
      components: ["source-controller", "kustomize-controller"],
      sync: { kind: "OCIRepository", url: `oci://${registryHost}/fleet`, ref: "latest", path: "./", interval: "10m" },
      kustomize: { patches: insecure },
      ...spec,
    },
  };
}

/** An application whose pods really run, and do nothing. */
function application(edition: string): readonly (KubeObject & JsonObject)[] {
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

let reservation: AsyncDisposable;
let world: NodeWorld;
let untouched: { readonly [what: string]: string };
/** "uid restarts" of each pod of the application, once it runs. */
let app: readonly string[] = [];

async function appPods(): Promise<readonly string[]> {
  const { items } = await world.client.list(podKind, { namespace: "apps" }, never);
  return items
    .map((pod) => {
      const restarts = listOf(statusOf(pod)["containerStatuses"]).map((one) => fieldsOf(one)["restartCount"]);
      return `${pod.metadata.uid} ${JSON.stringify(restarts)}`;
    })
    .toSorted();
}

async function instanceWhen(wanted: (object: KubeObject) => boolean): Promise<KubeObject> {
  return await world.when(instanceKind, instanceKey, wanted);
}

/** Resolves once the Deployment is as it should be; answers how long that took. */
async function rolledOut(key: { readonly namespace: string; readonly name: string }): Promise<void> {
  await world.when(deploymentKind, key, (object) => readinessOf(object).status === "Current");
}

/** How often each container was restarted, of the pods that are not ending. */
async function restartsOf(labelSelector: string): Promise<readonly unknown[]> {
  const { items } = await world.client.list(podKind, { namespace, labelSelector }, never);
  return items
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .flatMap((one) => listOf(statusOf(one)["containerStatuses"]).map((status) => fieldsOf(status)["restartCount"]));
}

/** Milliseconds from when the lease is given up, as a watch tells, until another process has it. */
async function watchHandover(): Promise<number> {
  const lease = { gvk: leaseKind, key: { namespace, name: "flux-operator" } };
  let [before, freedMs] = ["", 0];
  for await (const { spec } of changesOf(world.client, lease, AbortSignal.timeout(120_000))) {
    const holder = textOf(fieldsOf(spec)["holderIdentity"]);
    if (before === "") before = holder;
    if (holder === "" && freedMs === 0) freedMs = performance.now();
    if (holder !== "" && holder !== before) return performance.now() - (freedMs === 0 ? performance.now() : freedMs);
  }
  throw new Error("nobody took the lease");
}

/** The process that has `argument` in its command line. */
function processWith(argument: string): number {
  const found = readdirSync("/proc").find((pid) => /^\d+$/.test(pid) && commandOf(pid).includes(argument));
  if (found === undefined) throw new Error(`no process has ${argument} in its command line`);
  return Number(found);
}

/** Empty for one that has ended meanwhile. */
function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}

function isCurrent(object: KubeObject): boolean {
  return statusOf(object)["observedGeneration"] === object.metadata.generation;
}

/** The newest entry of the history. */
function lastOutcome(object: KubeObject): string {
  const [newest] = listOf(statusOf(object)["history"]);
  return textOf(fieldsOf(newest)["lastReconciledStatus"]);
}

/** Less than half of what install.yaml asks for. */
function withLimit(text: string): string {
  return text.replace(/memory: 512Mi/, "memory: 64Mi").replace(/memory: 128Mi/, "memory: 64Mi");
}

/** "31.2 MiB, 20.1 MiB of it anonymous", of the operator's container, as the kubelet has measured it. */
async function workingSet(): Promise<string> {
  const deadline = AbortSignal.timeout(60_000);
  for (;;) {
    const { pods } = await world.plane.rest.get("/api/v1/nodes/real-1/proxy/stats/summary");
    const ours = listOf(pods)
      .map(fieldsOf)
      .filter(({ podRef }) => textOf(fieldsOf(podRef)["name"]).startsWith("flux-operator-"))
      .flatMap(({ containers }) => listOf(containers).map((one) => fieldsOf(fieldsOf(one)["memory"])));
    const [memory] = ours;
    if (memory?.["workingSetBytes"] !== undefined)
      return `${mebibytes(memory["workingSetBytes"])}, ${mebibytes(memory["rssBytes"])} of it anonymous`;
    await systemClock.sleep(500, deadline);
  }
}

function mebibytes(bytes: JsonValue | undefined): string {
  return `${(Number(bytes) / 2 ** 20).toFixed(1)} MiB`;
}

function tell(context: TestContext, what: string, sinceMs: number): void {
  context.diagnostic(`${what}: ${((performance.now() - sinceMs) / 1000).toFixed(1)} s`);
}

describe("on a node that really runs pods", { concurrency: 1, skip: absent ?? false }, () => {
  before(async () => {
    reservation = await reserveNode();
    untouched = await machine();
    world = await startNodeWorld(version);
    await pushProgram({ program: "stand-in", reference: `${registryHost}/app:1` }, never);
    await pushFluxArtifact({ host: registryHost, repository: "fleet", tag: "latest" }, application("1"));
  });
  after(async () => {
    await world[Symbol.asyncDispose]();
    assert.deepEqual(await machine(), untouched, "the machine is as it was");
    await reservation[Symbol.asyncDispose]();
  });

  test("kubectl apply of install.yaml runs the operator", async (context) => {
    const startMs = performance.now();
    await kubectl(world.plane, ["apply", "--server-side", "-f", "-"], await installManifest(withLimit));
    await rolledOut({ namespace, name: "flux-operator" });
    tell(context, "from kubectl apply to a Ready operator", startMs);
    context.diagnostic(`working set: ${await workingSet()}`);
  });

  test("a FluxInstance becomes Ready, and its Flux syncs an application that runs", async (context) => {
    const startMs = performance.now();
    await world.apply(instance());
    await instanceWhen(isReady);
    tell(context, "from the FluxInstance to Ready", startMs);
    await instanceWhen((object) => condition(object, "Synced")?.startsWith("True/") === true);
    await rolledOut({ namespace: "apps", name: "web" });
    tell(context, "until the application runs", startMs);
    app = await appPods();
    assert.equal(app.length, 2);
  });

  for (const { name, change, says } of failures) {
    test(`a change is rolled back whose pods ${name}, and the application runs on`, async (context) => {
      const startMs = performance.now();
      await world.plane.rest.patch(instancePath, { spec: { kustomize: { patches: [...insecure, patchOf(change)] } } });
      const told = await instanceWhen((object) => isCurrent(object) && lastOutcome(object) === "RolledBack");
      tell(context, "until it was rolled back", startMs);
      const upToDate = condition(told, "UpToDate") ?? "";
      context.diagnostic(upToDate);
      assert.match(upToDate, says);
      await world.plane.rest.patch(instancePath, { spec: { kustomize: { patches: insecure } } });
      await instanceWhen((object) => isReady(object) && lastOutcome(object) === "ReconciliationSucceeded");
      assert.deepEqual(await appPods(), app);
    });
  }

  test("a change whose pods crash twice and then run is not rolled back", async () => {
    const patch = patchOf(runsStandIn("--crashes=2", "--state=/tmp/starts"));
    await world.plane.rest.patch(instancePath, { spec: { kustomize: { patches: [...insecure, patch] } } });
    await instanceWhen(isReady);
    assert.deepEqual(await restartsOf("app=kustomize-controller"), [2]);
    await world.plane.rest.patch(instancePath, { spec: { kustomize: { patches: insecure } } });
    await instanceWhen(isReady);
  });

  test("a rolling update of the operator ends, and the new one leads within two seconds of the old one's end", async (context) => {
    const startMs = performance.now();
    const handover = watchHandover();
    await kubectl(world.plane, ["rollout", "restart", "deployment/flux-operator", "-n", namespace]);
    await kubectl(world.plane, ["rollout", "status", "deployment/flux-operator", "-n", namespace, "--timeout=60s"]);
    tell(context, "from the restart to the end of the rollout", startMs);
    const leaderlessMs = await handover;
    context.diagnostic(`nobody led for ${Math.round(leaderlessMs)} ms`);
    assert.ok(leaderlessMs < 2_000, `nobody led for ${leaderlessMs} ms`);
    const at = `${Date.now()}`;
    await world.plane.rest.patch(instancePath, {
      metadata: { annotations: { "reconcile.fluxcd.io/requestedAt": at } },
    });
    await instanceWhen((object) => statusOf(object)["lastHandledReconcileAt"] === at && isReady(object));
  });

  test("a node that stops is told by Ready once Kubernetes has noticed, and Ready comes back with it", async (context) => {
    const kubelet = processWith(join(world.plane.folder, "node", "kubelet.json"));
    const startMs = performance.now();
    process.kill(kubelet, "SIGSTOP");
    const told = await instanceWhen((object) => condition(object, "Ready")?.startsWith("False/") === true);
    tell(context, "from the stop of the kubelet to Ready False", startMs);
    process.kill(kubelet, "SIGCONT");
    context.diagnostic(condition(told, "Ready") ?? "");
    assert.match(
      condition(told, "Ready") ?? "",
      /^False\/HealthCheckFailed: .*Deployment\/flux-system\/(source|kustomize)-controller: 0 of 1 replicas available/,
    );
    await instanceWhen(isReady);
    assert.deepEqual(await appPods(), app);
  });

  test("the operator has never been restarted under a limit of 64Mi", async (context) => {
    assert.deepEqual(await restartsOf("app.kubernetes.io/name=flux-operator"), [0]);
    context.diagnostic(`working set: ${await workingSet()}`);
  });

  test("the operator has done all that with the rights of install.yaml: the API server refused it nothing", async () => {
    const refused = (await world.plane.auditEvents()).filter(
      ({ user, responseStatus }) =>
        user.username === `system:serviceaccount:${namespace}:flux-operator` && responseStatus?.code === 403,
    );
    assert.deepEqual(
      refused.map(({ verb, requestURI }) => `${verb} ${requestURI}`),
      [],
    );
  });

  test("the instance is removed with all of Flux, and the application runs on untouched", async (context) => {
    const startMs = performance.now();
    await kubectl(world.plane, ["delete", "fluxinstance", "flux", "-n", namespace, "--timeout=90s"]);
    tell(context, "from the deletion to its end", startMs);
    const { items } = await world.client.list(deploymentKind, { namespace }, never);
    assert.deepEqual(
      items.map(({ metadata }) => textOf(metadata.name)),
      ["flux-operator"],
    );
    assert.deepEqual(await appPods(), app);
  });
});
