import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import type { AuditEvent } from "../../scripts/control-plane/audit.ts";
import { ownerLabels } from "../../src/api/names.ts";
import { ApiError, ConnectionError } from "../../src/client/api-error.ts";
import { inventoryOf } from "../../src/apply/inventory.ts";
import { configMapKind, serviceKind } from "../../src/kube/kinds.ts";
import type { JsonObject, KubeObject } from "../../src/kube/object.ts";
import { systemClock } from "../../src/std/clock.ts";
import { mapConcurrent } from "../../src/std/concurrent.ts";
import { plotSvg, type Panel } from "../bench/plot.ts";
import { procAbsent } from "../bench/process.ts";
import { median } from "../bench/row.ts";
import { condition, isReady, namespace, startFluxCluster, type FluxCluster } from "../support/flux-cluster.ts";
import { connectAsOperator, grantRights } from "../support/installation.ts";
import { changesOf } from "../support/record-objects.ts";
import { growthOf, recordVitals, type Bound, type Vitals } from "../support/vitals.ts";
import { startWireProxy, type Fault, type WireProxy } from "../support/wire-proxy.ts";

/** How long the neighbours are hostile and the wire is bad. `npm run soak` gives them half an hour. */
const minutes = Number(process.env["SOAK_MINUTES"] ?? "2");
/** Where the course of what the operator holds is drawn, if anywhere. */
const plotPath = process.env["SOAK_PLOT"];
const copies = 2_000;
const tenant = "team-b";
const labels = ownerLabels({ namespace, name: "flux" });
const accountKind = { group: "", version: "v1", kind: "ServiceAccount" };
const instanceKind = { group: "fluxcd.controlplane.io", version: "v1", kind: "FluxInstance" };
const key = { namespace, name: "flux" };
const never = new AbortController().signal;

let cluster: FluxCluster;
let wire: WireProxy;
let folder: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "flux-operator-soak-"));
  cluster = await startFluxCluster({
    main: resolve(import.meta.dirname, "../support/vitals-main.ts"),
    env: { VITALS_FILE: join(folder, "vitals.json") },
    kubeconfig: async (plane) => {
      wire = await startWireProxy(plane);
      await grantRights(plane);
      return await connectAsOperator(plane, wire.server);
    },
  });
  await cluster.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: tenant } });
});
after(async () => {
  await cluster[Symbol.asyncDispose]();
  await wire.stop();
  await rm(folder, { recursive: true, force: true });
});

function account(index: number): KubeObject {
  return { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: `copy-${index}`, namespace: tenant, labels } };
}

