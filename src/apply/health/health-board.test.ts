import assert from "node:assert/strict";
import { test } from "node:test";
import { installer } from "../../../test/support/installer.ts";
import type { GroupVersionKind } from "../../kube/gvk.ts";
import { replicaSetKind } from "../../kube/kinds.ts";
import type { JsonObject, KubeObject } from "../../kube/object.ts";
import { Ledger } from "../ledger.ts";
import { formatUnready, HealthBoard, type Unready, type Verdict } from "./health-board.ts";

const deployments: GroupVersionKind = { group: "apps", version: "v1", kind: "Deployment" };
const definitions: GroupVersionKind = {
  group: "apiextensions.k8s.io",
  version: "v1",
  kind: "CustomResourceDefinition",
};
const pods: GroupVersionKind = { group: "", version: "v1", kind: "Pod" };
const spec = {
  selector: { matchLabels: { app: "a" } },
  template: { spec: { containers: [{ name: "manager", image: "a:v1" }] } },
};

function deployment(name: string, status: JsonObject): KubeObject {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace: "flux-system", generation: 1, uid: `uid-${name}` },
    spec,
    status: { observedGeneration: 1, ...status },
  };
}

const ready = { replicas: 1, updatedReplicas: 1, availableReplicas: 1 };
const rolling = { replicas: 1, updatedReplicas: 1 };
const late = { conditions: [{ type: "Progressing", status: "False", reason: "ProgressDeadlineExceeded" }] };
const crd: KubeObject = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "a.example.com" },
};
const replicaSets = replicaSetKind;
const newest: KubeObject = {
  apiVersion: "apps/v1",
  kind: "ReplicaSet",
  metadata: {
    name: "a-1",
    namespace: "flux-system",
    uid: "rs",
    ownerReferences: [{ kind: "Deployment", name: "a", uid: "uid-a" }],
  },
};
const stuckPod: KubeObject = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: {
    name: "a-1-x",
    namespace: "flux-system",
    ownerReferences: [{ kind: "ReplicaSet", name: "a-1", uid: "rs" }],
  },
  status: { containerStatuses: [{ name: "manager", state: { waiting: { reason: "InvalidImageName" } } }] },
};
const hopefulPod: KubeObject = {
  ...stuckPod,
  status: { containerStatuses: [{ name: "manager", image: "a:v1", state: { waiting: { reason: "ErrImagePull" } } }] },
};
const timeoutMs = 300_000;

const name = "Deployment/flux-system/a";
const [a, b] = [deployment("a", {}), deployment("b", {})];
const ledger = new Ledger();
for (const object of [a, b]) ledger.record(object, object);

/** As another client leaves an object that it has changed. */
function edited(object: KubeObject): KubeObject {
  return { ...object, metadata: { ...object.metadata, generation: 2, resourceVersion: "2" } };
}

