import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject, KubeObject, ManagedFieldsEntry } from "../../kube/object.ts";
import { isScaled, yieldFields } from "./yield-fields.ts";

const ours = "flux-operator";

function deployment(spec: JsonObject, managedFields: readonly ManagedFieldsEntry[] = []): KubeObject {
  const metadata = { name: "x", namespace: "a", ...(managedFields.length === 0 ? {} : { managedFields }) };
  return { apiVersion: "apps/v1", kind: "Deployment", metadata, spec };
}

function entry(manager: string, spec: JsonObject, subresource?: string): ManagedFieldsEntry {
  const operation = manager === ours ? "Apply" : "Update";
  return { manager, operation, fieldsV1: { "f:spec": spec }, ...(subresource === undefined ? {} : { subresource }) };
}

function container(name: string, fields: JsonObject = {}): JsonObject {
  return { containers: [{ name: "first" }, { name, ...fields }] };
}

const byManager = (fields: JsonObject): JsonObject => ({ "f:containers": { 'k:{"name":"manager"}': fields } });
const limits = { cpu: "1", memory: "1Gi" };

const cases: readonly {
  readonly name: string;
  readonly desired: JsonObject;
  readonly live: JsonObject;
  readonly managers?: readonly ManagedFieldsEntry[];
  readonly paths?: readonly string[];
  /** What is applied; "all" when nothing is left out. */
  readonly want: JsonObject | "all";
}[] = [
  { name: "everything where nothing is left to others", desired: { replicas: 1 }, live: { replicas: 2 }, want: "all" },
  {
    name: "what only we own, for it would go otherwise",
    desired: { replicas: 1 },
    live: { replicas: 1 },
    managers: [entry(ours, { "f:replicas": {} })],
    paths: ["/spec/replicas"],
    want: "all",
  },
  {
    name: "not what another manager owns",
    desired: { replicas: 1, paused: true },
    live: { replicas: 3, paused: true },
    managers: [entry(ours, { "f:paused": {} }), entry("kubectl-edit", { "f:replicas": {} })],
    paths: ["/spec/replicas"],
    want: { paused: true },
  },
  {
    name: "not what both own, for it stays",
    desired: { replicas: 1, paused: true },
    live: { replicas: 1, paused: true },
    managers: [entry(ours, { "f:replicas": {} }), entry("kubectl-edit", { "f:replicas": {} })],
    paths: ["/spec/replicas"],
    want: { paused: true },
  },
  {
    name: "not what somebody has removed",
    desired: { replicas: 1, paused: true },
    live: { replicas: 1 },
    managers: [entry(ours, { "f:replicas": {} })],
    paths: ["/spec/paused"],
    want: { replicas: 1 },
  },
  {
    name: "what another manager owns, where no path says so",
    desired: { replicas: 1, paused: true },
    live: { replicas: 3, paused: true },
    managers: [entry("kubectl-edit", { "f:replicas": {} })],
    paths: ["/spec/paused", "/spec/progressDeadlineSeconds"],
    want: "all",
  },
  {
    name: "not replicas that were last written through scale",
    desired: { replicas: 1, paused: true },
    live: { replicas: 3 },
    managers: [entry("kubectl", { "f:replicas": {} }, "scale")],
    want: { paused: true },
  },
  {
    name: "not replicas that our own name wrote through scale",
    desired: { replicas: 1, paused: true },
    live: { replicas: 3 },
    managers: [entry(ours, { "f:replicas": {} }, "scale")],
    want: { paused: true },
  },
  {
    name: "below a path only the leaves that others own",
    desired: container("manager", { resources: { limits, requests: limits } }),
    live: container("manager", { resources: { limits: { cpu: "2", memory: "1Gi" }, requests: limits } }),
    managers: [entry("vpa", byManager({ ".": {}, "f:resources": { "f:limits": { "f:cpu": {} } } }))],
    paths: ["/spec/containers/1/resources"],
    want: container("manager", { resources: { limits: { memory: "1Gi" }, requests: limits } }),
  },
  {
    name: "an element of a keyed list by its key, wherever it stands in the live object",
    desired: container("manager", { image: "a", args: ["b"] }),
    live: { containers: [{ name: "injected" }, { name: "first" }, { name: "manager", image: "other", args: ["b"] }] },
    managers: [entry("kyverno", byManager({ "f:image": {} }))],
    paths: ["/spec/containers/1/image"],
    want: container("manager", { args: ["b"] }),
  },
  {
    name: "an atomic list whole or not at all",
    desired: container("manager", { args: ["a", "b"] }),
    live: container("manager", { args: ["a", "c"] }),
    managers: [entry("kubectl-edit", byManager({ "f:args": {} }))],
    paths: ["/spec/containers/1/args/1"],
    want: "all",
  },
  {
    name: "an element whole when all of it belongs to others",
    desired: { containers: [{ name: "first" }, { image: "a" }] },
    live: { containers: [{ name: "first" }, { image: "b" }] },
    managers: [entry("x", { "f:containers": { 'k:{"image":"a"}': { "f:image": {} } } })],
    paths: ["/spec/containers/1"],
    want: { containers: [{ name: "first" }] },
  },
];

for (const { name, desired, live, managers, paths = [], want } of cases) {
  test(`yieldFields() applies ${name}`, () => {
    const object = deployment(desired);
    const applied = yieldFields(object, deployment(live, managers), { paths, fieldManager: ours });
    if (want === "all") assert.equal(applied, object);
    else assert.deepEqual(applied, deployment(want));
  });
}

test("yieldFields() finds labels and annotations whose names have a slash", () => {
  const annotations = { "example.com/a": "ours", b: "ours" };
  const object: KubeObject = { apiVersion: "v1", kind: "Service", metadata: { name: "x", annotations } };
  const managedFields = [
    { manager: "cloud", fieldsV1: { "f:metadata": { "f:annotations": { "f:example.com/a": {} } } } },
  ];
  const live = {
    ...object,
    metadata: { name: "x", annotations: { ...annotations, "example.com/a": "theirs" }, managedFields },
  };
  const paths = ["/metadata/annotations/example.com~1a"];
  const want = { ...object, metadata: { name: "x", annotations: { b: "ours" } } };
  assert.deepEqual(yieldFields(object, live, { paths, fieldManager: ours }), want);
});

for (const { subresource, scaled } of [
  { subresource: "scale", scaled: true },
  { subresource: "status", scaled: false },
  { subresource: undefined, scaled: false },
]) {
  test(`isScaled() is ${scaled} for replicas written through ${subresource ?? "the object"}`, () =>
    assert.equal(isScaled(deployment({}, [entry("x", { "f:replicas": {} }, subresource)]).metadata), scaled));
}
