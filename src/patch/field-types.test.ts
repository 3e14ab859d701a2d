import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject, JsonValue, KubeObject } from "../kube/object.ts";
import { refuseWrongTypes } from "./field-types.ts";

const deployment: KubeObject = { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "d" }, spec: {} };
const pod = (spec: JsonObject): JsonObject => ({ spec: { template: { spec } } });
const container = (fields: JsonObject): JsonObject => pod({ containers: [{ name: "manager", ...fields }] });

function refusalOf(before: KubeObject, after: JsonObject): string | undefined {
  try {
    refuseWrongTypes(before, { ...before, ...after });
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

for (const { name, after, want } of [
  {
    name: "a boolean for a label of the pods",
    after: { spec: { template: { metadata: { labels: { "azure.workload.identity/use": true } } } } },
    want: 'it sets spec.template.metadata.labels["azure.workload.identity/use"] to true, which must be text: put it in quotes',
  },
  {
    name: "a number for an annotation of the pods",
    after: { spec: { template: { metadata: { annotations: { x: 1 } } } } },
    want: "it sets spec.template.metadata.annotations.x to 1, which must be text: put it in quotes",
  },
  {
    name: "a number for a label of the object",
    after: { metadata: { name: "d", labels: { team: 7 } } },
    want: "it sets metadata.labels.team to 7, which must be text: put it in quotes",
  },
  {
    name: "a number for the value of a variable",
    after: container({ env: [{ name: "A", value: 8080 }] }),
    want: "it sets spec.template.spec.containers[0].env[0].value to 8080, which must be text: put it in quotes",
  },
  {
    name: "numbers and booleans among args and node selectors, all at once",
    after: pod({ nodeSelector: { gpu: false }, containers: [{ name: "manager", args: ["--a", 2] }] }),
    want:
      "it sets spec.template.spec.nodeSelector.gpu to false, which must be text: put it in quotes; " +
      "spec.template.spec.containers[0].args[1] to 2, which must be text: put it in quotes",
  },
  {
    name: "text for a number",
    after: { spec: { replicas: "3" } },
    want: 'it sets spec.replicas to "3", which must be a whole number: take the quotes away',
  },
  {
    name: "other text for a number",
    after: { spec: { replicas: "three" } },
    want: 'it sets spec.replicas to "three", which must be a whole number',
  },
  {
    name: "a fraction for a whole number",
    after: { spec: { replicas: 1.5 } },
    want: "it sets spec.replicas to 1.5, which must be a whole number",
  },
  {
    name: "text for a switch",
    after: pod({ hostNetwork: "true" }),
    want: 'it sets spec.template.spec.hostNetwork to "true", which must be true or false: take the quotes away',
  },
  {
    name: "text for a list",
    after: container({ args: "--a" }),
    want: 'it sets spec.template.spec.containers[0].args to "--a", which must be a list',
  },
  {
    name: "a map for text",
    after: container({ image: {} }),
    want: "it sets spec.template.spec.containers[0].image to {}, which must be text",
  },
  {
    name: "nothing in quantities and ports, which may be numbers",
    after: container({
      resources: { limits: { cpu: 1, memory: "1Gi" }, requests: { cpu: 0.5 } },
      livenessProbe: { httpGet: { port: 8080 } },
      readinessProbe: { httpGet: { port: "http" } },
      env: [{ name: "A", value: null }],
    }),
    want: undefined,
  },
  { name: "nothing in a field that it does not know", after: { spec: { newer: 1 } }, want: undefined },
] satisfies readonly { name: string; after: JsonObject; want: string | undefined }[]) {
  test(`refuseWrongTypes() refuses ${name}`, () => assert.equal(refusalOf(deployment, after), want));
}

const labels = (value: JsonValue): JsonObject => ({
  metadata: { name: "w", labels: { a: value } },
  spec: { replicas: "3" },
});

test("refuseWrongTypes() knows the metadata of a custom resource, and no more of it", () => {
  const custom: KubeObject = { apiVersion: "example.com/v1", kind: "Widget", metadata: { name: "w" } };
  assert.deepEqual(
    [refusalOf(custom, labels("1")), refusalOf(custom, labels(1))],
    [undefined, "it sets metadata.labels.a to 1, which must be text: put it in quotes"],
  );
});

test("refuseWrongTypes() does not blame a patch for what was wrong before", () =>
  assert.equal(
    refusalOf({ ...deployment, spec: { replicas: "3" } }, { spec: { replicas: "3" }, extra: 1 }),
    undefined,
  ));
