import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Rest } from "../../scripts/control-plane/rest.ts";
import { fluxInstance } from "../../src/api/names.ts";
import type { KubeObject } from "../../src/kube/object.ts";
import { isJsonObject } from "../../src/std/json.ts";
import { parseKubeYamlDocuments } from "../../src/std/yaml.ts";
import { assertRatchets, installCrd, instancesPath, messageOf } from "../support/custom-resources.ts";
import { acceptedCases, refusedCases } from "../support/instance-cases.ts";
import { startOldestApiServer } from "../support/oldest-api-server.ts";

const running = new AsyncDisposableStack();
let rest: Rest;

/** The budget of CEL is another in each Kubernetes, and a schema beyond it is refused only there. */
before(async () => {
  rest = running.use(await startOldestApiServer(AbortSignal.timeout(1_200_000))).rest;
});
after(() => running.disposeAsync());

function isObject(value: unknown): value is KubeObject {
  return isJsonObject(value) && isJsonObject(value["metadata"]) && typeof value["kind"] === "string";
}

test("the oldest Kubernetes takes packaging/yaml/crds.yaml, and with all of it", async () => {
  const text = readFileSync(join(import.meta.dirname, "../../packaging/yaml/crds.yaml"), "utf8");
  for (const crd of parseKubeYamlDocuments(text).filter(isObject)) await installCrd(rest, crd);
});

test("the oldest Kubernetes judges instances as ours does", async () => {
  for (const { name, instance } of [...acceptedCases, ...refusedCases]) {
    assert.ok(isJsonObject(instance));
    const good = acceptedCases.some((entry) => entry.name === name);
    const metadata = isJsonObject(instance["metadata"]) ? instance["metadata"] : {};
    const namespace = typeof metadata["namespace"] === "string" ? metadata["namespace"] : "default";
    const path = `${instancesPath("v1", namespace)}?dryRun=All&fieldValidation=Strict`;
    const sent = { ...instance, apiVersion: `${fluxInstance.group}/v1` };
    const { status, body } = await rest.request("POST", path, { body: sent });
    assert.equal(status < 300, good, `${name}: ${status} ${messageOf(body)}`);
  }
});

test("the oldest Kubernetes does not lock a stored instance out", () => assertRatchets(rest));
