import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject, KubeObject } from "../kube/object.ts";
import { parseKubeYaml } from "../std/yaml.ts";
import type { JsonValue } from "../std/json.ts";
import { PatchProblem } from "./patch-error.ts";
import { mergeStrategically } from "./strategic-merge.ts";

function deployment(spec: JsonValue): KubeObject {
  return { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "d", namespace: "n" }, spec };
}

function merge(spec: string, patch: string): JsonValue | undefined {
  return mergeStrategically(deployment(read(spec)), { spec: read(patch) })?.["spec"];
}

function read(text: string): JsonObject {
  return Object(parseKubeYaml(text));
}

const pod = (fields: string): string => `{template: {spec: ${fields}}}`;

const cases: readonly { name: string; spec: string; patch: string; want: string }[] = [
  {
    name: "merges maps and sets scalars",
    spec: "{a: {b: 1, c: 2}, d: 3}",
    patch: "{a: {c: 4}, e: 5}",
    want: "{a: {b: 1, c: 4}, d: 3, e: 5}",
  },
  {
    name: "deletes by null",
    spec: "{a: {b: 1}, c: [1], d: 2}",
    patch: "{a: null, c: null, none: null}",
    want: "{d: 2}",
  },
  { name: "adds no nulls", spec: "{}", patch: "{a: {b: null, c: {}}}", want: "{a: {c: {}}}" },
  { name: "keeps nulls that the patch does not name", spec: "{a: null}", patch: "{b: 1}", want: "{a: null, b: 1}" },
  {
    name: "replaces lists without keys",
    spec: pod("{tolerations: [{key: a}, {key: b}]}"),
    patch: pod("{tolerations: [{key: c}]}"),
    want: pod("{tolerations: [{key: c}]}"),
  },
  {
    name: "merges containers by name, those of the patch first",
    spec: pod("{containers: [{name: a, image: x}, {name: b}]}"),
    patch: pod("{containers: [{name: c}, {name: b, image: y}]}"),
    want: pod("{containers: [{name: c}, {name: b, image: y}, {name: a, image: x}]}"),
  },
  {
    name: "merges env by name and replaces args",
    spec: pod("{containers: [{name: a, args: [x], env: [{name: E, value: v}, {name: F}]}]}"),
    patch: pod("{containers: [{name: a, args: [y], env: [{name: E, value: w}]}]}"),
    want: pod("{containers: [{name: a, args: [y], env: [{name: E, value: w}, {name: F}]}]}"),
  },
  {
    name: "merges mounts by path",
    spec: pod("{containers: [{name: a, volumeMounts: [{mountPath: /x, name: v}]}]}"),
    patch: pod("{containers: [{name: a, volumeMounts: [{mountPath: /x, name: w}]}]}"),
    want: pod("{containers: [{name: a, volumeMounts: [{mountPath: /x, name: w}]}]}"),
  },
  {
    name: "tells ports apart by protocol and leaves them in place",
    spec: pod(
      "{containers: [{name: a, ports: [{containerPort: 1, protocol: TCP}, {containerPort: 2, protocol: TCP}]}]}",
    ),
    patch: pod(
      "{containers: [{name: a, ports: [{containerPort: 2, protocol: TCP, name: n}, {containerPort: 2, protocol: UDP}]}]}",
    ),
    want: pod(
      "{containers: [{name: a, ports: [{containerPort: 2, protocol: UDP}, {containerPort: 1, protocol: TCP}, {containerPort: 2, protocol: TCP, name: n}]}]}",
    ),
  },
  {
    name: "finds a port without its protocol",
    spec: pod("{containers: [{name: a, ports: [{containerPort: 1, protocol: TCP}]}]}"),
    patch: pod("{containers: [{name: a, ports: [{containerPort: 1, name: n}]}]}"),
    want: pod("{containers: [{name: a, ports: [{containerPort: 1, protocol: TCP, name: n}]}]}"),
  },
  {
    name: "deletes an item",
    spec: pod("{volumes: [{name: a}, {name: b}]}"),
    patch: pod("{volumes: [{name: a, $patch: delete}, {name: none, $patch: delete}]}"),
    want: pod("{volumes: [{name: b}]}"),
  },
  {
    name: "replaces an item",
    spec: pod("{volumes: [{name: a, emptyDir: {}}]}"),
    patch: pod("{volumes: [{name: a, $patch: replace, hostPath: {path: /x}}]}"),
    want: pod("{volumes: [{name: a, hostPath: {path: /x}}]}"),
  },
  {
    name: "replaces a list",
    spec: pod("{volumes: [{name: a}, {name: b}]}"),
    patch: pod("{volumes: [{$patch: replace}, {name: c}]}"),
    want: pod("{volumes: [{name: c}]}"),
  },
  {
    name: "deletes a list",
    spec: pod("{volumes: [{name: a}], hostNetwork: true}"),
    patch: pod("{volumes: [{$patch: delete}]}"),
    want: pod("{hostNetwork: true}"),
  },
  {
    name: "leaves a keyed list alone when the patch has none of its items",
    spec: pod("{volumes: [{name: a}]}"),
    patch: pod("{volumes: []}"),
    want: pod("{volumes: [{name: a}]}"),
  },
  {
    name: "replaces a map",
    spec: "{strategy: {type: X, rollingUpdate: {}}}",
    patch: "{strategy: {$patch: replace, type: Y}}",
    want: "{strategy: {type: Y}}",
  },
  {
    name: "deletes a map",
    spec: "{strategy: {type: X}, replicas: 1}",
    patch: "{strategy: {$patch: delete}}",
    want: "{replicas: 1}",
  },
  {
    name: "merges a map when told to",
    spec: "{strategy: {type: X}}",
    patch: "{strategy: {$patch: merge, a: 1}}",
    want: "{strategy: {type: X, a: 1}}",
  },
  {
    name: "carries out directives below what is new",
    spec: "{}",
    patch: "{a: {$patch: replace, b: {$patch: delete}, c: 1}}",
    want: "{a: {c: 1}}",
  },
  {
    name: "orders a keyed list",
    spec: pod("{containers: [{name: a}, {name: b}, {name: c}]}"),
    patch: pod("{$setElementOrder/containers: [{name: c}, {name: a}]}"),
    want: pod("{containers: [{name: c}, {name: a}, {name: b}]}"),
  },
  {
    name: "deletes from a list of scalars",
    spec: "{args: [x, y, z]}",
    patch: "{$deleteFromPrimitiveList/args: [y, none]}",
    want: "{args: [x, z]}",
  },
  {
    name: "retains keys",
    spec: "{strategy: {type: X, rollingUpdate: {}}}",
    patch: "{strategy: {$retainKeys: [type], type: Y}}",
    want: "{strategy: {type: Y}}",
  },
];