for (const { title, wanted, feed, verdict, unready } of [
  {
    title: "is open before anything was listed",
    wanted: [a],
    feed: () => undefined,
    verdict: "open",
    unready: [{ object: name, message: "is missing" }],
  },
  {
    title: "is ready when all are",
    wanted: [a, b],
    feed: (board) => board.replace(deployments, [deployment("a", ready), deployment("b", ready)]),
    verdict: "ready",
    unready: [],
  },
  {
    title: "does not look at what nobody waits for",
    wanted: [a],
    feed: (board) => board.replace(deployments, [deployment("a", ready), deployment("z", late)]),
    verdict: "ready",
    unready: [],
  },
  {
    title: "is over when another client has changed one that is not ready",
    wanted: [a],
    feed: (board) => board.replace(deployments, [edited(deployment("a", rolling))]),
    verdict: "drifted",
    unready: [{ object: name, message: "was changed by another client" }],
  },
  {
    title: "leaves a change of one that is ready to the next reconcile",
    wanted: [a],
    feed: (board) => board.replace(deployments, [edited(deployment("a", { ...ready, observedGeneration: 2 }))]),
    verdict: "ready",
    unready: [],
  },
  {
    title: "is over when one is missing, sorted by name",
    wanted: [b, a],
    feed: (board) => board.replace(deployments, [deployment("b", rolling)]),
    verdict: "drifted",
    unready: [
      { object: name, message: "is missing" },
      { object: "Deployment/flux-system/b", message: "0 of 1 replicas available" },
    ],
  },
  {
    title: "waits for the list of every kind",
    wanted: [a, crd],
    feed: (board) => board.replace(deployments, [deployment("a", late)]),
    verdict: "open",
    unready: [
      { object: "CustomResourceDefinition/a.example.com", message: "is missing" },
      { object: name, message: "progress deadline exceeded" },
    ],
  },
  {
    title: "has failed as soon as one cannot become ready",
    wanted: [a, b],
    feed: (board) => board.replace(deployments, [deployment("a", late), deployment("b", rolling)]),
    verdict: "failed",
    unready: [
      { object: name, message: "progress deadline exceeded" },
      { object: "Deployment/flux-system/b", message: "0 of 1 replicas available" },
    ],
  },
  {
    title: "becomes ready by an event",
    wanted: [a],
    feed: (board) => {
      board.replace(deployments, [deployment("a", rolling)]);
      board.see({ kind: "modified", object: deployment("a", ready) });
    },
    verdict: "ready",
    unready: [],
  },
  {
    title: "sees a deletion",
    wanted: [a, b],
    feed: (board) => {
      board.replace(deployments, [deployment("a", ready), deployment("b", rolling)]);
      board.see({ kind: "deleted", object: deployment("a", ready) });
    },
    verdict: "drifted",
    unready: [
      { object: name, message: "is missing" },
      { object: "Deployment/flux-system/b", message: "0 of 1 replicas available" },
    ],
  },
  {
    title: "forgets with a new list what is not in it",
    wanted: [a, b],
    feed: (board) => {
      board.replace(deployments, [deployment("a", ready), deployment("b", rolling)]);
      board.replace(deployments, [deployment("b", ready)]);
    },
    verdict: "drifted",
    unready: [{ object: name, message: "is missing" }],
  },
  {
    title: "keeps other kinds when one is listed anew",
    wanted: [a, crd],
    feed: (board) => {
      board.replace(deployments, [deployment("a", ready)]);
      board.replace(definitions, []);
    },
    verdict: "drifted",
    unready: [{ object: "CustomResourceDefinition/a.example.com", message: "is missing" }],
  },
  {
    title: "learns from a pod that a Deployment is stuck for good",
    wanted: [a],
    feed: (board) => {
      board.replace(deployments, [deployment("a", rolling)]);
      board.replace(replicaSets, [newest]);
      board.replace(pods, [stuckPod]);
    },
    verdict: "failed",
    unready: [{ object: name, message: "container manager has an image name that is not valid" }],
  },
  {
    title: "tells a pod's trouble that may pass",
    wanted: [a],
    feed: (board) => {
      board.replace(pods, []);
      board.replace(replicaSets, [newest]);
      board.replace(deployments, [deployment("a", rolling)]);
      board.see({ kind: "added", object: hopefulPod });
    },
    verdict: "open",
    unready: [{ object: name, message: "container manager cannot pull its image a:v1" }],
  },
  {
    title: "forgets the trouble of a pod that is gone",
    wanted: [a],
    feed: (board) => {
      board.replace(deployments, [deployment("a", rolling)]);
      board.see({ kind: "added", object: hopefulPod });
      board.see({ kind: "deleted", object: hopefulPod });
    },
    verdict: "open",
    unready: [{ object: name, message: "0 of 1 replicas available" }],
  },
  {
    title: "does not fail for a Deployment that is being deleted",
    wanted: [a],
    feed: (board) => {
      const going = deployment("a", late);
      board.replace(deployments, [{ ...going, metadata: { ...going.metadata, deletionTimestamp: "t" } }]);
      board.replace(replicaSets, [newest]);
      board.replace(pods, [stuckPod]);
    },
    verdict: "open",
    unready: [{ object: name, message: "container manager has an image name that is not valid" }],
  },
] satisfies readonly {
  title: string;
  wanted: readonly KubeObject[];
  feed: (board: HealthBoard) => void;
  verdict: Verdict;
  unready: readonly Unready[];
}[]) {
  test(`HealthBoard ${title}`, () => {
    const board = new HealthBoard(wanted, { installer, ledger }, timeoutMs);
    feed(board);
    assert.deepEqual({ verdict: board.verdict(0), unready: board.unready() }, { verdict, unready });
  });
}

