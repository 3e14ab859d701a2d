import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonValue, KubeObject } from "../kube/object.ts";
import { applyPatches, type Patch, type PatchResource } from "./apply-patches.ts";
import { PatchError } from "./patch-error.ts";

function deployment(name: string, labels: { readonly [key: string]: string } = {}): KubeObject {
  return freeze({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace: "flux-system", labels },
    spec: {
      replicas: 1,
      template: { spec: { containers: [{ name: "manager", args: ["--a"], env: [{ name: "A", value: "1" }] }] } },
    },
  });
}

const source: PatchResource = { object: deployment("source-controller", { app: "source" }) };
const shard: PatchResource = {
  object: deployment("source-controller-s1", { app: "source" }),
  previousNames: ["source-controller"],
  previousNamespaces: ["default"],
};
const helm: PatchResource = { object: deployment("helm-controller", { app: "helm" }) };
const role: PatchResource = {
  object: freeze({
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRole",
    metadata: { name: "crd" },
    rules: [],
  }),
};
const all: readonly PatchResource[] = freeze([source, shard, helm, role]);

function freeze<Value>(value: Value): Value {
  if (typeof value === "object" && value !== null) Object.values(Object.freeze(value)).forEach(freeze);
  return value;
}

function configMap(name: string, key: string): string {
  return `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata:\n  ${key}: |\n    line\n`;
}

const setReplicas = '[{"op": "replace", "path": "/spec/replicas", "value": 3}]';

const targets: readonly { name: string; target: NonNullable<Patch["target"]>; want: readonly string[] }[] = [
  {
    name: "a kind",
    target: { kind: "Deployment" },
    want: ["source-controller", "source-controller-s1", "helm-controller"],
  },
  { name: "a former name", target: { name: "source-controller" }, want: ["source-controller", "source-controller-s1"] },
  { name: "a present name", target: { name: "source-controller-s1" }, want: ["source-controller-s1"] },
  {
    name: "a pattern of the whole name",
    target: { name: "(source|helm)-contr.*r" },
    want: ["source-controller", "source-controller-s1", "helm-controller"],
  },
  { name: "no part of a name", target: { kind: "Deployment", name: "source" }, want: [] },
  { name: "alternatives as a whole", target: { name: "helm|helm-controller" }, want: ["helm-controller"] },
  { name: "group and version", target: { group: "apps", version: "v1", name: "helm-.*" }, want: ["helm-controller"] },
  { name: "no other group", target: { group: "app" }, want: [] },
  { name: "a namespace", target: { namespace: "flux-.*", name: "helm.*" }, want: ["helm-controller"] },
  { name: "a former namespace", target: { namespace: "default" }, want: ["source-controller-s1"] },
  { name: "a label selector", target: { labelSelector: "app in (helm, none)" }, want: ["helm-controller"] },
  { name: "labels that are not there", target: { kind: "Deployment", labelSelector: "!app" }, want: [] },
  { name: "an annotation selector", target: { annotationSelector: "!x", name: "helm.*" }, want: ["helm-controller"] },
];

for (const { name, target, want } of targets) {
  test(`applyPatches() matches ${name}`, () => {
    const patch = '[{"op": "add", "path": "/spec", "value": {}}]';
    const { reports } = applyPatches(all, [{ patch, target }]);
    assert.deepEqual(
      reports.map(({ index, matched }) => [index, matched.map((id) => id.name)]),
      [[0, want]],
    );
  });
}

test("applyPatches() leaves what no patch matches as it is", () => {
  const { resources } = applyPatches(all, [{ patch: setReplicas, target: { name: "helm-controller" } }]);
  assert.deepEqual(
    resources.map((resource, index) => resource === all[index]),
    [true, true, false, true],
  );
});

test("applyPatches() applies each patch to what the ones before it left", () => {
  const { resources, reports } = applyPatches(
    [helm],
    [
      { patch: '[{"op": "replace", "path": "/metadata/name", "value": "renamed"}]', target: { kind: "Deployment" } },
      { patch: setReplicas, target: { name: "helm-controller" } },
      { patch: setReplicas, target: { name: "renamed" } },
      { patch: setReplicas, target: { name: "other" } },
    ],
  );
  assert.deepEqual(
    reports.map(({ matched }) => matched.map(({ name }) => name)),
    [["helm-controller"], ["renamed"], ["renamed"], []],
  );
  assert.deepEqual(resources[0]?.previousNames, ["helm-controller"]);
});

