import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject, KubeObject } from "../../kube/object.ts";
import { normalise } from "./normalise.ts";

function deployment(container: JsonObject, pod: JsonObject = {}): KubeObject {
  const spec = { replicas: 0, strategy: {}, template: { spec: { containers: [container], ...pod } } };
  return { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "d" }, spec };
}
function object(apiVersion: string, kind: string, spec?: JsonObject): KubeObject {
  return { apiVersion, kind, metadata: { name: "x" }, ...(spec === undefined ? {} : { spec }) };
}
const divisor = (extra: JsonObject) => [
  { name: "M", valueFrom: { resourceFieldRef: { ...extra, resource: "limits.memory" } } },
];

for (const { name, given, want } of [
  {
    name: "writes quantities in canonical form",
    given: deployment({ name: "m", resources: { limits: { cpu: "1000m", memory: "1024Mi" }, requests: { cpu: 0.5 } } }),
    want: deployment({ name: "m", resources: { limits: { cpu: "1", memory: "1Gi" }, requests: { cpu: "500m" } } }),
  },
  {
    name: "adds what Go's structs always write",
    given: deployment({ name: "m", env: divisor({}), ports: [{ containerPort: 80 }] }),
    want: deployment({
      name: "m",
      resources: {},
      env: divisor({ divisor: "0" }),
      ports: [{ protocol: "TCP", containerPort: 80 }],
    }),
  },
  {
    name: "leaves out null, empty text, empty lists and false that mean nothing",
    given: deployment(
      { name: "m", resources: {}, args: [], env: [{ name: "E", value: "" }] },
      { hostNetwork: false, priorityClassName: null },
    ),
    want: deployment({ name: "m", resources: {}, env: [{ name: "E" }] }),
  },
  {
    name: "keeps false, 0 and {} that mean something",
    given: deployment(
      { name: "m", resources: {}, securityContext: { runAsNonRoot: false, runAsUser: 0 } },
      { volumes: [{ name: "v", emptyDir: {} }] },
    ),
    want: deployment(
      { name: "m", resources: {}, securityContext: { runAsNonRoot: false, runAsUser: 0 } },
      { volumes: [{ name: "v", emptyDir: {} }] },
    ),
  },
  {
    name: "keeps the empty storage class, which turns provisioning off",
    given: object("v1", "PersistentVolumeClaim", { storageClassName: "", resources: {} }),
    want: object("v1", "PersistentVolumeClaim", { storageClassName: "", resources: {} }),
  },
  {
    name: "keeps rules that allow everything",
    given: object("networking.k8s.io/v1", "NetworkPolicy", { egress: [{}], podSelector: {} }),
    want: object("networking.k8s.io/v1", "NetworkPolicy", { egress: [{}], podSelector: {} }),
  },
  { name: "gives a Namespace its spec", given: object("v1", "Namespace"), want: object("v1", "Namespace", {}) },
  {
    name: "does not touch custom resources",
    given: object("source.toolkit.fluxcd.io/v1", "GitRepository", { ignore: "", limits: { cpu: "1000m" } }),
    want: object("source.toolkit.fluxcd.io/v1", "GitRepository", { ignore: "", limits: { cpu: "1000m" } }),
  },
]) {
  test(`normalise() ${name}`, () => assert.deepEqual(normalise([given]), [want]));
}

test("normalise() keeps the values of labels and annotations, empty ones too", () => {
  const metadata = { name: "x", labels: { a: "" }, annotations: {} };
  assert.deepEqual(normalise([{ apiVersion: "v1", kind: "ServiceAccount", metadata }]), [
    { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "x", labels: { a: "" } } },
  ]);
});

test("normalise() returns the same object when there is nothing to do", () => {
  const given = object("v1", "Namespace", {});
  assert.equal(normalise([given])[0], given);
});
