import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { cleanEnvironment, dieWithParent, logTail } from "../../scripts/control-plane/processes.ts";
import { goTool } from "../../scripts/go-tool.ts";
import { fieldsOf, textOf } from "../../src/kube/fields.ts";
import type { JsonObject } from "../../src/kube/object.ts";
import { systemClock } from "../../src/std/clock.ts";
import {
  condition,
  isReady,
  namespace,
  startFluxCluster,
  statusOf,
  type FluxCluster,
} from "../support/flux-cluster.ts";
import { freePort } from "../support/flux-process.ts";

const version = "notification.toolkit.fluxcd.io/v1beta3";

/** Where the Provider sends what it is told. */
const received: JsonObject[] = [];
const webhook = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    received.push(fieldsOf(JSON.parse(Buffer.concat(chunks).toString("utf8"))));
    response.end();
  });
});

let cluster: FluxCluster;
let controller: ChildProcess;
let eventsPort: number;
let logPath: string;

before(async () => {
  webhook.listen(0, "127.0.0.1");
  await once(webhook, "listening");
  eventsPort = await freePort();
  cluster = await startFluxCluster({ env: { NOTIFICATION_CONTROLLER_ADDRESS: `http://127.0.0.1:${eventsPort}/` } });
  logPath = join(cluster.plane.folder, "notification-controller.log");
});
after(async () => {
  controller?.kill("SIGKILL");
  await cluster?.[Symbol.asyncDispose]();
  webhook.closeAllConnections();
  webhook.close();
});

/** As its pod runs it; the pod of the test cluster only pretends to. */
async function startController(): Promise<void> {
  const { path, args } = dieWithParent({
    path: await goTool("notification-controller", new AbortController().signal),
    args: [
      `--events-addr=127.0.0.1:${eventsPort}`,
      `--receiverAddr=127.0.0.1:${await freePort()}`,
      "--metrics-addr=127.0.0.1:0",
      "--health-addr=127.0.0.1:0",
    ],
  });
  const env = { ...cleanEnvironment(), RUNTIME_NAMESPACE: namespace, KUBECONFIG: cluster.plane.kubeconfigPath };
  const log = openSync(logPath, "a", 0o600);
  controller = spawn(path, args, { stdio: ["ignore", log, log], env });
  closeSync(log);
}

async function endController(): Promise<void> {
  const exited = once(controller, "exit");
  controller.kill("SIGKILL");
  await exited;
}

async function arrives(reason: string): Promise<JsonObject> {
  const deadline = AbortSignal.timeout(90_000);
  for (;;) {
    const found = received.find((event) => event["reason"] === reason);
    if (found !== undefined) return found;
    if (deadline.aborted)
      throw new Error(
        `${reason} did not arrive: ${JSON.stringify(received)}\n${await logTail(logPath, 20)}\n${cluster.operator.log().slice(-8).join("\n")}`,
      );
    await systemClock.sleep(50, deadline).catch(() => undefined);
  }
}

async function apply(spec: JsonObject): Promise<void> {
  await cluster.apply({
    apiVersion: "fluxcd.controlplane.io/v1",
    kind: "FluxInstance",
    metadata: { name: "flux", namespace },
    spec: {
      distribution: { version: "2.9.4", registry: "ghcr.io/fluxcd" },
      components: ["source-controller", "notification-controller"],
      ...spec,
    },
  });
}

test("the real notification-controller passes on what failed, as docs/notifications.md has its Alert", async () => {
  await apply({});
  await cluster.instanceWhen("Ready", isReady);
  await cluster.apply({
    apiVersion: version,
    kind: "Provider",
    metadata: { name: "webhook", namespace },
    spec: { type: "generic", address: `http://127.0.0.1:${(webhook.address() as AddressInfo).port}/` },
  });
  await cluster.apply({
    apiVersion: version,
    kind: "Alert",
    metadata: { name: "flux", namespace },
    spec: { providerRef: { name: "webhook" }, eventSources: [{ kind: "FluxInstance", name: "*" }] },
  });
  await startController();
  const patch = "- op: remove\n  path: /spec/none\n";
  await apply({ kustomize: { patches: [{ target: { kind: "Deployment" }, patch }] } });
  const failed = await cluster.instanceWhen("Stalled", (one) => condition(one, "Stalled") !== undefined);
  const event = await arrives("BuildFailed");
  assert.deepEqual(
    [event["severity"], fieldsOf(event["involvedObject"])["name"], event["reportingController"]],
    ["error", "flux", "flux-operator"],
  );
  assert.equal(`False/BuildFailed: ${textOf(event["message"])}`, condition(failed, "Ready"));
});

test("the real notification-controller gets what happened while it was away", async () => {
  await endController();
  await apply({ commonMetadata: { annotations: { at: "night" } } });
  const ready = await cluster.instanceWhen("Ready", isReady);
  await startController();
  const event = await arrives("ReconciliationSucceeded");
  assert.equal(event["severity"], "info");
  assert.match(textOf(event["message"]), /^Flux 2\.9\.4 applied\n/);
  assert.deepEqual(fieldsOf(event["metadata"])["revision"], statusOf(ready)["lastAppliedRevision"]);
});
