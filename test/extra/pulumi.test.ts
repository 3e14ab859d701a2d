import assert from "node:assert/strict";
import { mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { goTool } from "../../scripts/go-tool.ts";
import { startOperator, type OperatorProcess } from "../../scripts/quickstart/operator-process.ts";
import { createApiClient } from "../../src/client/create-client.ts";
import { loadConnection } from "../../src/client/load-connection.ts";
import { fieldsOf } from "../../src/kube/fields.ts";
import type { JsonObject } from "../../src/kube/object.ts";
import { systemClock } from "../../src/std/clock.ts";
import { errorMessage } from "../../src/std/errors.ts";
import { startControlPlane, type ControlPlane } from "../support/control-plane.ts";
import { isReady, statusOf } from "../support/flux-cluster.ts";
import { chartFolder } from "../support/helm.ts";
import { connectAsOperator } from "../support/installation.ts";
import { runJobPods } from "../support/job-pods.ts";
import { compilePrograms, npmWorld, type NpmWorld } from "../support/npm-packages.ts";
import { watchWorkloads } from "../support/workload-watch.ts";

const { signal } = new AbortController();
const patienceMs = 120_000;
const namespace = "flux-system";
const crdPath = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/fluxinstances.fluxcd.controlplane.io";
const instancePath = `/apis/fluxcd.controlplane.io/v1/namespaces/${namespace}/fluxinstances/flux`;
const deploymentsPath = `/apis/apps/v1/namespaces/${namespace}/deployments`;

/** What is used of Pulumi's automation API. */
type Changes = { readonly [operation: string]: number };
type EngineEvent = { readonly resourcePreEvent?: { readonly metadata: { readonly op: string; readonly urn: string } } };
type Stack = {
  setConfig(name: string, value: { readonly value: string }): Promise<void>;
  preview(options?: object): Promise<{ readonly changeSummary: Changes }>;
  up(): Promise<{
    readonly summary: { readonly resourceChanges?: Changes };
    readonly outputs: { readonly [name: string]: { readonly value: unknown } };
  }>;
  destroy(): Promise<{ readonly summary: { readonly resourceChanges?: Changes } }>;
};
type Automation = {
  readonly PulumiCommand: { get(options: object): Promise<unknown> };
  readonly LocalWorkspace: { createOrSelectStack(program: object, options: object): Promise<Stack> };
};
type Program = () => Promise<object>;
type Resource = new (name: string, args: object, options?: object) => { readonly urn: unknown };
type Components = { readonly FluxInstance: Resource; readonly FluxOperator: Resource };

/** A stack of `program`, whose state lies in `folder`, in the cluster of a kubeconfig. Engine and provider are ours, and nothing is downloaded. */
async function stackOf(
  world: NpmWorld,
  { folder, kubeconfigPath }: ControlPlane,
): Promise<(program: Program) => Promise<Stack>> {
  const { LocalWorkspace, PulumiCommand } = world.require("@pulumi/pulumi/automation") as Automation;
  const root = join(folder, "pulumi");
  for (const name of ["bin", "state", "home", "work"]) await mkdir(join(root, name), { recursive: true });
  await symlink(await goTool("pulumi", signal), join(root, "bin/pulumi"));
  await symlink(await goTool("pulumi-kubernetes", signal), join(root, "bin/pulumi-resource-kubernetes"));
  const options = {
    workDir: join(root, "work"),
    pulumiCommand: await PulumiCommand.get({ root }),
    envVars: {
      PATH: `${join(root, "bin")}:${process.env["PATH"]}`,
      HOME: join(root, "home"),
      PULUMI_HOME: join(root, "home"),
      PULUMI_BACKEND_URL: `file://${join(root, "state")}`,
      PULUMI_CONFIG_PASSPHRASE: "",
      PULUMI_SKIP_UPDATE_CHECK: "true",
      KUBECONFIG: kubeconfigPath,
    },
  };
  return (program) => LocalWorkspace.createOrSelectStack({ stackName: "dev", projectName: "fleet", program }, options);
}

/** The operator's program, started as soon as its Deployment is there; the pod is only kwok's. */
async function operatorWhenInstalled(plane: ControlPlane, stop: AbortSignal): Promise<OperatorProcess> {
  const deadline = AbortSignal.any([stop, AbortSignal.timeout(patienceMs)]);
  while ((await plane.rest.request("GET", `${deploymentsPath}/flux-operator`)).status !== 200)
    await systemClock.sleep(50, deadline);
  return startOperator({ kubeconfigPath: await connectAsOperator(plane), folder: plane.folder });
}

/** What shall not notice any of this. */
async function createWorkload({ rest }: ControlPlane): Promise<void> {
  const labels = { app: "shop" };
  const container = { name: "shop", image: "registry.example.com/shop:1" };
  await rest.create("/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
  await rest.create("/apis/apps/v1/namespaces/shop/deployments", {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "shop", namespace: "shop" },
    spec: {
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [container] } },
    },
  });
}

