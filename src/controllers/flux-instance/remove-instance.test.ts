import assert from "node:assert/strict";
import { test } from "node:test";
import { apiError, tableClient, type TableClient } from "../../../test/support/table-client.ts";
import { TestClock } from "../../../test/support/test-clock.ts";
import { createTestLog } from "../../../test/support/test-log.ts";
import { finalizer, fluxInstance, ownerLabels } from "../../api/names.ts";
import type { DeletionPolicy } from "../../api/spec.ts";
import { inventoryOf } from "../../apply/inventory.ts";
import { Ledger } from "../../apply/ledger.ts";
import { findCondition } from "../../kube/conditions.ts";
import type { JsonObject, KubeObject } from "../../kube/object.ts";
import type { Outcome } from "../../runtime/controller.ts";
import { Conclusion } from "./conclude/conclude.ts";
import { StatusWriter } from "./conclude/status-writer.ts";
import { removeInstance } from "./remove-instance.ts";
import { worldOf } from "./world.ts";

const signal = new AbortController().signal;
const key = { namespace: "flux-system", name: "flux" };

function owned(kind: string, name: string, metadata: JsonObject = {}): KubeObject {
  const group = kind === "Deployment" ? "apps/v1" : "v1";
  return { apiVersion: group, kind, metadata: { ...key, labels: ownerLabels(key), ...metadata, name } };
}

const service = owned("Service", "source-controller");
const deployment = owned("Deployment", "source-controller");
const held = owned("Service", "source-controller", { finalizers: ["example.com/x"] });

function instanceOf(objects: readonly KubeObject[]): KubeObject {
  return {
    apiVersion: fluxInstance.storageApiVersion,
    kind: fluxInstance.kind,
    metadata: { ...key, uid: "u", generation: 2, deletionTimestamp: "2026-01-01T00:00:00Z", finalizers: [finalizer] },
    status: {
      lastAppliedVersion: "2.9.4",
      inventory: { entries: inventoryOf(objects).map(({ id, v }) => ({ id, v })) },
    },
  };
}

type Try = {
  readonly outcome: Outcome;
  readonly ready: string;
  readonly events: readonly string[];
  /** Of the log, debug aside. */
  readonly logged: readonly string[];
  readonly told: number;
};

/** One try of a process that knows only what is in the cluster. */
async function tryOnce(client: TableClient, policy: DeletionPolicy = "Uninstall"): Promise<Try> {
  const instance = client.objects().find(({ kind }) => kind === fluxInstance.kind);
  assert.ok(instance !== undefined);
  const clock = new TestClock();
  const { log, lines } = createTestLog();
  const world = worldOf(instance, new Map(), key.namespace);
  const notes: string[] = [];
  const events = {
    record: (_: unknown, { type, reason, message }: { type: string; reason: string; message: string }) =>
      void notes.push(`${type}/${reason}: ${message}`),
    run: async () => undefined,
  };
  const conclusion = new Conclusion(world, new StatusWriter(instance, client), { events, clock, log });
  const lastGood = { remove: async () => undefined };
  const before = client.writes.length;
  const removal = removeInstance(
    { world, conclusion, policy },
    { client, clock, ledger: new Ledger(), lastGood },
    signal,
  );
  await clock.advance(11_000);
  const outcome = await removal;
  const left = client.objects().find(({ kind }) => kind === fluxInstance.kind);
  const status = left === undefined ? undefined : worldOf(left, new Map(), key.namespace).recorded;
  const ready = findCondition(status?.conditions ?? [], "Ready");
  const told = client.writes.slice(before).filter((write) => write.includes("/status ")).length;
  const logged = lines
    .filter(({ level }) => level !== "debug")
    .map(({ level, message, object, error, for: what }) => [level, message, object ?? error ?? what].join(" ").trim());
  return { outcome, ready: `${ready?.status}/${ready?.reason}: ${ready?.message}`, events: notes, logged, told };
}

test("removeInstance() tells the start, each phase and the end, and lets the instance go", async () => {
  const client = tableClient([deployment, service, instanceOf([deployment, service])]);
  const { outcome, events, logged, told } = await tryOnce(client);
  assert.deepEqual(
    { outcome, events, logged, told, finalizers: client.objects().map(({ metadata }) => metadata.finalizers) },
    {
      outcome: { kind: "settled" },
      events: [
        "Normal/Uninstalling: Removing Flux 2.9.4; workloads stay",
        "Normal/Uninstalled: Flux 2.9.4 is removed; workloads stay",
      ],
      logged: [
        "info Removing Flux 2.9.4; workloads stay",
        "info Stopping Flux's controllers",
        "info Object deleted Deployment/flux-system/source-controller",
        "info Deleting the rest of Flux",
        "info Object deleted Service/flux-system/source-controller",
        "info Waiting until all of Flux is deleted",
        "info Flux 2.9.4 is removed; workloads stay",
        "info Reconciled",
      ],
      told: 3,
      finalizers: [[]],
    },
  );
});

