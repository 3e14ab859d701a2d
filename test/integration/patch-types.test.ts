import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { JsonObject, KubeObject } from "../../src/kube/object.ts";
import { refuseWrongTypes } from "../../src/patch/field-types.ts";
import { PatchProblem } from "../../src/patch/patch-error.ts";
import { messageOf } from "../support/custom-resources.ts";
import { startControlPlane } from "../support/control-plane.ts";
import type { ControlPlane } from "../support/control-plane.ts";

let plane: ControlPlane;
before(async () => {
  plane = await startControlPlane({ variant: "light" });
});
after(() => plane.stop());

type Parts = {
  readonly spec?: JsonObject;
  readonly pod?: JsonObject;
  readonly container?: JsonObject;
  readonly labels?: JsonObject;
};

function deploymentOf({ spec = {}, pod = {}, container = {}, labels = {} }: Parts): KubeObject {
  const template = {
    metadata: { labels: { app: "d", ...labels } },
    spec: { containers: [{ name: "manager", image: "i", ...container }], ...pod },
  };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "d", namespace: "default" },
    spec: { selector: { matchLabels: { app: "d" } }, template, ...spec },
  };
}

const plain = deploymentOf({});

function isRefusedByUs(object: KubeObject): boolean {
  try {
    refuseWrongTypes(plain, object);
    return false;
  } catch (error) {
    if (error instanceof PatchProblem) return true;
    throw error;
  }
}

for (const { name, parts, refused } of [
  { name: "nothing special", parts: {}, refused: false },
  { name: "a boolean for a label", parts: { labels: { use: true } }, refused: true },
  { name: "a number for a variable", parts: { container: { env: [{ name: "A", value: 8080 }] } }, refused: true },
  { name: "a number among args", parts: { container: { args: ["--a", 1] } }, refused: true },
  { name: "text for args", parts: { container: { args: "--a" } }, refused: true },
  { name: "a map for an image", parts: { container: { image: {} } }, refused: true },
  { name: "text for a number", parts: { spec: { replicas: "3" } }, refused: true },
  { name: "a fraction for a whole number", parts: { spec: { replicas: 1.5 } }, refused: true },
  { name: "text for a switch", parts: { pod: { hostNetwork: "true" } }, refused: true },
  { name: "a boolean for a node's label", parts: { pod: { nodeSelector: { gpu: true } } }, refused: true },
  {
    name: "numbers for quantities",
    parts: { container: { resources: { limits: { cpu: 1, memory: "1Gi" } } } },
    refused: false,
  },
  { name: "fractions for quantities", parts: { container: { resources: { requests: { cpu: 0.5 } } } }, refused: false },
  { name: "a boolean for a quantity", parts: { container: { resources: { requests: { cpu: true } } } }, refused: true },
  {
    name: "a number for a port of a probe",
    parts: { container: { livenessProbe: { httpGet: { port: 80 } } } },
    refused: false,
  },
  {
    name: "a name for a port of a probe",
    parts: {
      container: { ports: [{ name: "http", containerPort: 80 }], livenessProbe: { httpGet: { port: "http" } } },
    },
    refused: false,
  },
  { name: "null", parts: { spec: { replicas: null }, container: { args: null } }, refused: false },
] satisfies readonly { name: string; parts: Parts; refused: boolean }[])
  test(`the API server ${refused ? "refuses" : "takes"} a patched object with ${name}, and so do we`, async () => {
    const object = deploymentOf(parts);
    const path = "/apis/apps/v1/namespaces/default/deployments/d?dryRun=All&fieldManager=flux-operator&force=true";
    const { status, body } = await plane.rest.request("PATCH", path, {
      body: object,
      contentType: "application/apply-patch+yaml",
    });
    assert.deepEqual([status >= 400, isRefusedByUs(object)], [refused, refused], status >= 400 ? messageOf(body) : "");
  });
