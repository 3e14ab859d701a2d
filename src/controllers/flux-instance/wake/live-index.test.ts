import assert from "node:assert/strict";
import { test } from "node:test";
import { labels } from "../../../api/names.ts";
import { Ledger } from "../../../apply/ledger.ts";
import { type GroupVersionKind, gvkOf } from "../../../kube/gvk.ts";
import type { JsonObject, KubeObject, ObjectKey } from "../../../kube/object.ts";
import type { Informer, ObjectChange } from "../../../runtime/informer.ts";
import { createLiveIndex, keysOfDrift } from "./live-index.ts";
import { deploymentKind } from "../../../kube/kinds.ts";

const owner: ObjectKey = { namespace: "flux-system", name: "flux" };
const owned = { [labels.ownerName]: owner.name, [labels.ownerNamespace]: owner.namespace };

function object(kind: string, name: string, metadata: JsonObject = {}, status: JsonObject = {}): KubeObject {
  const apiVersion = kind === "Deployment" ? "apps/v1" : "v1";
  const base = { name, namespace: "flux-system", uid: "1", resourceVersion: "1", generation: 1, labels: owned };
  return { apiVersion, kind, metadata: { ...base, ...metadata }, status };
}

/** An informer that has seen `objects`, and whatever else nobody asks of it here. */
function informerOf(gvk: GroupVersionKind, objects: readonly KubeObject[], more: Partial<Informer> = {}): Informer {
  return {
    gvk,
    isTrusted: true,
    trouble: undefined,
    answered: async () => undefined,
    list: () => objects,
    get: (key) =>
      objects.find(({ metadata: { name, namespace = "" } }) => name === key.name && namespace === key.namespace),
    hasSynced: true,
    synced: async () => undefined,
    silentMs: () => 0,
    run: async () => undefined,
    ...more,
  };
}

const deployment = object("Deployment", "source-controller");
const service = object("Service", "source-controller");
const account = object("ServiceAccount", "a");
const foreign = object("Service", "b", { labels: { ...owned, [labels.ownerNamespace]: "other" } });
const kustomization = { ...object("Kustomization", "a"), apiVersion: "kustomize.toolkit.fluxcd.io/v1" };
const conditions = [{ type: "Ready", status: "True" }];
const synced = { ...kustomization, status: { observedGeneration: 1, conditions } };
const failing = (message: string): KubeObject => ({
  ...kustomization,
  status: { observedGeneration: 1, conditions: [{ type: "Ready", status: "False", message }] },
});
const index = createLiveIndex(
  [
    informerOf(gvkOf(service), [service, foreign, object("Service", "c", { labels: {} })]),
    informerOf(deploymentKind, [deployment]),
  ],
  { informers: [informerOf(gvkOf(kustomization), [kustomization])] },
);

test("createLiveIndex() has the metadata of one instance's objects, of all kinds", () =>
  assert.deepEqual(
    index.metadata(owner),
    new Map([
      ["flux-system_source-controller__Service", service.metadata],
      ["flux-system_source-controller_apps_Deployment", deployment.metadata],
      ["flux-system_a_kustomize.toolkit.fluxcd.io_Kustomization", kustomization.metadata],
    ]),
  ));

test("createLiveIndex() finds Deployments", () =>
  assert.deepEqual(
    ["source-controller", "other"].map((name) => index.deployment({ namespace: "flux-system", name })),
    [deployment, undefined],
  ));

test("createLiveIndex() does not vouch for what a watch knew before it failed, and tells which kinds cannot be watched", () => {
  const trouble = { reason: "Forbidden", message: "Cannot watch Service: services is forbidden" };
  const failing = createLiveIndex(
    [
      informerOf(gvkOf(service), [service], { isTrusted: false, trouble }),
      informerOf(deploymentKind, [deployment], { isTrusted: false }),
    ],
    { informers: [informerOf(gvkOf(kustomization), [kustomization])] },
  );
  assert.deepEqual(
    [
      [...failing.metadata(owner).keys()],
      failing.deployment({ namespace: "flux-system", name: "source-controller" }),
      failing.troubles(),
    ],
    [
      ["flux-system_a_kustomize.toolkit.fluxcd.io_Kustomization"],
      undefined,
      [
        "Service is looked at only when the instance is reconciled, since it cannot be watched: " +
          "Cannot watch Service: services is forbidden; allow the operator to list and watch it",
      ],
    ],
  );
});

