import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { hostname } from "node:os";
import { after, before, test } from "node:test";
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

/** Stands for notification-controller, in whatever state a test wants. */
const received: JsonObject[] = [];
const held: ServerResponse[] = [];
let state: "well" | "silent" | "failing" = "well";
const controller = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    if (state === "well") received.push(fieldsOf(JSON.parse(Buffer.concat(chunks).toString("utf8"))));
    if (state === "silent") held.push(response);
    else response.writeHead(state === "well" ? 202 : 503).end();
  });
});

let cluster: FluxCluster;
let port: number;

before(async () => {
  await listen(0);
  port = (controller.address() as AddressInfo).port;
  cluster = await startFluxCluster({ env: { NOTIFICATION_CONTROLLER_ADDRESS: `http://127.0.0.1:${port}/` } });
});
after(async () => {
  await cluster?.[Symbol.asyncDispose]();
  controller.closeAllConnections();
  controller.close();
});

async function listen(at: number): Promise<void> {
  controller.listen(at, "127.0.0.1");
  await once(controller, "listening");
}

async function arrives(what: string, isSo: (events: readonly JsonObject[]) => boolean): Promise<void> {
  const deadline = AbortSignal.timeout(60_000);
  while (!isSo(received)) {
    if (deadline.aborted) throw new Error(`${what} did not arrive:\n${JSON.stringify(received, undefined, 2)}`);
    await systemClock.sleep(25, deadline).catch(() => undefined);
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

const broken = {
  kustomize: { patches: [{ target: { kind: "Deployment" }, patch: "- op: remove\n  path: /spec/none\n" }] },
};
const fails = async (): Promise<void> => {
  await apply(broken);
  await cluster.instanceWhen("Stalled", (one) => condition(one, "Ready")?.startsWith("False/BuildFailed") === true);
};
const works = async (annotation: string): Promise<void> => {
  await apply({ commonMetadata: { annotations: { at: annotation } } });
  await cluster.instanceWhen("Ready", isReady);
};
const of = (reason: string, events: readonly JsonObject[]): readonly JsonObject[] =>
  events.filter((event) => event["reason"] === reason);

const changing = new Set(["message", "timestamp", "resourceVersion"]);

/** The event without what differs from run to run. */
function lasting(event: JsonObject): JsonObject {
  const text = JSON.stringify(event, (name, value: unknown) => (changing.has(name) ? undefined : value));
  return fieldsOf(JSON.parse(text));
}

test("what was installed, and what has failed, is told as Flux's events, once", async () => {
  await works("first");
  await arrives("the installation", (events) => of("ReconciliationSucceeded", events).length > 0);
  await fails();
  await arrives("the failure", (events) => of("BuildFailed", events).length > 0);
  await cluster.reconcile();
  const instance = await cluster.instance();
  const { uid } = instance.metadata;
  const [installed, failed] = [of("ReconciliationSucceeded", received), of("BuildFailed", received)];
  const about = { apiVersion: "fluxcd.controlplane.io/v1", kind: "FluxInstance", namespace, name: "flux", uid };
  const common = { reportingController: "flux-operator", reportingInstance: hostname(), involvedObject: about };
  assert.deepEqual([...installed, ...failed].map(lasting), [
    {
      ...common,
      severity: "info",
      reason: "ReconciliationSucceeded",
      metadata: { "fluxcd.controlplane.io/revision": statusOf(instance)["lastAppliedRevision"] },
    },
    { ...common, severity: "error", reason: "BuildFailed" },
  ]);
  assert.match(textOf(installed[0]?.["message"]), /^Flux 2\.9\.4 applied\n/);
  assert.match(textOf(installed[0]?.["timestamp"]), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  assert.equal(`False/BuildFailed: ${textOf(failed[0]?.["message"])}`, condition(instance, "Ready"));
  assert.deepEqual(of("Progressing", received), []);
});

for (const { name, begin, end } of [
  {
    name: "does not answer",
    begin: async () => void (state = "silent"),
    end: async () => {
      assert.ok(held.length > 0, "it was asked");
      state = "well";
      for (const response of held) response.writeHead(202).end();
    },
  },
  { name: "fails", begin: async () => void (state = "failing"), end: async () => void (state = "well") },
  {
    name: "is away",
    begin: async () => {
      controller.close();
      controller.closeAllConnections();
    },
    end: () => listen(port),
  },
])
  test(`no reconcile waits for a notification-controller that ${name}, which is told of all when it is well again`, async () => {
    received.length = 0;
    await begin();
    await works(`while it ${name}`);
    await fails();
    assert.deepEqual(received, []);
    await end();
    // The one that was held is answered, and arrives at nobody who counts.
    await arrives("the failure", (events) => of("BuildFailed", events).length > 0);
    if (name !== "does not answer")
      assert.deepEqual(
        received.map(({ reason }) => reason),
        ["ReconciliationSucceeded", "BuildFailed"],
      );
  });
