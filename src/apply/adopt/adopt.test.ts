import assert from "node:assert/strict";
import { test } from "node:test";
import { installer } from "../../../test/support/installer.ts";
import type { KubeObject, ManagedFieldsEntry, ObjectMeta } from "../../kube/object.ts";
import { adopt, isApplied, type AdoptOptions } from "./adopt.ts";

const options: AdoptOptions = { installer, overrideManagers: ["ansible"], keepOthers: false };

function entry(manager: string, operation: string, fieldsV1: ManagedFieldsEntry["fieldsV1"] = {}): ManagedFieldsEntry {
  return { manager, operation, apiVersion: "v1", time: "2026-01-01T00:00:00Z", fieldsType: "FieldsV1", fieldsV1 };
}

function account(metadata: Omit<ObjectMeta, "name">, more: { readonly [field: string]: unknown } = {}): KubeObject {
  const base: KubeObject = {
    apiVersion: "v1",
    kind: "ServiceAccount",
    metadata: { name: "a", namespace: "b", ...metadata },
  };
  return { ...base, ...more } as KubeObject;
}

const ours = { "f:metadata": { "f:labels": { "f:ours": {} } } };
const theirs = { "f:metadata": { "f:labels": { "f:ours": {}, "f:theirs": {} } } };
const labels = { ours: "1", theirs: "1" };

/** The API server's answer to our apply of the one label "ours", beside `entries` of others. */
function answer(live: KubeObject): KubeObject {
  const others = (live.metadata.managedFields ?? []).filter(({ manager }) => manager !== "flux-operator");
  const managedFields = [entry("flux-operator", "Apply", ours), ...others];
  return { ...live, metadata: { ...live.metadata, managedFields } };
}

type Folding = {
  readonly name: string;
  readonly from: ManagedFieldsEntry;
  readonly managers?: readonly string[];
  /** What is left in managedFields beside ours; undefined when the object is not touched. */
  readonly left?: readonly ManagedFieldsEntry[];
};
const foldings: readonly Folding[] = [
  { name: "client-side kubectl apply", from: entry("kubectl-client-side-apply", "Update", theirs) },
  { name: "kubectl create", from: entry("kubectl-create", "Update", theirs) },
  { name: "kubectl edit", from: entry("kubectl-edit", "Update", theirs) },
  { name: "server-side kubectl apply", from: entry("kubectl", "Apply", theirs) },
  { name: "whoever wrote before managedFields were kept", from: entry("before-first-apply", "Update", theirs) },
  { name: "Helm 3", from: entry("helm", "Update", theirs) },
  { name: "Helm 4", from: entry("helm", "Apply", theirs) },
  { name: "kustomize-controller", from: entry("kustomize-controller", "Apply", theirs) },
  { name: "flux install", from: entry("flux", "Apply", theirs) },
  { name: "a manager that the operator was told of", from: entry("ansible", "Update", theirs) },
  { name: "our own patches", from: entry("flux-operator", "Update", theirs), managers: [] },
  {
    name: "an API version that is no more",
    from: { ...entry("kubectl-create", "Update", theirs), apiVersion: "v1beta1" },
  },
];
for (const { name, from, managers = [from.manager ?? ""] } of foldings) {
  test(`adopt() takes what is left by ${name}`, () => {
    const other = entry("kube-controller-manager", "Update", { "f:secrets": {} });
    const live = account({ labels, managedFields: [other, from] });
    const adoption = adopt(live, answer(live), options);
    assert.deepEqual(
      { managers: adoption?.managers, removed: adoption?.removed, operations: adoption?.operations },
      {
        managers,
        removed: ["metadata.labels.theirs"],
        operations: [
          {
            op: "add",
            path: "/metadata/managedFields",
            value: [entry("flux-operator", "Apply", theirs), other],
          },
        ],
      },
    );
    assert.deepEqual(adoption?.after.metadata.labels, { ours: "1" });
  });
}

