import assert from "node:assert/strict";
import { join } from "node:path";
import { startOperator, type OperatorProcess } from "../../scripts/quickstart/operator-process.ts";
import { createApiClient } from "../../src/client/create-client.ts";
import { loadConnection } from "../../src/client/load-connection.ts";
import { fieldsOf, textOf } from "../../src/kube/fields.ts";
import type { JsonObject } from "../../src/kube/object.ts";
import { systemClock } from "../../src/std/clock.ts";
import { startControlPlane, type ControlPlane } from "../support/control-plane.ts";
import { isReady } from "../support/flux-cluster.ts";
import { chartFolder, helmDone, type ChartName } from "../support/helm.ts";
import { connectAsOperator } from "../support/installation.ts";
import { runJobPods, type JobPods } from "../support/job-pods.ts";
import {
  apply,
  eachProgram,
  plan,
  quiet,
  setUpTerraform,
  type Terraform,
  type TerraformProgram,
} from "../support/terraform.ts";

const namespace = "flux-system";
const instancePath = `/apis/fluxcd.controlplane.io/v1/namespaces/${namespace}/fluxinstances/flux`;
const deploymentsPath = `/apis/apps/v1/namespaces/${namespace}/deployments`;
const secretPath = `/api/v1/namespaces/${namespace}/secrets/${namespace}`;
const kustomizations = "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/apps/kustomizations";
const crdPath = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

type World = { readonly plane: ControlPlane; readonly jobs: JobPods; readonly terraform: Terraform };

async function world(program: TerraformProgram, use: (world: World) => Promise<void>): Promise<void> {
  await using plane = await startControlPlane({ variant: "full" });
  const connection = await loadConnection({ kubeconfig: plane.kubeconfigPath, env: {}, clock: systemClock });
  const client = createApiClient({ connection, userAgent: "test", clock: systemClock });
  try {
    await using jobs = runJobPods(plane, client);
    const folder = join(plane.folder, "terraform");
    await use({ plane, jobs, terraform: await setUpTerraform(program, { folder, kubeconfig: plane.kubeconfigPath }) });
  } finally {
    await client.close();
  }
}

const statusAt = async ({ plane }: World, path: string): Promise<number> =>
  (await plane.rest.request("GET", path)).status;
const namesAt = async ({ plane }: World, path: string): Promise<readonly string[]> =>
  (await plane.rest.list(path)).map(({ metadata }) => metadata.name).toSorted();
const specOf = async ({ plane }: World): Promise<JsonObject> => fieldsOf((await plane.rest.get(instancePath))["spec"]);
/** 0: nothing to do; 2: something. */
const planCode = async ({ terraform }: World): Promise<number> =>
  (await terraform.run(...plan, "-detailed-exitcode")).exitCode;
const lastRun = ({ jobs }: World): string => `${jobs.runs().at(-1)?.stdout}${jobs.runs().at(-1)?.stderr}`;

const variables = {
  distribution: { version: "2.8.x" },
  components: ["source-controller", "kustomize-controller"],
  sync: { url: "https://example.com/fleet", ref: "refs/heads/main", path: "clusters/one" },
  sync_credentials: { username: "git", password: "hunter2" },
};
const write = async ({ terraform }: World, changed: JsonObject): Promise<void> =>
  await terraform.write({ flux: { ...variables, ...changed } });

/** Applies, and starts the operator's program when its Deployment is there. The pod is only kwok's. */
async function firstApply(cluster: World): Promise<OperatorProcess> {
  const { plane, terraform } = cluster;
  const applied = terraform.done(...apply);
  const failed = new AbortController();
  applied.catch((error: unknown) => failed.abort(error));
  while ((await statusAt(cluster, `${deploymentsPath}/flux-operator`)) !== 200)
    await systemClock.sleep(100, failed.signal);
  const operator = startOperator({ kubeconfigPath: await connectAsOperator(plane), folder: plane.folder });
  try {
    assert.doesNotMatch(await applied, /hunter2/);
    return operator;
  } catch (error) {
    await operator.stop();
    throw error;
  }
}

/** Something that runs, and a Kustomization that would delete it. */
async function runWorkload({ plane }: World): Promise<string> {
  await plane.rest.create("/api/v1/namespaces", {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: "apps" },
  });
  const labels = { app: "shop" };
  const pod = { metadata: { labels }, spec: { containers: [{ name: "shop", image: "example.com/shop" }] } };
  const shop = await plane.rest.create("/apis/apps/v1/namespaces/apps/deployments", {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "shop", namespace: "apps" },
    spec: { replicas: 1, selector: { matchLabels: labels }, template: pod },
  });
  await plane.rest.create(kustomizations, {
    apiVersion: "kustomize.toolkit.fluxcd.io/v1",
    kind: "Kustomization",
    metadata: { name: "shop", namespace: "apps", finalizers: ["finalizers.fluxcd.io"] },
    spec: { interval: "1h", prune: true, path: "./", sourceRef: { kind: "GitRepository", name: "shop" } },
  });
  return shop.metadata.uid ?? "";
}