test("removeInstance() names what stayed", async () => {
  const namespace = owned("Namespace", "flux-system", {
    namespace: "",
    annotations: { "fluxcd.controlplane.io/prune": "disabled" },
  });
  const { events } = await tryOnce(tableClient([namespace, instanceOf([namespace])]));
  assert.equal(
    events.at(-1),
    "Normal/Uninstalled: Flux 2.9.4 is removed; workloads stay. Left in the cluster: Namespace/flux-system",
  );
});

test("removeInstance() deletes nothing when Flux is orphaned", async () => {
  const client = tableClient([service, instanceOf([service])]);
  const { outcome, events } = await tryOnce(client, "Orphan");
  assert.deepEqual(outcome, { kind: "settled" });
  assert.deepEqual(client.objects()[0], service);
  assert.deepEqual(events, [
    "Normal/Uninstalling: Letting go of Flux; it keeps running, and nothing is deleted",
    "Normal/Uninstalled: Flux is no longer managed; it keeps running, and nothing is deleted",
  ]);
});

test("removeInstance() says once what it waits for, and goes on when that is gone", async () => {
  const client = tableClient([held, deployment, instanceOf([deployment, service])]);
  const message =
    "Waiting until all of Flux is deleted: Waiting for these objects to be deleted: Service/flux-system/source-controller (held by finalizer example.com/x)";
  const first = await tryOnce(client);
  const again = { outcome: { kind: "waiting", retryMs: 5_000 }, ready: `Unknown/Uninstalling: ${message}` };
  assert.deepEqual(first, {
    ...again,
    events: ["Normal/Uninstalling: Removing Flux 2.9.4; workloads stay", `Warning/Uninstalling: ${message}`],
    logged: [
      "info Removing Flux 2.9.4; workloads stay",
      "info Stopping Flux's controllers",
      "info Object deleted Deployment/flux-system/source-controller",
      "info Deleting the rest of Flux",
      "info Object deleted Service/flux-system/source-controller",
      "info Waiting until all of Flux is deleted",
      "info Waiting Waiting for these objects to be deleted: Service/flux-system/source-controller (held by finalizer example.com/x)",
    ],
    told: 4,
  });
  assert.deepEqual(await tryOnce(client), { ...again, events: [], logged: [], told: 0 });
  await client.patch(
    { gvk: { group: "", version: "v1", kind: "Service" }, key: { ...key, name: "source-controller" } },
    { kind: "merge", value: { metadata: { finalizers: [], labels: null } } },
    { fieldManager: "test" },
    signal,
  );
  assert.deepEqual((await tryOnce(client)).outcome, { kind: "settled" });
});

test("removeInstance() says what it was refused, and comes back soon however often", async () => {
  const client = tableClient([service, instanceOf([service])], {
    refuse: (verb, what) => (verb === "delete" ? apiError(403, "Forbidden", `no ${what}`) : undefined),
  });
  const message = "Deleting the rest of Flux: Cannot ask: no Service/flux-system/source-controller";
  const again = {
    outcome: { kind: "failed", retry: { kind: "after", ms: 5_000 } },
    ready: `False/UninstallFailed: ${message}`,
  };
  const first = await tryOnce(client);
  assert.deepEqual(first, {
    ...again,
    events: ["Normal/Uninstalling: Removing Flux 2.9.4; workloads stay", `Warning/UninstallFailed: ${message}`],
    logged: [
      "info Removing Flux 2.9.4; workloads stay",
      "info Deleting the rest of Flux",
      `error Reconcile failed ${message}`,
    ],
    told: 2,
  });
  assert.deepEqual(await tryOnce(client), { ...again, events: [], logged: [], told: 0 });
});

test("removeInstance() tells by an event what the status refuses to take", async () => {
  const client = tableClient([service, instanceOf([service])], {
    refuse: (verb) => (verb === "patch" ? apiError(403, "Forbidden", "no") : undefined),
  });
  const { outcome, events } = await tryOnce(client);
  assert.deepEqual(outcome, { kind: "failed", retry: { kind: "after", ms: 5_000 } });
  assert.match(events.at(-1) ?? "", /^Warning\/UninstallFailed: Deleting the rest of Flux: Cannot ask: no; /);
});
