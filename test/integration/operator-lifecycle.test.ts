import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { writeBundle } from "../../scripts/bundle.ts";
import { fluxInstanceCrd } from "../../src/api/crd.ts";
import { fieldsOf, listOf } from "../../src/kube/fields.ts";
import type { JsonObject, KubeObject } from "../../src/kube/object.ts";
import { systemClock } from "../../src/std/clock.ts";
import {
  condition,
  isReady,
  namespace,
  startFluxCluster,
  statusOf,
  type FluxCluster,
} from "../support/flux-cluster.ts";
import { applyFile, connectAsOperator, kubectl } from "../support/installation.ts";
import type { ControlPlane } from "../support/control-plane.ts";

const instancePath = `/apis/fluxcd.controlplane.io/v1/namespaces/${namespace}/fluxinstances/flux`;
let folder: string;
let cluster: FluxCluster;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "flux-operator-lifecycle-"));
  await writeBundle(folder);
  cluster = await startFluxCluster({ kubeconfig: install, main: join(folder, "operator.mjs") });
});
after(async () => {
  await cluster[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

async function install(plane: ControlPlane): Promise<string> {
  const { complaints } = await applyFile(plane, "packaging/yaml/install.yaml");
  assert.equal(complaints, "");
  return await connectAsOperator(plane);
}

type Schema = { properties: { spec: { properties: Properties }; status: { properties: Properties } } };
type Properties = { [field: string]: unknown };

/** Our CRD as another version of the operator would bring it. */
function crdWith(change: (schema: Schema["properties"]) => void, base = fluxInstanceCrd()): KubeObject {
  const crd = structuredClone(base);
  for (const version of listOf(fieldsOf(crd["spec"])["versions"]).map(fieldsOf)) {
    const { openAPIV3Schema } = fieldsOf(version["schema"]) as { openAPIV3Schema: Schema };
    change(openAPIV3Schema.properties);
  }
  return crd;
}

/** All that is there but the instance, its CRD and what Kubernetes keeps of Services, as "name uid@resourceVersion". */
async function running(): Promise<readonly string[]> {
  const entries = [...(await cluster.snapshot())].filter(
    ([name]) => !/^(FluxInstance|IPAddress|CustomResourceDefinition\/fluxinstances)/.test(name),
  );
  return entries.map(([name, at]) => `${name} ${at}`).toSorted();
}

let replaced = 0;

/** As `kubectl apply --server-side` of another version; resolves when the API server goes by it, which a field tells that only this one has. */
async function replaceCrd(crd: KubeObject): Promise<void> {
  replaced += 1;
  const mark = `replaced${replaced}`;
  const marked = crdWith(({ status }) => (status.properties[mark] = { type: "string" }), crd);
  const deadline = AbortSignal.timeout(60_000);
  await cluster.client.apply(marked, { fieldManager: "kubectl" }, deadline);
  for (let tried: JsonObject = {}; tried[mark] === undefined;) {
    await systemClock.sleep(50, deadline);
    const patch = { status: { [mark]: "served" } };
    tried = statusOf(await cluster.plane.rest.patch(`${instancePath}/status?dryRun=All`, patch));
  }
}

async function restart(): Promise<KubeObject> {
  await cluster.restartOperator();
  return await cluster.reconcile();
}

async function applyInstance(version: string): Promise<void> {
  await cluster.apply({
    apiVersion: "fluxcd.controlplane.io/v1",
    kind: "FluxInstance",
    metadata: { name: "flux", namespace },
    spec: { distribution: { version, registry: "ghcr.io/fluxcd" }, components },
  });
  await cluster.instanceWhen(
    `ready at ${version}`,
    (instance) => isReady(instance) && statusOf(instance)["lastAppliedVersion"] === version,
  );
  // The record of the last good revision is written behind the status.
  await cluster.reconcile();
}

const components = ["source-controller", "kustomize-controller"];

/** What the operator writes over `count` reconciles on request. */
async function writesOf(count: number): Promise<readonly string[]> {
  const before = (await cluster.writes()).length;
  for (let left = count; left > 0; left -= 1) await cluster.reconcile();
  return (await cluster.writes())
    .slice(before)
    .map(({ verb, requestURI }) => `${verb} ${requestURI.split("?")[0] ?? ""}`);
}

const echo = `patch ${instancePath}/status`;

/** Fields of the status that a first version of the operator might not have had. */
const laterStatus = [
  "latestVersion",
  "lastAppliedImages",
  "lastArtifactRevision",
  "lastGoodDigest",
  "components",
  "history",
  "plan",
  "warnings",
  "patches",
];

function missing(instance: KubeObject): readonly string[] {
  return laterStatus.filter((field) => statusOf(instance)[field] === undefined);
}

const canary = { type: "object", properties: { percent: { type: "integer" } } };

const olderCrd = crdWith(({ spec, status }) => {
  for (const field of laterStatus) delete status.properties[field];
  for (const field of ["upgrade", "driftIgnore"]) delete spec.properties[field];
  const text = JSON.stringify(spec.properties, (key, value: unknown) => (key === "default" ? undefined : value));
  spec.properties = JSON.parse(text) as Properties;
});

describe("beside a CRD or a status of another version, the operator", { concurrency: 1 }, () => {
  let installed: readonly string[];
  let whole: readonly string[];

  before(async () => {
    await applyInstance("2.9.4");
    installed = await running();
    whole = missing(await cluster.instance());
  });

  test("leaves what a newer one has written into the status as it is", async () => {
    await cluster.operator.stop();
    await replaceCrd(crdWith(({ status }) => (status.properties["canary"] = canary)));
    await cluster.plane.rest.patch(`${instancePath}/status`, { status: { canary: { percent: 20 } } });
    const instance = await restart();
    assert.deepEqual(statusOf(instance)["canary"], { percent: 20 });
    assert.ok(isReady(instance));
    assert.deepEqual(await writesOf(2), [echo, echo]);
    assert.deepEqual(await running(), installed);
  });

  test("says which field of the spec only a newer one knows, and leaves what runs as it is", async () => {
    await cluster.operator.stop();
    await replaceCrd(crdWith(({ spec }) => (spec.properties["canary"] = { ...canary, default: { percent: 10 } })));
    const instance = await restart();
    assert.equal(
      condition(instance, "UpToDate"),
      "False/BuildFailed: Cannot use FluxInstance flux-system/flux: spec.canary is no field of FluxInstance in this version of the operator: remove it, or use a version that has it",
    );
    assert.ok(isReady(instance));
    assert.deepEqual(await running(), installed);
  });

  test("does without the fields that an older CRD lacks, and writes nothing again and again", async () => {
    await cluster.operator.stop();
    await replaceCrd(olderCrd);
    const instance = await restart();
    assert.deepEqual(missing(instance), laterStatus);
    assert.match(condition(instance, "UpToDate") ?? "", /^True\//);
    assert.ok(isReady(instance));
    assert.equal(
      condition(instance, "Warning"),
      "True/OlderDefinition: CustomResourceDefinition fluxinstances.fluxcd.controlplane.io is of an older operator and drops spec.upgrade, spec.driftIgnore, status.latestVersion and 8 more; apply that of this operator, which comes with its manifests and its chart",
    );
    assert.deepEqual(await writesOf(3), [echo, echo, echo]);
    assert.deepEqual(await running(), installed);
  });

  test("upgrades under an older CRD, too", async () => {
    await applyInstance("2.9.3");
    await applyInstance("2.9.4");
    assert.deepEqual(await writesOf(2), [echo, echo]);
  });

  test("makes the status of an older one whole when the CRD has the fields, and leaves what runs as it is", async () => {
    await cluster.operator.stop();
    const before = await running();
    await replaceCrd(fluxInstanceCrd());
    assert.deepEqual(missing(await cluster.instance()), laterStatus);
    const instance = await restart();
    assert.deepEqual(missing(instance), whole);
    assert.equal(condition(instance, "Warning"), undefined);
    assert.deepEqual(await writesOf(2), [echo, echo]);
    assert.deepEqual(await running(), before);
  });
});

const own = /\/flux-operator(-manager|-edit|-view)? /;

/** The namespace aside, of which kubectl manages again what it applies. */
function isOfFlux(entry: string): boolean {
  return !own.test(entry) && !entry.startsWith(`Namespace/${namespace} `);
}

describe("where the operator is deleted and Flux is not", { concurrency: 1 }, () => {
  const selector = "app.kubernetes.io/name=flux-operator";
  let installed: readonly string[];

  test("Flux and the instance stay as they are", async () => {
    installed = await running();
    await cluster.operator.stop();
    const admin = (...args: readonly string[]) => kubectl(cluster.plane, cluster.plane.kubeconfigPath, args);
    const within = "deployment,service,serviceaccount,networkpolicy,role,rolebinding";
    const answers = [
      await admin("-n", namespace, "delete", within, "-l", selector),
      await admin("delete", "clusterrole,clusterrolebinding", "-l", selector),
    ];
    assert.deepEqual(
      answers.map(({ complaints }) => complaints),
      ["", ""],
    );
    assert.deepEqual(
      await running(),
      installed.filter((entry) => !own.test(entry)),
    );
    assert.ok(isReady(await cluster.instance()));
  });

  test("an operator that is installed again goes on, and changes nothing", async () => {
    await install(cluster.plane);
    await restart();
    assert.deepEqual(await writesOf(1), [echo]);
    assert.deepEqual((await running()).filter(isOfFlux), installed.filter(isOfFlux));
  });
});

describe("where install.yaml is deleted before the instance", { concurrency: 1 }, () => {
  const used = {
    apiVersion: "kustomize.toolkit.fluxcd.io/v1",
    kind: "Kustomization",
    metadata: { name: "app", namespace: "default", finalizers: ["finalizers.fluxcd.io"] },
    spec: { interval: "10m0s", prune: true, sourceRef: { kind: "OCIRepository", name: "app" } },
  };

  test("Flux ends with its namespace, which the instance's finalizer holds until somebody takes it off", async () => {
    await cluster.apply(used);
    await cluster.operator.stop();
    const file = join(import.meta.dirname, "../../packaging/yaml/install.yaml");
    const { complaints } = await kubectl(cluster.plane, cluster.plane.kubeconfigPath, [
      "delete",
      "--wait=false",
      "-f",
      file,
    ]);
    assert.equal(complaints, "");
    await cluster.gone(`Deployment/${namespace}/kustomize-controller`);
    const { metadata } = await cluster.instance();
    assert.deepEqual(metadata.finalizers, ["fluxcd.controlplane.io/finalizer"]);
    await cluster.patchInstance({ metadata: { finalizers: null } });
    await cluster.gone(`Namespace/${namespace}`);
    await cluster.gone("CustomResourceDefinition/fluxinstances.fluxcd.controlplane.io");
  });

  test("a new installation takes over the CRDs of Flux and what users have of them", async () => {
    const path = "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/default/kustomizations/app";
    const { metadata } = await cluster.plane.rest.get(path);
    await install(cluster.plane);
    await cluster.restartOperator();
    await applyInstance("2.9.4");
    assert.deepEqual((await cluster.plane.rest.get(path)).metadata, metadata);
  });
});