test("applyPatches() merges documents into the objects that they name", () => {
  const patch = [helm, { object: deployment("source-controller") }]
    .map(
      ({ object }, index) =>
        `apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: ${object.metadata.name}, namespace: flux-system}\nspec: {replicas: ${index + 5}}\n`,
    )
    .join("---\n");
  const { resources, reports } = applyPatches([source, helm], [{ patch }]);
  assert.deepEqual(
    resources.map(({ object }) => Object(object["spec"]).replicas),
    [6, 5],
  );
  assert.deepEqual(
    reports[0]?.matched.map(({ name }) => name),
    ["helm-controller", "source-controller"],
  );
});

test("applyPatches() keeps name, namespace and kind when a document with a target names others", () => {
  const patch = "apiVersion: v9\nkind: Other\nmetadata: {name: all, namespace: x, labels: {version: 1.10}}";
  const { resources } = applyPatches([role], [{ patch, target: { kind: "ClusterRole" } }]);
  assert.deepEqual(resources[0]?.object, {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRole",
    metadata: { name: "crd", labels: { version: "1.10" } },
    rules: [],
  });
});

for (const { name, patch, want } of [
  { name: "of a document", patch: configMap("a", "y"), want: { a: "line", b: undefined } },
  {
    name: "of the last of several documents",
    patch: `${configMap("a", "y")}---\n${configMap("b", "y")}\n\n`,
    want: { a: "line\n", b: "line" },
  },
  {
    name: "of no document when another begins",
    patch: `${configMap("a", "y")}---\n`,
    want: { a: "line\n", b: undefined },
  },
])
  test(`applyPatches() reads no line break at the end of a block scalar at the end ${name}, as kustomize`, () => {
    const objects = ["a", "b"].map((each) => ({
      object: { apiVersion: "v1", kind: "ConfigMap", metadata: { name: each } },
    }));
    const { resources } = applyPatches(objects, [{ patch }]);
    assert.deepEqual(
      resources.map(({ object }) => Object(object)["data"]?.y),
      [want.a, want.b],
    );
  });

test("applyPatches() reads no line break at the end of operations, either", () => {
  const patch = "- op: add\n  path: /spec/ignore\n  value: |\n    /*\n    !/a\n";
  const { resources } = applyPatches([helm], [{ patch, target: { kind: "Deployment" } }]);
  assert.equal(Object(resources[0]?.object["spec"]).ignore, "/*\n!/a");
});

test("applyPatches() deletes objects", () => {
  const patch = "$patch: delete\nkind: Deployment\nmetadata: {name: all}";
  const { resources } = applyPatches(all, [{ patch, target: { kind: "Deployment" } }]);
  assert.deepEqual(resources, [role]);
});

test("applyPatches() takes a patch of comments and one of no operations for nothing", () =>
  assert.deepEqual(applyPatches(all, [{ patch: "# later\n" }, { patch: "[]" }]), {
    resources: all,
    reports: [
      { index: 0, matched: [] },
      { index: 1, matched: [] },
    ],
  }));

for (const { name, operation, want } of [
  {
    name: "adds an annotation to an object that has none",
    operation: { op: "add", path: "/metadata/annotations/note", value: "x" },
    want: { name: "crd", annotations: { note: "x" } },
  },
  {
    name: "leaves no empty annotations behind",
    operation: { op: "add", path: "/metadata/labels", value: { a: "b" } },
    want: { name: "crd", labels: { a: "b" } },
  },
]) {
  test(`applyPatches() ${name}`, () => {
    const { resources } = applyPatches(
      [role],
      [{ patch: JSON.stringify([operation]), target: { kind: "ClusterRole" } }],
    );
    assert.deepEqual(resources[0]?.object.metadata, want);
  });
}

test("applyPatches() makes text of annotations that operations set", () => {
  const patch = '[{"op": "add", "path": "/metadata/annotations", "value": {"port": 80, "on": true}}]';
  const { resources } = applyPatches([role], [{ patch, target: { kind: "ClusterRole" } }]);
  assert.deepEqual(resources[0]?.object.metadata.annotations, { port: "80", on: "true" });
});

