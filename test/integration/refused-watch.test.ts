import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { eventKind } from "../../src/kube/kinds.ts";
import { textOf } from "../../src/kube/fields.ts";
import type { KubeObject } from "../../src/kube/object.ts";
import { systemClock } from "../../src/std/clock.ts";
import { condition, isReady, namespace, startFluxCluster, type FluxCluster } from "../support/flux-cluster.ts";
import { freePort } from "../support/flux-process.ts";
import { connectAsOperator, grantRights } from "../support/installation.ts";
import { startWireProxy, type WireProxy } from "../support/wire-proxy.ts";

const never = new AbortController().signal;
const services = { group: "", version: "v1", kind: "Service" };
const component = "app.kubernetes.io/component";
const refusal = {
  kind: "Status",
  code: 403,
  reason: "Forbidden",
  message:
    'services is forbidden: User "operator" cannot watch resource "services" in API group "" at the cluster scope',
};
const told = new RegExp(
  `^True/WatchRefused: Service .*cannot be watched: .*${refusal.message}.*allow the operator to list and watch`,
);

let cluster: FluxCluster;
let proxy: WireProxy;
let urls: { readonly health: string; readonly metrics: string };

before(async () => {
  const [health, metrics] = [await freePort(), await freePort()];
  urls = { health: `http://127.0.0.1:${health}/readyz`, metrics: `http://127.0.0.1:${metrics}/metrics` };
  cluster = await startFluxCluster({
    args: [`--health-addr=127.0.0.1:${health}`, `--metrics-addr=127.0.0.1:${metrics}`],
    kubeconfig: async (plane) => {
      proxy = await startWireProxy(plane);
      refuse();
      await grantRights(plane);
      return await connectAsOperator(plane, proxy.server);
    },
  });
});
after(async () => {
  await cluster[Symbol.asyncDispose]();
  await proxy.stop();
});

function refuse(): void {
  const fault = { kind: "answer", status: 403, body: JSON.stringify(refusal) } as const;
  proxy.inject({ path: /\/services\?.*watch=true/, fault, times: 10_000 });
}

async function service(): Promise<KubeObject> {
  return await cluster.client.get(services, { namespace, name: "source-controller" }, never);
}

/** Somebody changes what the operator cannot see. */
async function edit(value: string): Promise<void> {
  const ref = { gvk: services, key: { namespace, name: "source-controller" } };
  const patch = { kind: "merge", value: { metadata: { labels: { [component]: value } } } } as const;
  await cluster.client.patch(ref, patch, { fieldManager: "somebody" }, never);
}

async function textAt(url: string): Promise<string> {
  return await (await fetch(url)).text();
}

test("a kind that may not be watched is told, and looked at in each reconcile, until it may", async () => {
  await cluster.apply({
    apiVersion: "fluxcd.controlplane.io/v1",
    kind: "FluxInstance",
    metadata: { name: "flux", namespace },
    spec: { distribution: { version: "2.9.4", registry: "ghcr.io/fluxcd" }, components: ["source-controller"] },
  });
  await cluster.instanceWhen(
    "Ready, with a warning",
    (one) => isReady(one) && told.test(condition(one, "Warning") ?? ""),
  );
  const readyz = await textAt(urls.health);
  assert.ok(readyz.includes(`[-]watch of Service failed: Cannot watch Service: ${refusal.message}`), readyz);
  const metric = 'flux_operator_watch_failing{kind="Service",reason="Forbidden"} 1';
  assert.ok((await textAt(urls.metrics)).includes(metric));
  const { items } = await cluster.client.list(eventKind, { namespace }, never);
  const events = items.filter((event) => event["reason"] === "WatchRefused").map((event) => textOf(event["message"]));
  assert.deepEqual([events.length, events[0]?.includes(refusal.message)], [1, true]);

  const settled = await cluster.snapshot();
  await cluster.reconcile();
  const changed = [...(await cluster.snapshot())]
    .filter(([name, at]) => settled.get(name) !== at)
    .map(([name]) => name);
  assert.deepEqual(changed, ["FluxInstance/flux-system/flux"], "what is asked anew is not written anew");

  await edit("edited");
  await cluster.reconcile();
  assert.equal((await service()).metadata.labels?.[component], "source-controller");

  proxy.heal();
  await cluster.instanceWhen("without a warning", (one) => isReady(one) && condition(one, "Warning") === undefined);
  assert.equal(await textAt(urls.health), "ok\n");
  await edit("edited-again");
  const deadline = AbortSignal.timeout(30_000);
  while ((await service()).metadata.labels?.[component] !== "source-controller") await systemClock.sleep(50, deadline);
});
