import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { timoniModules } from "../../scripts/timoni/modules.ts";
import { fluxInstanceCrd } from "../../src/api/crd.ts";
import { fluxInstance } from "../../src/api/names.ts";
import { createApiClient, type OwnedApiClient } from "../../src/client/create-client.ts";
import { loadConnection } from "../../src/client/load-connection.ts";
import type { JsonObject, KubeObject } from "../../src/kube/object.ts";
import { systemClock } from "../../src/std/clock.ts";
import { parseKubeYamlDocuments } from "../../src/std/yaml.ts";
import { startControlPlane, type ControlPlane } from "../support/control-plane.ts";
import { rendered } from "../support/helm.ts";
import { asTimoni, refusedByTimoni, timoniCases } from "../support/timoni-cases.ts";
import { built, cue, evaluate, healthOf, timoniFolder } from "../support/timoni.ts";

const never = new AbortController().signal;
let plane: ControlPlane;
let client: OwnedApiClient;

before(async () => {
  plane = await startControlPlane({ variant: "light" });
  const connection = await loadConnection({ kubeconfig: plane.kubeconfigPath, env: {}, clock: systemClock });
  client = createApiClient({ connection, userAgent: "test", clock: systemClock });
  await plane.rest.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", fluxInstanceCrd());
  for (const name of ["flux-system", "gitops", "123"])
    await plane.rest.create("/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name } });
});
after(async () => {
  await client.close();
  await plane.stop();
});

const nameOf = ({ kind, metadata }: KubeObject): string => `${kind}/${metadata.namespace ?? ""}/${metadata.name}`;
const byName = (objects: readonly KubeObject[]): { readonly [name: string]: KubeObject } =>
  Object.fromEntries(objects.map((object) => [nameOf(object), object]));

for (const { name, chart, values, options = {} } of timoniCases)
  test(`${chart} with ${name}: CUE makes the objects of Helm, and the API server takes them`, async () => {
    const { objects } = await rendered(chart, values, options);
    const { release, namespace } = options;
    const ours = await built(chart, values, { ...(release && { name: release }), ...(namespace && { namespace }) });
    assert.deepEqual(byName(ours), byName(objects.map(asTimoni)));
    // Prometheus Operator is not there.
    for (const object of ours.filter(({ kind }) => kind !== "ServiceMonitor")) {
      const answer = await client.apply(object, { fieldManager: "timoni", dryRun: true }, never);
      assert.equal(nameOf(answer), nameOf(object));
    }
  });

for (const { name, chart, values, kubeVersion, says } of refusedByTimoni)
  test(`${chart} with ${name} is refused by CUE, which says where`, async () => {
    const options = { expression: "timoni.apply.app", ...(kubeVersion && { kubeVersion }) };
    const { exitCode, stderr } = await evaluate(chart, values, options);
    assert.equal(exitCode, 1);
    assert.match(stderr, says);
  });

const tags = ["-t", "name=flux-operator", "-t", "namespace=flux-system", "-t", "mv=0.1.0", "-t", "kv=1.30.0"];
for (const module of timoniModules) {
  const folder = join(timoniFolder, module);

  test(`${module}: cue vet finds nothing, and what is written by hand has the format of CUE`, async () => {
    assert.deepEqual(await cue(["vet", "-c=false", ...tags, "./..."], folder), { exitCode: 0, stdout: "", stderr: "" });
    const names = await readdir(folder, { recursive: true });
    const written = names.filter((name) => name.endsWith(".cue") && !name.endsWith("_gen.cue"));
    const said = await cue(["fmt", "--check", "--files", ...written], folder);
    assert.deepEqual(said, { exitCode: 0, stdout: "", stderr: "" });
  });

  test(`${module}: its build command prints the objects with the values of debug_values.cue`, async () => {
    const { exitCode, stdout, stderr } = await cue(["cmd", "-t", "debug", ...tags, "build"], folder);
    assert.equal(exitCode, 0, stderr);
    const objects = parseKubeYamlDocuments(stdout) as readonly KubeObject[];
    const own = module === "flux-operator" ? "ServiceMonitor" : "FluxInstance";
    assert.deepEqual(
      objects.filter(({ kind }) => kind === own).map(({ metadata }) => metadata.namespace),
      ["flux-system"],
    );
  });
}

test("the modules take the values that their READMEs show", async () => {
  const texts = timoniModules.map((module) => readFile(join(timoniFolder, module, "README.md"), "utf8"));
  const blocks = [...(await Promise.all(texts)).join("").matchAll(/^```cue\n([\s\S]*?)^```$/gm)];
  assert.equal(blocks.length, 3);
  for (const [, block = ""] of blocks) {
    const module = block.startsWith("values: instance") ? "flux-instance" : "flux-operator";
    assert.ok((await built(module, block)).length > 0);
  }
});

/** Source: https://timoni.sh/bundle */
const bundleSchema = `
#Bundle: {
	apiVersion: "v1alpha1"
	name: =~"^[a-z0-9]([-a-z0-9_.]*[a-z0-9])?$"
	instances: [=~"^[a-z0-9]([-a-z0-9_.]*[a-z0-9])?$"]: {
		module: {url: =~"^(oci|file)://", digest?: string, version: *"latest" | string}
		namespace: string
		values?: {...}
	}
}
bundle: #Bundle
`;

test("bundle.cue is a bundle, the operator comes first, and both modules take its values", async () => {
  const work = await mkdtemp(join(tmpdir(), "timoni-bundle-"));
  try {
    await writeFile(join(work, "schema.cue"), bundleSchema);
    const args = ["export", "bundle.cue", join(work, "schema.cue"), "-e", "bundle.instances"];
    const { exitCode, stdout, stderr } = await cue(args, timoniFolder);
    assert.equal(exitCode, 0, stderr);
    const instances: {
      readonly [name: string]: { readonly module: { readonly url: string }; readonly values?: JsonObject };
    } = JSON.parse(stdout);
    const places = Object.entries(instances).map(([name, { module }]) => [name, module.url]);
    assert.deepEqual(places, [
      ["flux-operator", "file://flux-operator"],
      ["flux", "file://flux-instance"],
    ]);
    for (const [index, { values = {} }] of Object.values(instances).entries())
      assert.ok((await built(timoniModules[index] ?? "flux-operator", values)).length > 0);
  } finally {
    await rm(work, { recursive: true });
  }
});

test("the definition of FluxInstance takes all examples, whose other version has the same fields", async () => {
  const examples = join(import.meta.dirname, "../../examples");
  const texts = await Promise.all((await readdir(examples)).map((name) => readFile(join(examples, name), "utf8")));
  const objects = texts.flatMap((text) => parseKubeYamlDocuments(text) as readonly KubeObject[]);
  const instances = objects.filter(({ kind }) => kind === "FluxInstance");
  assert.ok(instances.length > 0);
  const work = await mkdtemp(join(tmpdir(), "timoni-examples-"));
  try {
    for (const instance of instances) {
      const { metadata, ...others } = instance;
      const file = join(work, "instance.json");
      const whole = {
        ...others,
        apiVersion: fluxInstance.storageApiVersion,
        metadata: { namespace: "a", ...metadata },
      };
      await writeFile(file, JSON.stringify(whole));
      const schema = "./cue.mod/gen/fluxcd.controlplane.io/fluxinstance/v1/types_gen.cue";
      const said = await cue(["vet", "-c", schema, file, "-d", "#FluxInstance"], join(timoniFolder, "flux-instance"));
      assert.deepEqual(said, { exitCode: 0, stdout: "", stderr: "" });
    }
  } finally {
    await rm(work, { recursive: true });
  }
});

const condition = (type: string, status: string, observedGeneration: number): JsonObject => ({
  type,
  status,
  observedGeneration,
});
const looks: readonly { readonly name: string; readonly status?: JsonObject; readonly want: string }[] = [
  { name: "that no operator has seen", want: "InProgress" },
  { name: "without conditions", status: {}, want: "InProgress" },
  { name: "that is ready", status: { conditions: [condition("Ready", "True", 2)] }, want: "Current" },
  {
    name: "that was ready before its change",
    status: { conditions: [condition("Ready", "True", 1)] },
    want: "InProgress",
  },
  { name: "that is not ready", status: { conditions: [condition("Ready", "False", 2)] }, want: "InProgress" },
  {
    name: "that is stalled",
    status: { conditions: [condition("Ready", "False", 2), condition("Stalled", "True", 2)] },
    want: "Failed",
  },
  {
    name: "that was stalled before its change",
    status: { conditions: [condition("Ready", "Unknown", 2), condition("Stalled", "True", 1)] },
    want: "InProgress",
  },
];
for (const { name, status, want } of looks)
  test(`the health check calls an instance ${name} ${want}`, async () => {
    const instance: KubeObject = {
      apiVersion: "fluxcd.controlplane.io/v1",
      kind: "FluxInstance",
      metadata: { name: "flux", namespace: "flux-system", generation: 2 },
      spec: {},
      ...(status !== undefined && { status }),
    };
    assert.equal(await healthOf(instance), want);
  });
