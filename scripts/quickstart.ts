/** `npm run quickstart [-- --once]`: from nothing to a running Flux on a real control plane. */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseArgs, promisify } from "node:util";
import { createApiClient } from "../src/client/create-client.ts";
import { loadConnection } from "../src/client/load-connection.ts";
import { systemClock } from "../src/std/clock.ts";
import { startControlPlane, type ControlPlane } from "./control-plane/control-plane.ts";
import { followInstance } from "./quickstart/follow.ts";
import { startOperator } from "./quickstart/operator-process.ts";
import { summaryOf } from "./quickstart/summary.ts";

const root = resolve(import.meta.dirname, "..");
const namespace = "flux-system";
const key = { namespace, name: "flux" };
const readyTimeoutMs = 5 * 60_000;
const run = promisify(execFile);

const { values } = parseArgs({ options: { once: { type: "boolean", default: false } } });
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
  say("Starting Kubernetes: etcd, API server, controller manager, scheduler and a fake node (kwok)");
  await using plane = await startControlPlane({ variant: "full", signal });
  say(`Kubernetes answers at ${plane.server}`);
  await kubectl(plane, "apply", "--server-side", "-f", join(root, "packaging", "yaml", "crds.yaml"));
  await kubectl(plane, "create", "namespace", namespace);
  say("CustomResourceDefinition FluxInstance is installed");
  await using operator = startOperator({ kubeconfigPath: plane.kubeconfigPath, folder: plane.folder });
  say(`The operator runs as process ${operator.process.pid ?? "?"}`);
  await kubectl(plane, "apply", "-f", join(root, "examples", "flux-instance-rfc.yaml"));
  say("Applied examples/flux-instance-rfc.yaml, the example of the RFC");
  const client = createApiClient({
    connection: await loadConnection({ kubeconfig: plane.kubeconfigPath, env: {}, clock: systemClock }),
    userAgent: "quickstart",
    clock: systemClock,
  });
  try {
    const result = await followInstance(client, key, readyTimeoutMs, signal);
    if (!result.ready) return await explain(result.message, operator.logPath);
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

function say(line: string): void {
  console.log(`> ${line}`);
}

async function kubectl(plane: ControlPlane, ...args: readonly string[]): Promise<void> {
  await run(plane.binaries.kubectl, ["--kubeconfig", plane.kubeconfigPath, ...args], { signal: interrupt.signal });
}

async function explain(message: string, logPath: string): Promise<number> {
  const log = (await readFile(logPath, "utf8")).trimEnd().split("\n").slice(-20).join("\n");
  console.error(`\nFlux did not become ready: ${message}\n\nThe end of the operator's log:\n${log}`);
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