eachProgram("applies, changes, repairs and destroys", async (program, context) => {
  await world(program, async (cluster) => {
    const { plane, terraform } = cluster;
    await write(cluster, {});
    await terraform.done("init", ...quiet);
    await terraform.done("validate", "-no-color");
    assert.equal(await planCode(cluster), 2);

    await using operator = await firstApply(cluster);
    await context.test("an apply ends when Flux is ready", async () => {
      assert.match(lastRun(cluster), /^FluxInstance flux-system\/flux is ready: /);
      assert.ok(isReady(await plane.rest.get(instancePath)));
      assert.deepEqual(await namesAt(cluster, deploymentsPath), [
        "flux-operator",
        "kustomize-controller",
        "source-controller",
      ]);
      const { data, type } = await plane.rest.get(secretPath);
      assert.deepEqual([type, data], ["Opaque", { username: "Z2l0", password: "aHVudGVyMg==" }]);
      assert.equal(fieldsOf((await specOf(cluster))["sync"])["pullSecret"], namespace);
    });

    await context.test("another plan has nothing to do", async () => assert.equal(await planCode(cluster), 0));

    const uid = await runWorkload(cluster);
    await context.test("another version is installed", async () => {
      await write(cluster, { distribution: { version: "2.9.x" } });
      await terraform.done(...apply);
      const { spec, status } = await plane.rest.get(instancePath);
      assert.equal(fieldsOf(fieldsOf(spec)["distribution"])["version"], "2.9.x");
      assert.match(textOf(fieldsOf(status)["lastAppliedRevision"]), /^v2\.9\./);
      assert.equal(await planCode(cluster), 0);
    });

    await context.test("what another client has changed is planned and restored", async () => {
      const before = await specOf(cluster);
      const body = { spec: { cluster: { multitenant: true }, distribution: { version: "2.7.x" } } };
      assert.equal((await plane.rest.request("PATCH", instancePath, { body })).status, 200);
      assert.equal(await planCode(cluster), 2);
      await terraform.done(...apply);
      assert.deepEqual(await specOf(cluster), before);
      assert.ok(isReady(await plane.rest.get(instancePath)));
      assert.equal(await planCode(cluster), 0);
    });

    await context.test("an apply of a Flux that does not exist fails, and the next one waits again", async () => {
      await write(cluster, { distribution: { version: "9.x" } });
      const { exitCode, stderr } = await terraform.run(...apply);
      assert.equal(exitCode, 1);
      assert.match(stderr, /BackoffLimitExceeded/);
      assert.match(lastRun(cluster), /FluxInstance flux-system\/flux cannot become ready: NeedsNewerOperator: /);
      assert.equal((await terraform.run(...apply)).exitCode, 1);
      await write(cluster, { distribution: { version: "2.9.x" } });
      await terraform.done(...apply);
      assert.equal(await planCode(cluster), 0);
    });

    await context.test("a destroy has Flux uninstalled, and deletes no workload", async () => {
      await terraform.done("destroy", ...apply.slice(1));
      assert.equal(await statusAt(cluster, instancePath), 404);
      assert.equal(await statusAt(cluster, secretPath), 404);
      assert.deepEqual(await namesAt(cluster, deploymentsPath), []);
      const crds = await namesAt(cluster, crdPath);
      assert.deepEqual(
        crds.filter((name) => name.includes("flux")),
        ["fluxinstances.fluxcd.controlplane.io"],
      );
      const shop = await plane.rest.get("/apis/apps/v1/namespaces/apps/deployments/shop");
      assert.deepEqual([shop.metadata.uid, shop.metadata.deletionTimestamp], [uid, undefined]);
      assert.deepEqual((await terraform.done("state", "list")).trim(), "");
      assert.equal(operator.process.exitCode, null);
    });
  });
});

eachProgram("imports what Helm has installed, and nothing of it restarts", async (program) => {
  await world(program, async (cluster) => {
    const { plane, terraform } = cluster;
    const install = async (release: string, chart: ChartName, ...args: readonly string[]): Promise<string> =>
      await helmDone("helm", ["install", release, chartFolder(chart), "-n", namespace, ...args], plane.kubeconfigPath);
    await install("flux-operator", "flux-operator", "--create-namespace", "--wait");
    await using operator = startOperator({
      kubeconfigPath: await connectAsOperator(plane),
      folder: plane.folder,
    });
    await install("flux", "flux-instance", "--set", "healthcheck.enabled=true");
    const marks = async (): Promise<readonly unknown[]> => [
      (await plane.rest.get(instancePath)).metadata.uid,
      await specOf(cluster),
      (await plane.rest.get(`${crdPath}/fluxinstances.fluxcd.controlplane.io`)).metadata.uid,
      (await namesAt(cluster, `/api/v1/namespaces/${namespace}/pods`)).filter((name) => !name.includes("healthcheck")),
    ];
    const before = await marks();

    await terraform.write({ flux: {} });
    await terraform.done("init", ...quiet);
    const flux = "fluxcd.controlplane.io/v1//FluxInstance//flux//flux-system";
    await terraform.done("import", ...quiet, "module.flux.helm_release.operator", "flux-system/flux-operator");
    await terraform.done("import", ...quiet, "module.flux.kubectl_manifest.instance", flux);
    await terraform.done(...apply);
    assert.deepEqual(await marks(), before);
    assert.equal(await planCode(cluster), 0);
    assert.equal(operator.process.exitCode, null);
  });
});