for (const { name, spec, patch, want } of cases) {
  test(`mergeStrategically() ${name}`, () => assert.deepEqual(merge(spec, patch), read(want)));
}

test("mergeStrategically() merges finalizers and owners, but replaces lists of custom kinds", () => {
  const metadata = { name: "x", finalizers: ["a", "b"] };
  const patch = read("{metadata: {finalizers: [c, a]}, spec: {containers: [{name: b}]}}");
  const custom = { apiVersion: "example.com/v1", kind: "Widget", metadata, spec: { containers: [{ name: "a" }] } };
  assert.deepEqual(mergeStrategically(custom, patch), {
    ...custom,
    metadata: { name: "x", finalizers: ["c", "a"] },
    spec: { containers: [{ name: "b" }] },
  });
  const builtIn = { apiVersion: "v1", kind: "Service", metadata };
  assert.deepEqual(mergeStrategically(builtIn, { metadata: { finalizers: ["c", "a"] } }), {
    ...builtIn,
    metadata: { name: "x", finalizers: ["c", "a", "b"] },
  });
});

test("mergeStrategically() knows a built-in object inside of a custom one", () => {
  const custom = {
    apiVersion: "example.com/v1",
    kind: "Widget",
    metadata: { name: "x" },
    spec: deployment(read(pod("{containers: [{name: a}]}"))),
  };
  const merged = mergeStrategically(custom, { spec: { spec: read(pod("{containers: [{name: b}]}")) } });
  assert.deepEqual(Object(merged).spec.spec, read(pod("{containers: [{name: b}, {name: a}]}")));
});

test("mergeStrategically() deletes the object", () =>
  assert.equal(mergeStrategically(deployment({}), { $patch: "delete" }), undefined));

test("mergeStrategically() keeps what the object is", () => {
  const object = deployment({});
  const patch = { apiVersion: "v9", kind: "Other", metadata: { name: "all", namespace: "other", labels: { a: "b" } } };
  assert.deepEqual(mergeStrategically(object, patch), {
    ...object,
    metadata: { name: "d", namespace: "n", labels: { a: "b" } },
  });
});

const refused: readonly { name: string; spec: string; patch: string; message: RegExp }[] = [
  {
    name: "a map for a scalar",
    spec: "{a: 1}",
    patch: "{a: {b: 1}}",
    message: /^\.spec\.a is a scalar in the object and a map in the patch$/,
  },
  {
    name: "a scalar for a map",
    spec: "{a: {b: 1}}",
    patch: "{a: 1}",
    message: /^\.spec\.a is a map in the object and a scalar in the patch$/,
  },
  {
    name: "a map for a keyed list",
    spec: pod("{containers: [{name: a}]}"),
    patch: pod("{containers: {name: a}}"),
    message: /containers is a list in the object and a map in the patch/,
  },
  {
    name: "an unknown directive",
    spec: "{}",
    patch: "{a: {$patch: remove}}",
    message: /^\.spec\.a\.\$patch is "remove"; it must be delete, replace or merge$/,
  },
  {
    name: "an item without its key",
    spec: "{}",
    patch: pod("{containers: [{image: x}]}"),
    message: /containers\[0\] has no name, by which this list is merged; add it/,
  },
  {
    name: "an item that is no map",
    spec: "{}",
    patch: pod("{containers: [x]}"),
    message: /containers\[0\] has no name/,
  },
  {
    name: "an item named twice",
    spec: "{}",
    patch: pod("{volumes: [{name: a}, {name: a}]}"),
    message: /volumes\[1\] repeats name: a; name each item once/,
  },
  {
    name: "a port that may be two",
    spec: pod(
      "{containers: [{name: a, ports: [{containerPort: 1, protocol: TCP}, {containerPort: 1, protocol: UDP}]}]}",
    ),
    patch: pod("{containers: [{name: a, ports: [{containerPort: 1}]}]}"),
    message: /fits several items; name all of containerPort, protocol/,
  },
  {
    name: "a directive in a list without keys",
    spec: "{}",
    patch: "{a: [{$patch: delete}]}",
    message: /^\.spec\.a\[0\]\.\$patch has no effect: this list is replaced as a whole/,
  },
  {
    name: "$retainKeys without a key that the patch sets",
    spec: "{}",
    patch: "{a: {$retainKeys: [b], c: 1}}",
    message: /\$retainKeys does not name c/,
  },
];

for (const { name, spec, patch, message } of refused) {
  test(`mergeStrategically() refuses ${name}`, () =>
    assert.throws(
      () => merge(spec, patch),
      (thrown) => thrown instanceof PatchProblem && message.test(thrown.message),
    ));
}