for (const { title, timeoutMs: limit, waits } of [
  { title: "for as long as it may stand", timeoutMs: 600_000, waits: 180_000 },
  { title: "for half of the timeout at most", timeoutMs: 60_000, waits: 30_000 },
]) {
  test(`HealthBoard has patience with a trouble ${title}`, () => {
    const board = new HealthBoard([a], { installer, ledger }, limit);
    board.replace(deployments, [deployment("a", rolling)]);
    board.replace(replicaSets, [newest]);
    board.replace(pods, [hopefulPod]);
    assert.deepEqual(
      [0, waits - 1, waits].map((nowMs) => board.verdict(nowMs)),
      ["open", "open", "failed"],
    );
  });
}

test("HealthBoard begins to count anew when a trouble was over meanwhile", () => {
  const board = new HealthBoard([a], { installer, ledger }, timeoutMs);
  board.replace(deployments, [deployment("a", rolling)]);
  board.replace(replicaSets, [newest]);
  const verdicts = [hopefulPod, { ...hopefulPod, status: {} }, hopefulPod].map((pod, index) => {
    board.replace(pods, [pod]);
    return board.verdict(index * 149_000);
  });
  assert.deepEqual(verdicts, ["open", "open", "open"]);
});

const elsewhere = deployment("c", {});
for (const { title, wanted, gvk, want } of [
  {
    title: "the one namespace of what is waited for",
    wanted: [a, crd],
    gvk: deployments,
    want: { namespace: "flux-system", labelSelector: "own=1" },
  },
  {
    title: "no namespace for a cluster-scoped kind",
    wanted: [a, crd],
    gvk: definitions,
    want: { labelSelector: "own=1" },
  },
  {
    title: "all namespaces where there are several",
    wanted: [a, { ...elsewhere, metadata: { ...elsewhere.metadata, namespace: "other" } }],
    gvk: deployments,
    want: { labelSelector: "own=1" },
  },
  {
    title: "ReplicaSets as pods",
    wanted: [a],
    gvk: replicaSets,
    want: { namespace: "flux-system", labelSelector: "app.kubernetes.io/part-of=flux" },
  },
  {
    title: "pods by what all of Flux's carry",
    wanted: [a],
    gvk: pods,
    want: { namespace: "flux-system", labelSelector: "app.kubernetes.io/part-of=flux" },
  },
]) {
  test(`HealthBoard.selectionOf() selects ${title}`, () =>
    assert.deepEqual(new HealthBoard(wanted, { installer, ledger }, timeoutMs).selectionOf(gvk, "own=1"), want));
}

for (const { title, count, want } of [
  { title: "nothing", count: 0, want: "" },
  { title: "one after another", count: 2, want: "a0: is missing; a1: is missing" },
  {
    title: "as many as can be read, and how many more there are",
    count: 40,
    want: `${Array.from({ length: 18 }, (_, index) => `a${index}: is missing`).join("; ")}; and 22 more`,
  },
]) {
  test(`formatUnready() writes ${title}`, () => {
    const unready = Array.from({ length: count }, (_, index) => ({ object: `a${index}`, message: "is missing" }));
    assert.equal(formatUnready(unready), want);
  });
}