const smp = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: source-controller, namespace: flux-system}\n";
const deployments = { kind: "Deployment" };

const refused: readonly { name: string; patch: Patch; message: RegExp }[] = [
  {
    name: "an empty patch",
    patch: { patch: " \n", target: deployments },
    message: /^Cannot read spec\.kustomize\.patches\[1\]: the patch is empty; /,
  },
  {
    name: "text that is no YAML",
    patch: { patch: "{{ not: yaml", target: deployments },
    message: /^Cannot read spec\.kustomize\.patches\[1\]: it is no YAML: line 1, column /,
  },
  {
    name: "a duplicate key",
    patch: { patch: `${smp}spec: {a: 1, a: 2}`, target: deployments },
    message: /line 4, column 14: a key stands twice in one map/,
  },
  {
    name: "a pattern that does not parse",
    patch: { patch: setReplicas, target: { name: "(a" } },
    message: /target\.name "\(a" is no regular expression of RE2/,
  },
  {
    name: "a selector that does not parse",
    patch: { patch: setReplicas, target: { labelSelector: "a in b" } },
    message: /target\.labelSelector: Cannot read selector "a in b": "b" stands where "\(" must/,
  },
  {
    name: "operations without target",
    patch: { patch: setReplicas },
    message: /JSON6902 operations need a target; add one/,
  },
  {
    name: "a wrong path",
    patch: {
      patch:
        '[{"op": "test", "path": "/spec/replicas", "value": 1}, {"op": "replace", "path": "/spec/nope/x", "value": 5}]',
      target: { name: "helm-controller" },
    },
    message:
      /^Cannot apply spec\.kustomize\.patches\[1\] to Deployment\/flux-system\/helm-controller: operation 2 \(replace \/spec\/nope\/x\): \/spec\/nope does not exist \(its parent has: replicas, template\); correct the path/,
  },
  {
    name: "operations that drop the name",
    patch: { patch: '[{"op": "remove", "path": "/metadata/name"}]', target: deployments },
    message: /leave no metadata\.name; keep it/,
  },
  {
    name: "operations that drop the kind",
    patch: { patch: '[{"op": "replace", "path": "", "value": {}}]', target: deployments },
    message: /leave no apiVersion or kind; keep them/,
  },
  {
    name: "operations that make two objects one",
    patch: { patch: '[{"op": "replace", "path": "/metadata/name", "value": "x"}]', target: deployments },
    message: /makes a second Deployment\/flux-system\/x; rename one/,
  },
  {
    name: "two documents with a target",
    patch: { patch: `${smp}---\n${smp}`, target: deployments },
    message: /a patch with a target must be one document/,
  },
  {
    name: "a list and another document",
    patch: { patch: "- {op: remove, path: /a}\n---\n- 1", target: deployments },
    message: /must be one list in one document/,
  },
  {
    name: "an empty target with delete",
    patch: { patch: "$patch: delete\nkind: X\nmetadata: {name: x}", target: {} },
    message: /would delete every object; say which/,
  },
  {
    name: "a document without name",
    patch: { patch: "kind: Deployment\nspec: {}", target: deployments },
    message: /document 1 \(Deployment\) has no metadata\.name/,
  },
  {
    name: "a document without kind",
    patch: { patch: "spec: {}", target: deployments },
    message: /document 1 has no kind/,
  },
  {
    name: "a text",
    patch: { patch: "hello", target: deployments },
    message: /document 1 is neither a list of JSON6902 operations nor a map/,
  },
  {
    name: "a document that names nothing",
    patch: { patch: smp.replace("source", "nope") },
    message:
      /^Cannot apply spec\.kustomize\.patches\[1\]: there is no apps\/v1 Deployment nope-controller in namespace flux-system; /,
  },
  {
    name: "a document that names nothing, and no namespace",
    patch: { patch: "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: nope}" },
    message:
      /^Cannot apply spec\.kustomize\.patches\[1\]: there is no apps\/v1 Deployment nope; correct apiVersion, kind, name and namespace, or add a target$/,
  },
  {
    name: "a document that may name several",
    patch: { patch: smp },
    message:
      /may be any of Deployment\/flux-system\/source-controller, Deployment\/flux-system\/source-controller-s1; add a target/,
  },
  {
    name: "duplicate keys that operations make",
    patch: {
      patch: '[{"op": "add", "path": "/spec/template/spec/containers/0/env/-", "value": {"name": "A", "value": "2"}}]',
      target: { name: "helm-controller" },
    },
    message: /it makes duplicate keys: \.spec\.template\.spec\.containers\[0\]\.env name: A; change the item/,
  },
];