const ready = { observedGeneration: 1, replicas: 1, updatedReplicas: 1, availableReplicas: 1 };
const wellDeployment = object("Deployment", "source-controller", { resourceVersion: "2" }, ready);
const moreReady = object("Deployment", "source-controller", { resourceVersion: "3" }, { ...ready, readyReplicas: 1 });
const edited = object("Service", "source-controller", { resourceVersion: "2", generation: 2 });
const unknown = object("Service", "unknown", { generation: 5 });
const stranger = { ...owner, name: "another" };
const given = object("Service", "source-controller", {
  resourceVersion: "2",
  generation: 2,
  labels: { ...owned, [labels.ownerName]: stranger.name },
});
const copied = object("Deployment", "copied", { namespace: "tenant" });
const copiedReady = object("Deployment", "copied", { namespace: "tenant", resourceVersion: "2" }, ready);
const unlabelled = object("Service", "source-controller", { resourceVersion: "2", generation: 2, labels: {} });

for (const { name, change, want } of [
  { name: "concerns nobody when it is what we wrote", change: { kind: "added", object: service }, want: [] },
  {
    name: "concerns the instance when somebody else wrote",
    change: { kind: "updated", object: edited, previous: service },
    want: [owner],
  },
  { name: "concerns the instance when an object is gone", change: { kind: "deleted", object: service }, want: [owner] },
  {
    name: "concerns nobody when the object is not in the ledger",
    change: { kind: "added", object: unknown },
    want: [],
  },
  {
    name: "concerns nobody when a deleted object is not in the ledger",
    change: { kind: "deleted", object: unknown },
    want: [],
  },
  {
    name: "concerns the instance whose labels were taken off",
    change: { kind: "updated", object: unlabelled, previous: service },
    want: [owner],
  },
  {
    name: "concerns both the instance that had the object and the one that it was given to",
    change: { kind: "updated", object: given, previous: service },
    want: [owner, stranger],
  },
  {
    name: "concerns the instance that had the object when it gets it back",
    change: { kind: "updated", object: edited, previous: given },
    want: [stranger, owner],
  },
  {
    name: "concerns nobody when an object that nobody has applied carries the labels, and gets well",
    change: { kind: "updated", object: copiedReady, previous: copied },
    want: [],
  },
  { name: "concerns nobody without owner labels", change: { kind: "added", object: unlabelled }, want: [] },
  {
    name: "concerns the instance when a Deployment gets well",
    change: { kind: "updated", object: wellDeployment, previous: deployment },
    want: [owner],
  },
  {
    name: "concerns the instance when a Deployment falls ill",
    change: { kind: "updated", object: deployment, previous: wellDeployment },
    want: [owner],
  },
  {
    name: "concerns the instance when a sync object becomes ready",
    change: { kind: "updated", object: synced, previous: { ...kustomization, status: { observedGeneration: -1 } } },
    want: [owner],
  },
  {
    name: "concerns the instance when a sync object fails for another reason",
    change: { kind: "updated", object: failing("cannot clone"), previous: failing("timeout") },
    want: [owner],
  },
  {
    name: "concerns nobody when a sync object fails as before",
    change: { kind: "updated", object: failing("timeout"), previous: failing("timeout") },
    want: [],
  },
  {
    name: "concerns nobody when a Deployment stays well",
    change: { kind: "updated", object: moreReady, previous: wellDeployment },
    want: [],
  },
  {
    name: "concerns nobody when the status of another kind changes",
    change: {
      kind: "updated",
      object: object("ServiceAccount", "a", {}, { conditions: [{ type: "Ready", status: "False" }] }),
      previous: account,
    },
    want: [],
  },
] satisfies readonly { name: string; change: ObjectChange; want: readonly ObjectKey[] }[]) {
  test(`keysOfDrift() ${name}`, () => {
    const ledger = new Ledger();
    for (const desired of [service, account, deployment, kustomization]) ledger.record(desired, desired);
    assert.deepEqual(keysOfDrift(change, ledger), want);
  });
}
