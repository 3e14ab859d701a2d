import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { canonicalInstance } from "../../src/api/canonical.ts";
import { InvalidInstanceError, parseFluxInstance } from "../../src/api/flux-instance.ts";
import { fluxInstance } from "../../src/api/names.ts";
import { isTransition, rules } from "../../src/api/rules.ts";
import { fluxInstanceCrd } from "../../src/api/crd.ts";
import { isJsonObject } from "../../src/std/json.ts";
import { parseKubeYaml } from "../../src/std/yaml.ts";
import { fieldsOf } from "../../src/kube/fields.ts";
import type { JsonObject, JsonValue, KubeObject } from "../../src/kube/object.ts";
import { readinessOf } from "../../src/kube/readiness.ts";
import { absentCases } from "../support/absent-cases.ts";
import { assertRatchets, installCrd, instancesPath, messageOf } from "../support/custom-resources.ts";
import { startControlPlane } from "../support/control-plane.ts";
import type { ControlPlane } from "../support/control-plane.ts";
import { goldenAbsent, readGoldenCases } from "../support/golden-cases.ts";
import { acceptedCases, distribution, instanceOf, refusedCases } from "../support/instance-cases.ts";

const dryRun = "?dryRun=All&fieldValidation=Strict";
const sync = { kind: "GitRepository", url: "https://host/fleet", ref: "refs/heads/main", path: "clusters/a" };

let plane: ControlPlane;

before(async () => {
  plane = await startControlPlane({ variant: "light" });
  for (const name of ["flux-system", "platform", "gitops"]) {
    await plane.rest.create("/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name } });
  }
  await installCrd(plane.rest, fluxInstanceCrd());
});
after(() => plane.stop());

async function submit(instance: JsonObject, version: string) {
  const metadata = isJsonObject(instance["metadata"]) ? instance["metadata"] : {};
  const namespace = typeof metadata["namespace"] === "string" ? metadata["namespace"] : "default";
  const body = { ...instance, apiVersion: `${fluxInstance.group}/${version}` };
  return plane.rest.request("POST", `${instancesPath(version, namespace)}${dryRun}`, { body });
}

function problemsOf(instance: JsonValue) {
  try {
    parseFluxInstance(instance);
    return [];
  } catch (error) {
    if (error instanceof InvalidInstanceError) return error.problems;
    throw error;
  }
}

for (const { name, instance, field, says } of refusedCases) {
  test(`${name} is refused by the API server and off-cluster`, async () => {
    const { server, us } = typeof says === "string" ? { server: says, us: says } : says;
    assert.ok(isJsonObject(instance));
    for (const version of ["v1", "v1alpha1"]) {
      const { status, body } = await submit(instance, version);
      const message = messageOf(body);
      assert.ok(status === 422 || status === 400, `${version}: ${status} ${message}`);
      assert.ok(message.includes(server), `${version}: ${message}`);
    }
    const problems = problemsOf(instance);
    const blamed = problems.filter((problem) => problem.field === field && problem.message.includes(us));
    assert.equal(blamed.length, 1, JSON.stringify(problems));
  });
}

test("an instance that no operator has seen yet is not taken for ready", async () => {
  const { status, body } = await submit(instanceOf({ distribution }), "v1");
  assert.equal(status, 201);
  assert.deepEqual(fieldsOf(body)["status"], { observedGeneration: -1 });
  assert.equal(readinessOf(body as KubeObject).status, "InProgress");
});

test("every rule that needs no stored object is broken by one of the cases", () => {
  const said = new Set(refusedCases.flatMap(({ instance }) => problemsOf(instance).map(({ message }) => message)));
  assert.deepEqual(
    rules.filter((rule) => !isTransition(rule) && !said.has(rule.message)),
    [],
  );
});

async function outcomeOf(instance: JsonObject) {
  const { status, body } = await submit(instance, "v1");
  if (status === 201) return { status, meaning: canonicalInstance(parseFluxInstance(body)) };
  return { status, blamed: problemsOf(instance).length > 0 };
}

test("fields that are null, and optional texts that are empty, mean the same as none at the API server", async () => {
  for (const { name, written, without } of absentCases)
    assert.deepEqual(await outcomeOf(written), await outcomeOf(without), name);
});

async function assertAccepted(instance: JsonValue): Promise<void> {
  assert.deepEqual(problemsOf(instance), []);
  assert.ok(isJsonObject(instance));
  for (const version of ["v1", "v1alpha1"]) {
    const { status, body } = await submit(instance, version);
    assert.equal(status, 201, `${version}: ${messageOf(body)}`);
  }
}

for (const { name, instance } of acceptedCases) {
  test(`${name} gets in at the API server and off-cluster`, () => assertAccepted(instance));
}

const examples = join(import.meta.dirname, "../../examples");

for (const file of readdirSync(examples)) {
  test(`examples/${file} gets in at the API server and off-cluster`, async () => {
    const text = readFileSync(join(examples, file), "utf8");
    await assertAccepted(parseKubeYaml(text));
  });
}

test("every golden instance but the one with an unknown component gets in", { skip: goldenAbsent }, async () => {
  for (const { name, instanceYaml } of readGoldenCases()) {
    if (name !== "bad-component") await assertAccepted(parseKubeYaml(instanceYaml));
  }
});

test("a stored instance", async (context) => {
  const path = `${instancesPath("v1", "flux-system")}/flux`;
  const put = (spec: JsonObject) =>
    plane.rest.request("PATCH", path, { body: { spec }, contentType: "application/merge-patch+json" });

  await context.test("gets the schema's defaults and no more", async () => {
    const stored = await plane.rest.create(
      instancesPath("v1", "flux-system"),
      instanceOf({ distribution, cluster: {}, sync }),
    );
    assert.deepEqual(stored["spec"], {
      distribution,
      cluster: { type: "kubernetes", domain: "cluster.local", networkPolicy: true },
      sync: { ...sync, interval: "1m" },
      wait: true,
      migrateResources: true,
    });
    assert.deepEqual(problemsOf(stored), []);
  });

  await context.test("may name its sync, but not rename it", async () => {
    assert.equal((await put({ sync: { name: "fleet" } })).status, 200);
    const renamed = await put({ sync: { name: "other" } });
    assert.equal(renamed.status, 422);
    assert.match(messageOf(renamed.body), /sync.name cannot be changed/);
  });

  await context.test("may drop its sync and add it again with another name", async () => {
    assert.equal((await put({ sync: null })).status, 200);
    assert.equal((await put({ sync: { ...sync, name: "other" } })).status, 200);
  });

  await context.test("keeps an unknown status field out and a known one in", async () => {
    const status = { observedGeneration: 1, plan: { to: "v2.9.4", revision: "r", images: [] }, nonsense: 1 };
    const body = { status };
    const written = await plane.rest.request("PATCH", `${path}/status`, {
      body,
      contentType: "application/merge-patch+json",
    });
    assert.equal(written.status, 200, messageOf(written.body));
    const { nonsense: _, ...known } = status;
    assert.deepEqual((await plane.rest.get(path))["status"], known);
  });

  await context.test("is the same object in both versions", async () => {
    const old = await plane.rest.get(`${instancesPath("v1alpha1", "flux-system")}/flux`);
    const { apiVersion: _, ...rest } = await plane.rest.get(path);
    assert.deepEqual(old, { apiVersion: "fluxcd.controlplane.io/v1alpha1", ...rest });
  });
  await plane.rest.delete(path);
});

test("an instance stored under a looser CRD can still be changed elsewhere", () => assertRatchets(plane.rest));