for (const { name, from } of [
  { name: "a controller's update", from: entry("kube-controller-manager", "Update", theirs) },
  {
    name: "kustomize-controller's update of an object that it reconciles",
    from: entry("kustomize-controller", "Update", theirs),
  },
  { name: "flux suspend and flux reconcile", from: entry("flux", "Update", theirs) },
  { name: "kubectl rollout restart", from: entry("kubectl-rollout", "Update", theirs) },
  { name: "kubectl scale", from: { ...entry("kubectl", "Update", theirs), subresource: "scale" } },
  { name: "our own apply", from: entry("flux-operator", "Apply", theirs) },
]) {
  test(`adopt() leaves ${name} alone`, () => {
    const live = account({ labels, managedFields: [from] });
    assert.equal(adopt(live, answer(live), options), undefined);
  });
}

test("adopt() adds to what is ours already, and makes one entry of several", () => {
  const live = account({
    labels,
    managedFields: [
      entry("flux-operator", "Apply", { "f:metadata": { "f:annotations": { "f:old": {} } } }),
      entry("kubectl-edit", "Update", { "f:metadata": { "f:labels": { "f:theirs": {} } } }),
      entry("helm", "Apply", ours),
    ],
  });
  const adoption = adopt(live, answer(live), options);
  assert.deepEqual(adoption?.operations[0]?.["value"], [
    entry("flux-operator", "Apply", {
      "f:metadata": { "f:annotations": { "f:old": {} }, "f:labels": { "f:theirs": {}, "f:ours": {} } },
    }),
  ]);
  assert.deepEqual(adoption?.managers, ["helm", "kubectl-edit"]);
});

test("adopt() removes nothing that somebody else owns, too", () => {
  const live = account({
    labels,
    managedFields: [entry("helm", "Update", theirs), entry("webhook", "Update", theirs)],
  });
  assert.deepEqual(adopt(live, answer(live), options)?.removed, []);
});

const held = {
  "f:metadata": { "f:finalizers": { ".": {}, 'v:"x"': {} } },
  "f:spec": { "f:suspend": {} },
  "f:status": { "f:ready": {} },
};
test("adopt() leaves finalizers, suspension and status with whoever wrote them", () => {
  const from = entry("kubectl-edit", "Update", {
    ...held,
    "f:metadata": { ...held["f:metadata"], ...theirs["f:metadata"] },
  });
  const live = account({ labels, finalizers: ["x"], managedFields: [from] }, { spec: { suspend: true } });
  const adoption = adopt(live, answer(live), options);
  assert.deepEqual(adoption?.operations[0]?.["value"], [
    entry("flux-operator", "Apply", theirs),
    entry("kubectl-edit", "Update", held),
  ]);
  assert.deepEqual(adoption?.removed, ["metadata.labels.theirs"]);
});

for (const { name, instruction } of [
  {
    name: "what keeps an object from being deleted",
    instruction: { "f:metadata": { "f:annotations": { "f:fluxcd.controlplane.io/prune": {} } } },
  },
  {
    name: "a wish to reconcile",
    instruction: {
      "f:metadata": {
        "f:annotations": { "f:reconcile.fluxcd.io/requestedAt": {}, "f:reconcile.fluxcd.io/forceAt": {} },
      },
    },
  },
  {
    name: "a restart",
    instruction: {
      "f:spec": {
        "f:template": { "f:metadata": { "f:annotations": { "f:kubectl.kubernetes.io/restartedAt": {} } } },
      },
    },
  },
]) {
  test(`adopt() leaves ${name} with whoever wrote it by kubectl`, () => {
    const live = account({ managedFields: [entry("kubectl-annotate", "Update", instruction)] });
    assert.equal(adopt(live, answer(live), options), undefined);
  });
}

