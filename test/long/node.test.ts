import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { nodeAbsent } from "../../scripts/control-plane/node/absent.ts";
import { registryHost } from "../../scripts/control-plane/node/addresses.ts";
import { pushProgram } from "../../scripts/control-plane/node/images.ts";
import { installManifest } from "../../scripts/quickstart/node-images.ts";
import { fieldsOf, listOf, textOf } from "../../src/kube/fields.ts";
import { deploymentKind } from "../../src/kube/kinds.ts";
import type { JsonObject, JsonValue } from "../../src/kube/object.ts";
import { systemClock } from "../../src/std/clock.ts";
import { pushFluxArtifact } from "../support/flux-artifact.ts";
import { condition, isReady, namespace, statusOf } from "../support/flux-cluster.ts";
import {
  application,
  appPods,
  appRuns,
  fluxInstance,
  insecure,
  instanceWhen,
  isCurrent,
  kustomizePatch,
  lastOutcome,
  patchInstance,
  pullToLead,
  recordHandovers,
  restartsOf,
  rolledOut,
  tell,
  withTimeout,
} from "../support/node-flux.ts";
import { kubectl, kubeletOf, reserveNode, startNodeWorld, type NodeWorld } from "../support/node-world.ts";

const run = promisify(execFile);
const absent = nodeAbsent();
const never = new AbortController().signal;
const version = "2.9.4";
/** After how long the working set is measured once more. */
const soakMinutes = Number(process.env["SOAK_MINUTES"] ?? "0");

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

let reservation: AsyncDisposable;
let world: NodeWorld;
let untouched: { readonly [what: string]: string };
/** "uid restarts" of each pod of the application, once it runs. */
let app: readonly string[] = [];

/** Less than half of what install.yaml asks for. */
function withLimit(text: string): string {
  return text.replace(/memory: 512Mi/, "memory: 64Mi").replace(/memory: 128Mi/, "memory: 64Mi");
}

/** Memory of the operator's container as the kubelet has measured it; undefined before it has. */
async function operatorMemory(): Promise<JsonObject | undefined> {
  const { pods } = await world.plane.rest.get("/api/v1/nodes/real-1/proxy/stats/summary");
  const [memory] = listOf(pods)
    .map(fieldsOf)
    .filter(({ podRef }) => textOf(fieldsOf(podRef)["name"]).startsWith("flux-operator-"))
    .flatMap(({ containers }) => listOf(containers).map((one) => fieldsOf(fieldsOf(one)["memory"])));
  return memory?.["workingSetBytes"] === undefined ? undefined : memory;
}

/** "31.2 MiB, 20.1 MiB of it anonymous", measured at `sinceMs` (Unix time) or later: the kubelet measures every 10 seconds or so. */
async function workingSet(sinceMs = Date.now()): Promise<string> {
  const deadline = AbortSignal.timeout(60_000);
  for (;;) {
    const memory = await operatorMemory();
    if (memory !== undefined && Date.parse(textOf(memory["time"])) >= sinceMs)
      return `${mebibytes(memory["workingSetBytes"])}, ${mebibytes(memory["rssBytes"])} of it anonymous`;
    await systemClock.sleep(500, deadline);
  }
}

/** The highest working set that the kubelet measures while `work` is done. */
async function highestWorkingSet(work: Promise<unknown>): Promise<string> {
  const over = new AbortController();
  const end = (): void => over.abort(new Error("the work is over"));
  void work.then(end, end);
  let highest = 0;
  while (!over.signal.aborted) {
    highest = Math.max(highest, Number((await operatorMemory())?.["workingSetBytes"] ?? 0));
    await systemClock.sleep(500, over.signal).catch(() => undefined);
  }
  return mebibytes(highest);
}