/** Runs `act` until the signal is aborted. What the API server refuses in passing, or is too busy to answer, is tried again. */
async function persist(act: () => Promise<unknown>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await act().catch((error: unknown) => {
      if (!signal.aborted && !(error instanceof ApiError || error instanceof ConnectionError)) throw error;
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

/** Without this the failures on a bad wire would be retried ever more seldom, and the operator would rest. */
async function asksAgainAndAgain(signal: AbortSignal): Promise<void> {
  for (let round = 0; !signal.aborted; round += 1) {
    await cluster.patchInstance({ metadata: { annotations: { "reconcile.fluxcd.io/requestedAt": `again-${round}` } } });
    await systemClock.sleep(10_000, signal);
  }
}

const faults: readonly Fault[] = [
  { kind: "answer", status: 500 },
  { kind: "answer", status: 429, headers: { "retry-after": "1" } },
  { kind: "answer", status: 503, headers: { "retry-after": "1" } },
  { kind: "reset" },
  { kind: "answer", status: 504 },
  { kind: "cut", afterBytes: 200 },
  { kind: "answer", status: 410 },
  { kind: "stall", afterBytes: 200 },
  { kind: "answer", status: 200, body: "<html>" },
  { kind: "blackhole" },
];
const faultEveryMs = 3_000;
/** A process that loses its lease ends, and what it held with it; test/integration has that. */
const allButLeases = /^(?!.*\/leases)/;

/** One fault after the other on the wire, a few times each, and after each round of them all connections are cut, those of the watches too. */
async function breaksTheWire(signal: AbortSignal): Promise<void> {
  for (let round = 0; !signal.aborted; round += 1) {
    const fault = faults[round % faults.length];
    if (fault !== undefined) wire.inject({ path: allButLeases, fault, times: 2 });
    await systemClock.sleep(faultEveryMs, signal);
    wire.heal();
    if (round % faults.length === 0) wire.cutAll();
  }
}

function isOurs({ userAgent }: AuditEvent): boolean {
  return (userAgent ?? "").startsWith("flux-operator/");
}

async function requests(): Promise<readonly AuditEvent[]> {
  return (await cluster.plane.auditEvents()).filter(isOurs);
}

type Measure = {
  readonly title: string;
  readonly of: (vitals: Vitals) => number;
  readonly bound: Bound;
};

/** Memory in MB. A pool of sockets breathes with the faults; one leak at each round of them is 30 in the last third of half an hour. */
const measures: readonly Measure[] = [
  { title: "resident memory, MB", of: ({ residentBytes }) => residentBytes / 1e6, bound: { share: 0.1, plus: 0 } },
  { title: "anonymous memory, MB", of: ({ anonymousBytes }) => anonymousBytes / 1e6, bound: { share: 0.1, plus: 0 } },
  { title: "file descriptors", of: ({ descriptors }) => descriptors, bound: { share: 0, plus: 4 } },
  { title: "sockets", of: ({ sockets }) => sockets, bound: { share: 0, plus: 4 } },
  { title: "timers", of: ({ timers }) => timers, bound: { share: 0, plus: 4 } },
  { title: "listeners of one signal", of: ({ listeners }) => listeners, bound: { share: 0, plus: 4 } },
];

function panelsOf(seen: readonly Vitals[]): readonly Panel[] {
  return measures.map(({ title, of }) => ({
    title,
    x: "minutes",
    points: seen.map((vitals) => ({ x: vitals.atMs / 60_000, y: of(vitals) })),
  }));
}

/** "sockets: 15.0, 15.0, 14.0 in thirds of the time, at most 22.0" */
function summaryOf(seen: readonly Vitals[]): readonly string[] {
  return measures.map(({ title, of }) => {
    const values = seen.map(of);
    const third = Math.floor(values.length / 3);
    const [first, middle, last] = [0, 1, 2].map((at) => median(values.slice(at * third, (at + 1) * third)).toFixed(1));
    return `${title}: ${first}, ${middle}, ${last} in thirds of the time, at most ${Math.max(...values).toFixed(1)}`;
  });
}

test(`${minutes} min of hostile neighbours and a bad wire cost a bounded number of requests, nothing of theirs is touched, and the operator holds no more than before`, async (context) => {
  await cluster.apply({
    apiVersion: "fluxcd.controlplane.io/v1",
    kind: "FluxInstance",
    metadata: { ...key, annotations: { "fluxcd.controlplane.io/reconcileEvery": "10s" } },
    spec: { distribution: { version: "2.9.4", registry: "ghcr.io/fluxcd" } },
  });
  await cluster.instanceWhen("ready", isReady);
  const before = await requests();
  const { pid } = cluster.operator.process;
  const vitals =
    procAbsent === undefined && pid !== undefined
      ? recordVitals({ pid, file: join(folder, "vitals.json"), everyMs: Math.max(1_000, minutes * 200) })
      : undefined;
  const [stop, stopAsking] = [new AbortController(), new AbortController()];
  const run = async (neighbour: (signal: AbortSignal) => Promise<void>, { signal } = stop): Promise<void> => {
    try {
      await neighbour(signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  };
  const neighbours = [undoesRepairs, copiesLabels, forgesState].map((neighbour) => run(neighbour));
  const contested = cluster.instanceWhen("contested", (object) =>
    /Contested: .*webhook-receiver: argocd-controller changes /.test(condition(object, "Warning") ?? ""),
  );
  const told = await Promise.race([contested, Promise.all(neighbours).then(() => contested)]);
  neighbours.push(run(breaksTheWire));
  const asking = run(asksAgainAndAgain, stopAsking);
  await Promise.race([systemClock.sleep(minutes * 60_000, never), Promise.all([...neighbours, asking])]);
  const seen = (await vitals?.stop()) ?? [];
  stop.abort();
  await Promise.all(neighbours);
  wire.heal();
  if (plotPath !== undefined)
    await writeFile(plotPath, plotSvg(`What the operator holds in ${minutes} minutes`, panelsOf(seen)));
  const made = (await requests()).slice(before.length);
  const perMinute = Math.round(made.length / minutes);
  context.diagnostic(`${perMinute} requests a minute, ${seen.length} looks`);
  for (const line of summaryOf(seen)) context.diagnostic(line);
  context.diagnostic(`Warning: ${condition(told, "Warning")}`);
  await cluster.instanceWhen("ready again", isReady);
  stopAsking.abort();
  await asking;
  assert.equal(cluster.operator.process.exitCode, null, "it is the process that began");
  const grown = measures.flatMap(({ title, of, bound }) => {
    const growth = vitals === undefined ? undefined : growthOf(seen.map(of), bound);
    return growth === undefined ? [] : [`${title}: ${growth}`];
  });
  assert.deepEqual(grown, []);
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