for (const { name, patch, message } of refused) {
  test(`applyPatches() refuses ${name}`, () =>
    assert.throws(
      () => applyPatches(all, [{ patch: "[]" }, patch]),
      (thrown) => {
        assert.ok(thrown instanceof PatchError);
        assert.match(thrown.message, message);
        assert.deepEqual([thrown.reason, thrown.retry], ["BuildFailed", "on-change"]);
        return true;
      },
    ));
}

test("applyPatches() lets args repeat", () => {
  const patch = '[{"op": "add", "path": "/spec/template/spec/containers/0/args/-", "value": "--a"}]';
  assert.equal(applyPatches([helm], [{ patch, target: deployments }]).reports[0]?.matched.length, 1);
});

test("applyPatches() answers to a hostile pattern in no time", () => {
  const long: PatchResource = { object: deployment(`${"a".repeat(250)}b`) };
  assert.equal(applyPatches([long], [{ patch: "[]", target: { name: "(a+)+" } }]).reports[0]?.matched.length, 0);
  assert.equal(
    applyPatches([long], [{ patch: setReplicas, target: { name: "((a+)+)+" } }]).reports[0]?.matched.length,
    0,
  );
});

const account = (name: string, namespace: string): KubeObject => ({
  apiVersion: "v1",
  kind: "ServiceAccount",
  metadata: { name, namespace },
});
const bindingOf = (subjects: JsonValue): KubeObject => ({
  apiVersion: "rbac.authorization.k8s.io/v1",
  kind: "ClusterRoleBinding",
  metadata: { name: "b" },
  roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "crd" },
  subjects,
});
const renameTo = (value: string, kind: string, name: string): Patch => ({
  patch: JSON.stringify([{ op: "replace", path: "/metadata/name", value }]),
  target: { kind, name },
});
const subject = (name: string, namespace: string, kind = "ServiceAccount") => ({ kind, name, namespace });

test("applyPatches() takes along who refers to a renamed object, through several renames, and nobody else", () => {
  const before = bindingOf([
    subject("old", "a"),
    subject("old", "b"),
    subject("old", "a", "User"),
    subject("none", "a"),
  ]);
  const { resources } = applyPatches(
    [role, { object: account("old", "a") }, { object: before }],
    [
      renameTo("x", "ServiceAccount", "old"),
      renameTo("new", "ServiceAccount", "x"),
      renameTo("rights", "ClusterRole", "crd"),
    ],
  );
  const { subjects, roleRef } = Object(resources[2]?.object);
  assert.deepEqual(
    [subjects, roleRef.name],
    [[subject("new", "a"), subject("old", "b"), subject("old", "a", "User"), subject("none", "a")], "rights"],
  );
});

test("applyPatches() swaps names with those who refer to them", () => {
  const { resources } = applyPatches(
    [
      { object: account("one", "a") },
      { object: account("two", "a") },
      { object: bindingOf([subject("one", "a"), subject("two", "a")]) },
    ],
    [renameTo("three", "ServiceAccount", "one"), renameTo("one", "ServiceAccount", "two")],
  );
  assert.deepEqual(Object(resources[2]?.object).subjects, [subject("three", "a"), subject("one", "a")]);
});

test("applyPatches() refuses a reference to a name that two renamed objects had", () =>
  assert.throws(
    () =>
      applyPatches(
        [
          { object: account("one", "a") },
          { object: account("two", "a") },
          { object: bindingOf([subject("one", "a")]) },
        ],
        [
          renameTo("three", "ServiceAccount", "one"),
          renameTo("one", "ServiceAccount", "two"),
          renameTo("four", "ServiceAccount", "two"),
        ],
      ),
    /ClusterRoleBinding\/b refers to one, which was the name of ServiceAccount\/a\/\S+ and of ServiceAccount\/a\/\S+; give each a name/,
  ));
