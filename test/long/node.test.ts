import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { after, before, describe, test, type TestContext } from "node:test";
import { promisify } from "node:util";
import { nodeAbsent } from "../../scripts/control-plane/node/absent.ts";
import { registryHost } from "../../scripts/control-plane/node/addresses.ts";
import { pushProgram } from "../../scripts/control-plane/node/images.ts";
import { fieldsOf, listOf, textOf } from "../../src/kube/fields.ts";
import { deploymentKind, podKind } from "../../src/kube/kinds.ts";
import type { JsonObject, KubeObject } from "../../src/kube/object.ts";
import { readinessOf } from "../../src/kube/readiness.ts";
import { pushFluxArtifact } from "../support/flux-artifact.ts";
import { condition, isReady, namespace, statusOf } from "../support/flux-cluster.ts";
import { installManifest, kubectl, startNodeWorld, type NodeWorld } from "../support/node-world.ts";

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
    links: (await said("ip", "-brief", "link")).replace(/^(\S+).*$/gm, "$1"),
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

/** An instance whose controllers are those that were built here, and which syncs the app. */
function instance(spec: JsonObject = {}): JsonObject {
  const insecure = [{ op: "add", path: "/spec/insecure", value: true }];
  return {
    apiVersion: "fluxcd.controlplane.io/v1",
    kind: "FluxInstance",
    metadata: { ...instanceKey, annotations: { "fluxcd.controlplane.io/reconcileTimeout": "2m" } },
    spec: {
      distribution: { version, registry: `${registryHost}/fluxcd` },
      components: ["source-controller", "kustomize-controller"],
      sync: { kind: "OCIRepository", url: `oci://${registryHost}/fleet`, ref: "latest", path: "./", interval: "10m" },
      kustomize: { patches: [{ target: { kind: "OCIRepository" }, patch: JSON.stringify(insecure) }] },
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

let world: NodeWorld;
let untouched: { readonly [what: string]: string };
/** "uid restarts" of each pod of the application, once it runs. */
let app: readonly string[] = [];

async function appPods(): Promise<readonly string[]> {
  const { items } = await world.client.list(podKind, { namespace: "apps" }, never);
  return items
    .map((pod) => {
      const [container] = listOf(statusOf(pod)["containerStatuses"]).map(fieldsOf);
      return `${pod.metadata.uid} ${String(container?.["restartCount"])}`;
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

function tell(context: TestContext, what: string, sinceMs: number): void {
  context.diagnostic(`${what}: ${((performance.now() - sinceMs) / 1000).toFixed(1)} s`);
}

describe("on a node that really runs pods", { concurrency: 1, skip: absent ?? false }, () => {
  before(async () => {
    untouched = await machine();
    world = await startNodeWorld(version);
    await pushProgram({ program: "pause", reference: `${registryHost}/app:1` }, never);
    await pushFluxArtifact({ host: registryHost, repository: "fleet", tag: "latest" }, application("1"));
  });
  after(async () => {
    await world[Symbol.asyncDispose]();
    assert.deepEqual(await machine(), untouched, "the machine is as it was");
  });

  test("kubectl apply of install.yaml runs the operator", async (context) => {
    const startMs = performance.now();
    await kubectl(world.plane, ["apply", "--server-side", "-f", "-"], await installManifest());
    await rolledOut({ namespace, name: "flux-operator" });
    tell(context, "from kubectl apply to a Ready operator", startMs);
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

  test("a rolling update of the operator ends, and the new one leads", async (context) => {
    const startMs = performance.now();
    await kubectl(world.plane, ["rollout", "restart", "deployment/flux-operator", "-n", namespace]);
    await kubectl(world.plane, ["rollout", "status", "deployment/flux-operator", "-n", namespace, "--timeout=60s"]);
    tell(context, "from the restart to the end of the rollout", startMs);
    const at = `${Date.now()}`;
    await world.plane.rest.patch(instancePath, {
      metadata: { annotations: { "reconcile.fluxcd.io/requestedAt": at } },
    });
    await instanceWhen((object) => statusOf(object)["lastHandledReconcileAt"] === at && isReady(object));
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
