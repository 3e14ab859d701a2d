/**
 * `npm run quickstart [-- --once] [-- --node]`: from nothing to a running Flux on a real control plane; with `--node` on a node that really runs
 * pods, with the operator in one of them and a Flux that works.
 */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseArgs, promisify } from "node:util";
import { createApiClient } from "../src/client/create-client.ts";
import { loadConnection } from "../src/client/load-connection.ts";
import { systemClock } from "../src/std/clock.ts";
import { fieldsOf } from "../src/kube/fields.ts";
import { parseKubeYaml } from "../src/std/yaml.ts";
import { startControlPlane, type ControlPlane } from "./control-plane/control-plane.ts";
import { nodeAbsent } from "./control-plane/node/absent.ts";
import { followInstance } from "./quickstart/follow.ts";
import {
  builtControllers,
  fluxRegistry,
  installManifest,
  pushController,
  pushOperator,
} from "./quickstart/node-images.ts";
import { startOperator } from "./quickstart/operator-process.ts";
import { summaryOf } from "./quickstart/summary.ts";

const root = resolve(import.meta.dirname, "..");
const namespace = "flux-system";
const key = { namespace, name: "flux" };
const readyTimeoutMs = 5 * 60_000;
/** A Flux whose controllers are built here. */
const nodeVersion = "2.9.4";
const run = promisify(execFile);

const { values } = parseArgs({
  options: { once: { type: "boolean", default: false }, node: { type: "boolean", default: false } },
});
const interrupt = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, () => interrupt.abort());

try {
  process.exitCode = await quickstart(interrupt.signal);
} catch (error) {
  if (!interrupt.signal.aborted) throw error;
  process.exitCode = 130;
}

async function quickstart(signal: AbortSignal): Promise<number> {
  const startMs = performance.now();
  const absent = values.node ? nodeAbsent() : undefined;
  if (absent !== undefined) {
    console.error(`Cannot run pods: ${absent}`);
    return 1;
  }
  const node = values.node ? "a node that runs pods" : "a fake node (kwok)";
  say(`Starting Kubernetes: etcd, API server, controller manager, scheduler and ${node}`);
  await using plane = await startControlPlane({ variant: values.node ? "node" : "full", signal });
  say(`Kubernetes answers at ${plane.server}`);
  await using operator = values.node ? await runAsPod(plane, signal) : await runAsProcess(plane);
  const client = createApiClient({
    connection: await loadConnection({ kubeconfig: plane.kubeconfigPath, env: {}, clock: systemClock }),
    userAgent: "quickstart",
    clock: systemClock,
  });
  try {
    const result = await followInstance(client, key, readyTimeoutMs, signal);
    if (!result.ready) return explain(result.message, await operator.log());
    const kind = { group: "fluxcd.controlplane.io", version: "v1", kind: "FluxInstance" };
    const deployments = await client.list({ group: "apps", version: "v1", kind: "Deployment" }, { namespace }, signal);
    const instance = await client.get(kind, key, signal);
    console.log(`\n${summaryOf(instance, deployments.items)}\n`);
    say(`Flux is ready, ${((performance.now() - startMs) / 1000).toFixed(1)} s after the start`);
  } finally {
    await client.close();
  }
  console.log("Run it without --once on a terminal to keep the cluster and try it");
  const keep = !values.once && process.stdout.isTTY;
  if (keep) await untilInterrupted(plane, signal);
  return 0;
}

type RunningOperator = AsyncDisposable & { readonly log: () => Promise<string> };

async function runAsProcess(plane: ControlPlane): Promise<RunningOperator> {
  await kubectl(plane, ["apply", "--server-side", "-f", join(root, "packaging", "yaml", "crds.yaml")]);
  await kubectl(plane, ["create", "namespace", namespace]);
  say("CustomResourceDefinition FluxInstance is installed");
  const operator = startOperator({ kubeconfigPath: plane.kubeconfigPath, folder: plane.folder });
  say(`The operator runs as process ${operator.process.pid ?? "?"}`);
  await kubectl(plane, ["apply", "-f", join(root, "examples", "flux-instance-rfc.yaml")]);
  say("Applied examples/flux-instance-rfc.yaml, the example of the RFC");
  return { log: () => readFile(operator.logPath, "utf8"), [Symbol.asyncDispose]: () => operator.stop() };
}

/** Of the RFC's example what works with the images that were built here: two controllers, no enterprise registry and no storage class. */
async function runAsPod(plane: ControlPlane, signal: AbortSignal): Promise<RunningOperator> {
  say("Building the images of the operator and of Flux");
  await pushOperator(signal);
  for (const name of builtControllers) await pushController(name, nodeVersion, signal);
  await kubectl(plane, ["apply", "--server-side", "-f", "-"], await installManifest());
  await kubectl(plane, ["rollout", "status", "-n", namespace, "deployment/flux-operator", "--timeout=120s"]);
  say("Applied packaging/yaml/install.yaml; the operator runs as a pod");
  const example = fieldsOf(parseKubeYaml(await readFile(join(root, "examples", "flux-instance-rfc.yaml"), "utf8")));
  const { storage: _, ...spec } = fieldsOf(example["spec"]);
  const distribution = { version: nodeVersion, registry: fluxRegistry };
  const instance = { ...example, spec: { ...spec, distribution, components: [...builtControllers] } };
  await kubectl(plane, ["apply", "-f", "-"], JSON.stringify(instance));
  say("Applied the example of the RFC, with the two controllers of Flux that are built here");
  const log = (): Promise<string> => kubectl(plane, ["logs", "-n", namespace, "deployment/flux-operator"]);
  return { log, [Symbol.asyncDispose]: async () => undefined };
}

function say(line: string): void {
  console.log(`> ${line}`);
}

async function kubectl(plane: ControlPlane, args: readonly string[], input = ""): Promise<string> {
  const all = ["--kubeconfig", plane.kubeconfigPath, ...args];
  const running = run(plane.binaries.kubectl, all, { signal: interrupt.signal });
  running.child.stdin?.end(input);
  return (await running).stdout;
}

function explain(message: string, log: string): number {
  const end = log.trimEnd().split("\n").slice(-20).join("\n");
  console.error(`\nFlux did not become ready: ${message}\n\nThe end of the operator's log:\n${end}`);
  return 1;
}

async function untilInterrupted(plane: ControlPlane, signal: AbortSignal): Promise<void> {
  console.log(`
Try next, in another terminal:

  export KUBECONFIG=${plane.kubeconfigPath}
  alias kubectl=${plane.binaries.kubectl}

  kubectl -n ${namespace} get fluxinstance flux -o yaml
  kubectl -n ${namespace} patch fluxinstance flux --type=merge -p '{"spec":{"distribution":{"version":"2.x"}}}'
  kubectl -n ${namespace} delete fluxinstance flux

The cluster runs until Ctrl-C.`);
  const keepAlive = setInterval(() => undefined, 60_000);
  if (!signal.aborted) await once(signal, "abort");
  clearInterval(keepAlive);
}
