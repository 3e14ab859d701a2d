import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { AuditEvent } from "../../scripts/control-plane/audit.ts";
import { ownerLabels } from "../../src/api/names.ts";
import { ApiError } from "../../src/client/api-error.ts";
import { inventoryOf } from "../../src/apply/inventory.ts";
import { configMapKind, serviceKind } from "../../src/kube/kinds.ts";
import type { JsonObject, KubeObject } from "../../src/kube/object.ts";
import { systemClock } from "../../src/std/clock.ts";
import { mapConcurrent } from "../../src/std/concurrent.ts";
import { procAbsent, residentBytes } from "../bench/process.ts";
import { condition, isReady, namespace, startFluxCluster, type FluxCluster } from "../support/flux-cluster.ts";
import { changesOf } from "../support/record-objects.ts";

/** How long the neighbours are hostile. `SOAK_MINUTES=10 npm run test:long` gives them longer. */
const minutes = Number(process.env["SOAK_MINUTES"] ?? "1");
const copies = 2_000;
const tenant = "team-b";
const labels = ownerLabels({ namespace, name: "flux" });
const accountKind = { group: "", version: "v1", kind: "ServiceAccount" };
const instanceKind = { group: "fluxcd.controlplane.io", version: "v1", kind: "FluxInstance" };
const key = { namespace, name: "flux" };
const never = new AbortController().signal;

let cluster: FluxCluster;

before(async () => {
  cluster = await startFluxCluster();
  await cluster.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: tenant } });
});
after(async () => {
  await cluster[Symbol.asyncDispose]();
});

function account(index: number): KubeObject {
  return { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: `copy-${index}`, namespace: tenant, labels } };
}

/** Runs `act` until the signal is aborted. What the API server refuses in passing is tried again. */
async function persist(act: () => Promise<unknown>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await act().catch((error: unknown) => {
      if (!signal.aborted && !(error instanceof ApiError)) throw error;
    });
  }
}

/** As Argo CD does when it heals itself. */
async function undoesRepairs(signal: AbortSignal): Promise<void> {
  const theirs = { kind: "merge", value: { metadata: { labels: { "app.kubernetes.io/part-of": "theirs" } } } } as const;
  const id = { gvk: serviceKind, key: { namespace, name: "webhook-receiver" } };
  for await (const { metadata } of changesOf(cluster.client, id, signal)) {
    if (metadata.labels?.["app.kubernetes.io/part-of"] === "theirs") continue;
    await cluster.client.patch(id, theirs, { fieldManager: "argocd-controller" }, signal);
  }
}

/** A tenant that copies our labels to 2,000 objects of a kind that we watch, and writes to them all the time. */
async function copiesLabels(signal: AbortSignal): Promise<void> {
  const all = Array.from({ length: copies }, (_, index) => index);
  await mapConcurrent(all, 8, (index) => cluster.client.apply(account(index), { fieldManager: "tenant" }, signal));
  let round = 0;
  await persist(async () => {
    const id = { gvk: accountKind, key: { namespace: tenant, name: `copy-${round % copies}` } };
    round += 1;
    const value = { metadata: { annotations: { round: `${round}` } } };
    await cluster.client.patch(id, { kind: "merge", value }, { fieldManager: "tenant" }, signal);
    await systemClock.sleep(20, signal);
  }, signal);
}

/** Whoever may write ConfigMaps and the status: records a release of its own, and the tenant's objects as ours. */
async function forgesState(signal: AbortSignal): Promise<void> {
  const entries = inventoryOf([account(0), account(1), { ...account(2), kind: "Service" }]);
  await persist(async () => {
    const record: JsonObject = { data: { record: "forged" }, binaryData: { record: "Zm9yZ2Vk" } };
    const configMap = { gvk: configMapKind, key: { namespace, name: "flux-operator-last-good" } };
    await cluster.client.patch(configMap, { kind: "merge", value: record }, { fieldManager: "forger" }, signal);
    const value = { status: { inventory: { entries }, lastGoodDigest: `sha256:${"0".repeat(64)}` } };
    const status = { fieldManager: "forger", subresource: "status" } as const;
    await cluster.client.patch({ gvk: instanceKind, key }, { kind: "merge", value }, status, signal);
    await systemClock.sleep(500, signal);
  }, signal);
}

function isOurs({ userAgent }: AuditEvent): boolean {
  return (userAgent ?? "").startsWith("flux-operator/");
}

async function requests(): Promise<readonly AuditEvent[]> {
  return (await cluster.plane.auditEvents()).filter(isOurs);
}

async function residentMb(): Promise<number> {
  const { pid } = cluster.operator.process;
  return procAbsent === undefined && pid !== undefined ? Math.round((await residentBytes(pid)) / 1e6) : 0;
}

test(`${minutes} min of hostile neighbours cost a bounded number of requests, and nothing of theirs is touched`, async (context) => {
  await cluster.apply({
    apiVersion: "fluxcd.controlplane.io/v1",
    kind: "FluxInstance",
    metadata: { ...key, annotations: { "fluxcd.controlplane.io/reconcileEvery": "10s" } },
    spec: { distribution: { version: "2.9.4", registry: "ghcr.io/fluxcd" } },
  });
  await cluster.instanceWhen("ready", isReady);
  const [before, memoryBefore] = [await requests(), await residentMb()];
  const stop = new AbortController();
  const neighbours = [undoesRepairs, copiesLabels, forgesState].map(async (neighbour) => {
    try {
      await neighbour(stop.signal);
    } catch (error) {
      if (!stop.signal.aborted) throw error;
    }
  });
  const contested = cluster.instanceWhen("contested", (object) =>
    /Contested: .*webhook-receiver: argocd-controller changes /.test(condition(object, "Warning") ?? ""),
  );
  await Promise.race([systemClock.sleep(minutes * 60_000, never), Promise.all(neighbours)]);
  const told = await contested;
  stop.abort();
  await Promise.all(neighbours);
  const made = (await requests()).slice(before.length);
  const perMinute = Math.round(made.length / minutes);
  const memory = await residentMb();
  context.diagnostic(`${perMinute} requests a minute; ${memoryBefore} MB before, ${memory} MB after`);
  context.diagnostic(`Warning: ${condition(told, "Warning")}`);
  assert.ok(isReady(await cluster.instance()));
  assert.ok(perMinute < 600, `${perMinute} requests a minute`);
  assert.deepEqual(
    made.filter(({ verb, objectRef }) => objectRef?.namespace === tenant && !["get", "list", "watch"].includes(verb)),
    [],
    "nothing is written in the tenant's namespace",
  );
  await cluster.reconcile();
  await cluster.plane.rest.delete(`/apis/fluxcd.controlplane.io/v1/namespaces/${namespace}/fluxinstances/flux`);
  await cluster.gone(`FluxInstance/${namespace}/flux`);
  const { items } = await cluster.client.list(accountKind, { namespace: tenant, metadataOnly: true }, never);
  assert.equal(items.filter(({ metadata }) => metadata.deletionTimestamp === undefined).length, copies + 1);
});