function mebibytes(bytes: JsonValue | undefined): string {
  return `${(Number(bytes) / 2 ** 20).toFixed(1)} MiB`;
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
    const started = pullToLead(world);
    await kubectl(world.plane, ["apply", "--server-side", "-f", "-"], await installManifest(withLimit));
    await rolledOut(world, { namespace, name: "flux-operator" });
    tell(context, "from kubectl apply to a Ready operator", startMs);
    context.diagnostic(`from the begin of its pull until it led: ${((await started) / 1000).toFixed(1)} s`);
    context.diagnostic(`working set, idle: ${await workingSet()}`);
  });

  test("a FluxInstance becomes Ready, and its Flux syncs an application that runs", async (context) => {
    const startMs = performance.now();
    await world.apply(fluxInstance({ distribution: { version } }));
    const ready = instanceWhen(world, isReady);
    const installing = highestWorkingSet(ready);
    await ready;
    tell(context, "from the FluxInstance to Ready", startMs);
    await instanceWhen(world, (object) => condition(object, "Synced")?.startsWith("True/") === true);
    app = await appRuns(world);
    tell(context, "until the application runs", startMs);
    assert.equal(app.length, 2);
    context.diagnostic(`working set: installing up to ${await installing}, after it ${await workingSet()}`);
    if (soakMinutes === 0) return;
    await systemClock.sleep(soakMinutes * 60_000, never);
    context.diagnostic(`working set, ${soakMinutes} minutes later: ${await workingSet()}`);
  });

  for (const { name, change, says } of failures) {
    test(`a change is rolled back whose pods ${name}, and the application runs on`, async (context) => {
      const startMs = performance.now();
      const spec = { kustomize: { patches: [insecure, kustomizePatch(change)] } };
      await patchInstance(world, withTimeout("20s", { spec }));
      const told = await instanceWhen(world, (object) => isCurrent(object) && lastOutcome(object) === "RolledBack");
      tell(context, "until it was rolled back", startMs);
      const upToDate = condition(told, "UpToDate") ?? "";
      context.diagnostic(upToDate);
      assert.match(upToDate, says);
      await patchInstance(world, withTimeout("40s", { spec: { kustomize: { patches: [insecure] } } }));
      await instanceWhen(world, (object) => isReady(object) && lastOutcome(object) === "ReconciliationSucceeded");
      assert.deepEqual(await appPods(world), app);
    });
  }

  test("a change whose pods crash twice and then run is not rolled back", async () => {
    const patch = kustomizePatch(runsStandIn("--crashes=2", "--state=/tmp/starts"));
    await patchInstance(world, { spec: { kustomize: { patches: [insecure, patch] } } });
    await instanceWhen(world, isReady);
    assert.deepEqual(await restartsOf(world, "app=kustomize-controller"), [2]);
    await patchInstance(world, { spec: { kustomize: { patches: [insecure] } } });
    await instanceWhen(world, isReady);
  });

  test("a rolling update of the operator ends, and the new one leads within two seconds of the old one's end", async (context) => {
    const startMs = performance.now();
    const handovers = await recordHandovers(world);
    await kubectl(world.plane, ["rollout", "restart", "deployment/flux-operator", "-n", namespace]);
    await kubectl(world.plane, ["rollout", "status", "deployment/flux-operator", "-n", namespace, "--timeout=60s"]);
    tell(context, "from the restart to the end of the rollout", startMs);
    const at = `${Date.now()}`;
    await patchInstance(world, {
      metadata: { annotations: { "reconcile.fluxcd.io/requestedAt": at } },
    });
    await instanceWhen(world, (object) => statusOf(object)["lastHandledReconcileAt"] === at && isReady(object));
    const [leaderlessMs = Number.NaN, ...more] = await handovers.stop();
    context.diagnostic(`nobody led for ${Math.round(leaderlessMs)} ms`);
    assert.deepEqual(more, []);
    assert.ok(leaderlessMs < 2_000, `nobody led for ${leaderlessMs} ms`);
  });

  test("a node that stops is told by Ready once Kubernetes has noticed, and Ready comes back with it", async (context) => {
    await patchInstance(world, withTimeout("20s"));
    const kubelet = kubeletOf(world.plane);
    const startMs = performance.now();
    process.kill(kubelet, "SIGSTOP");
    const told = await instanceWhen(world, (object) => condition(object, "Ready")?.startsWith("False/") === true);
    tell(context, "from the stop of the kubelet to Ready False", startMs);
    process.kill(kubelet, "SIGCONT");
    context.diagnostic(condition(told, "Ready") ?? "");
    assert.match(
      condition(told, "Ready") ?? "",
      /^False\/HealthCheckFailed: .*Deployment\/flux-system\/(source|kustomize)-controller: 0 of 1 replicas available/,
    );
    await instanceWhen(world, isReady);
    assert.deepEqual(await appPods(world), app);
  });

  test("the operator has never been restarted under a limit of 64Mi", async (context) => {
    assert.deepEqual(await restartsOf(world, "app.kubernetes.io/name=flux-operator"), [0]);
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
    assert.deepEqual(await appPods(world), app);
  });
});