test("adopt() ends a suspension that we have made ourselves", () => {
  const live = account(
    { managedFields: [entry("flux-operator", "Update", { "f:spec": { "f:suspend": {} } })] },
    { spec: { suspend: true } },
  );
  assert.deepEqual(adopt(live, answer(live), options)?.removed, ["spec.suspend"]);
});

for (const { name, kind, keepOthers } of [
  { name: "of a Namespace", kind: "Namespace", keepOthers: false },
  { name: "where it is told to", kind: "ServiceAccount", keepOthers: true },
]) {
  test(`adopt() takes no more than we want ourselves ${name}`, () => {
    const live = account({ labels, managedFields: [entry("kubectl-create", "Update", theirs)] }, { kind });
    const adoption = adopt(live, answer(live), { ...options, keepOthers });
    assert.deepEqual(adoption?.operations[0]?.["value"], [
      entry("flux-operator", "Apply", ours),
      entry("kubectl-create", "Update", { "f:metadata": { "f:labels": { "f:theirs": {} } } }),
    ]);
    assert.deepEqual(adoption?.removed, []);
  });
}

test("adopt() takes off the marks by which tools know what is theirs", () => {
  const annotations = {
    "kubectl.kubernetes.io/last-applied-configuration": "{}",
    "meta.helm.sh/release-name": "flux2",
    "meta.helm.sh/release-namespace": "flux-system",
    other: "1",
  };
  const marked = {
    "kustomize.toolkit.fluxcd.io/name": "flux-system",
    "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
  };
  const live = account({ labels: { ...marked, ours: "1" }, annotations });
  const adoption = adopt(live, answer(live), options);
  assert.deepEqual(adoption?.operations, [
    { op: "remove", path: "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration" },
    { op: "remove", path: "/metadata/annotations/meta.helm.sh~1release-name" },
    { op: "remove", path: "/metadata/annotations/meta.helm.sh~1release-namespace" },
    { op: "remove", path: "/metadata/labels/kustomize.toolkit.fluxcd.io~1name" },
    { op: "remove", path: "/metadata/labels/kustomize.toolkit.fluxcd.io~1namespace" },
  ]);
  assert.deepEqual(
    [adoption?.after.metadata.labels, adoption?.after.metadata.annotations],
    [{ ours: "1" }, { other: "1" }],
  );
});

test("adopt() leaves a mark that the user wants", () => {
  const live = account({ labels: { "kustomize.toolkit.fluxcd.io/name": "mine" } });
  const wanted = { "f:metadata": { "f:labels": { "f:kustomize.toolkit.fluxcd.io/name": {} } } };
  const asked = { ...live, metadata: { ...live.metadata, managedFields: [entry("flux-operator", "Apply", wanted)] } };
  assert.equal(adopt(live, asked, options), undefined);
});

test("adopt() takes what the API server ascribes to before-first-apply where nobody kept managedFields", () => {
  const live = account({ labels });
  const asked = {
    ...live,
    metadata: {
      ...live.metadata,
      managedFields: [entry("flux-operator", "Apply", ours), entry("before-first-apply", "Update", theirs)],
    },
  };
  assert.deepEqual(adopt(live, asked, options)?.operations, [
    { op: "add", path: "/metadata/managedFields", value: [entry("flux-operator", "Apply", theirs)] },
  ]);
});

test("adopt() tells which removed fields an object still has", () => {
  const live = account({ labels, managedFields: [entry("helm", "Update", theirs)] });
  const adoption = adopt(live, answer(live), options);
  assert.deepEqual(
    [adoption?.remaining(live), adoption?.remaining(account({ labels: { ours: "1" } }))],
    [["metadata.labels.theirs"], []],
  );
});

for (const { operation, want } of [
  { operation: "Apply", want: true },
  { operation: "Update", want: false },
]) {
  test(`isApplied() of an object with our ${operation} is ${want}`, () =>
    assert.equal(isApplied(account({ managedFields: [entry("flux-operator", operation)] }), installer), want));
}