test("Pulumi's engine installs, changes and removes the operator and its Flux", async (context) => {
  await using world = await npmWorld();
  await compilePrograms(world, ["examples/pulumi/index.ts"]);
  await using plane = await startControlPlane({ variant: "full" });
  const connection = await loadConnection({ kubeconfig: plane.kubeconfigPath, env: {}, clock: systemClock });
  const client = createApiClient({ connection, userAgent: "test", clock: systemClock });
  await using jobs = runJobPods(plane, client);
  await createWorkload(plane);
  await using workloads = await watchWorkloads(client, ["shop"]);
  assert.deepEqual(await workloads.news(), ["Namespace/shop appeared", "Deployment/shop/shop appeared"]);
  const names = async () => (await plane.rest.list(deploymentsPath)).map(({ metadata }) => metadata.name).toSorted();
  const statusAt = async (path: string) => (await plane.rest.request("GET", path)).status;

  const stackFor = await stackOf(world, plane);
  const stack = await stackFor(async () => world.require("./examples/pulumi/index.js") as object);
  await stack.setConfig("chart", { value: chartFolder("flux-operator") });
  await stack.setConfig("fluxVersion", { value: "2.8.x" });
  const starting = new AbortController();

  await context.test("a preview tells four resources, and writes nothing", async () => {
    const { changeSummary } = await stack.preview();
    assert.deepEqual(changeSummary, { create: 4 });
    assert.equal(await statusAt(`/api/v1/namespaces/${namespace}`), 404);
  });

  const operator = operatorWhenInstalled(plane, starting.signal);
  await context.test("up ends when Flux is Ready, and tells the version", async () => {
    const { outputs, summary } = await stack.up();
    const instance = await plane.rest.get(instancePath);
    assert.ok(isReady(instance));
    assert.match(String(outputs["version"]?.value), /^2\.8\.\d+$/);
    assert.equal(outputs["version"]?.value, statusOf(instance)["lastAppliedVersion"]);
    assert.deepEqual(summary.resourceChanges, { create: 4 });
    assert.deepEqual(await names(), ["flux-operator", "kustomize-controller", "source-controller"]);
  });

  await context.test("up again changes nothing", async () => {
    const before = await plane.rest.get(instancePath);
    const { summary } = await stack.up();
    assert.deepEqual(summary.resourceChanges, { same: 4 });
    assert.equal((await plane.rest.get(instancePath)).metadata.resourceVersion, before.metadata.resourceVersion);
  });

  await context.test("another version is previewed as one update, and up ends when it runs", async () => {
    await stack.setConfig("fluxVersion", { value: "2.9.x" });
    assert.deepEqual((await stack.preview()).changeSummary, { same: 3, update: 1 });
    const { outputs, summary } = await stack.up();
    assert.deepEqual(summary.resourceChanges, { same: 3, update: 1 });
    const instance = await plane.rest.get(instancePath);
    assert.ok(isReady(instance));
    assert.match(String(outputs["version"]?.value), /^2\.9\.\d+$/);
    assert.equal(outputs["version"]?.value, statusOf(instance)["lastAppliedVersion"]);
  });

  /** The example with another spec, and not as long a patience. */
  const stackWith = (spec: JsonObject, where: JsonObject = {}) =>
    stackFor(async () => {
      const { FluxInstance, FluxOperator } = world.require("@flux-operator/pulumi") as Components;
      const operator = new FluxOperator("flux-operator", { chart: chartFolder("flux-operator"), ...where });
      const distribution = { version: "2.9.x", registry: "ghcr.io/fluxcd", ...fieldsOf(spec["distribution"]) };
      const options = { customTimeouts: { update: "10s" } };
      return { urn: new FluxInstance("flux", { operator, spec: { ...spec, distribution } }, options).urn };
    });
  const refusal = async (spec: JsonObject, operation: "preview" | "up") => {
    const other = await stackWith(spec);
    return await other[operation]().then(() => "", errorMessage);
  };

  await context.test("a preview tells what the API server refuses", async () => {
    const said = await refusal({ cluster: { multitenantWorkloadIdentity: true } }, "preview");
    assert.match(said, /cluster\.multitenantWorkloadIdentity true needs cluster\.objectLevelWorkloadIdentity true/);
  });

  await context.test(
    "up of a Flux that does not exist shows what the operator warns of, and ends at its timeout",
    async () => {
      const said = await refusal({ distribution: { version: "9.x" } }, "up");
      assert.match(said, /warning: NeedsNewerOperator: Cannot find a release for version range "9\.x"/);
      assert.match(
        said,
        /"flux-system\/flux" failed to fully initialize or become live: timed out waiting for the condition/,
      );
    },
  );

  await context.test("up with the version of before mends it", async () => {
    await stack.up();
    assert.ok(isReady(await plane.rest.get(instancePath)));
  });

  await context.test("another namespace is previewed as a replacement of both, the old ones first", async () => {
    const steps: string[] = [];
    const onEvent = ({ resourcePreEvent }: EngineEvent) => {
      const { op, urn = "" } = resourcePreEvent?.metadata ?? {};
      if (op !== undefined && op !== "same") steps.push(`${op} ${urn.replace(/^.*[:/](?=\w+::)/, "")}`);
    };
    const other = await stackWith({}, { namespace: "fleet" });
    await other.preview({ onEvent });
    assert.deepEqual(steps, [
      "delete-replaced FluxInstance::flux",
      "delete-replaced Release::flux-operator",
      "replace Release::flux-operator",
      "create-replacement Release::flux-operator",
      "replace FluxInstance::flux",
      "create-replacement FluxInstance::flux",
    ]);
  });

  await context.test("destroy removes Flux, then the operator, and keeps the CRD", async () => {
    const { summary } = await stack.destroy();
    assert.deepEqual(summary.resourceChanges, { delete: 4 });
    assert.equal(await statusAt(instancePath), 404);
    assert.equal(await statusAt(crdPath), 200);
    assert.deepEqual(await names(), []);
    assert.deepEqual(
      jobs.runs().map(({ job, exitCode, stdout }) => ({ job, exitCode, stdout })),
      [
        {
          job: "flux-operator-uninstall",
          exitCode: 0,
          stdout: `FluxInstance ${namespace}/flux is not there: nothing to delete\n`,
        },
      ],
    );
  });

  await context.test("a workload in another namespace was never touched", async () => {
    assert.deepEqual(await workloads.news(), []);
  });
  starting.abort();
  await (await operator)[Symbol.asyncDispose]();
  await client.close();
});
