import assert from "node:assert/strict";
import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { instanceWithoutRoles } from "../../scripts/manifests/instance.ts";
import { startOperator, type OperatorProcess } from "../../scripts/quickstart/operator-process.ts";
import { createApiClient } from "../../src/client/create-client.ts";
import { loadConnection } from "../../src/client/load-connection.ts";
import { fieldsOf, listOf } from "../../src/kube/fields.ts";
import { systemClock } from "../../src/std/clock.ts";
import { startControlPlane, type ControlPlane } from "../support/control-plane.ts";
import { isReady } from "../support/flux-cluster.ts";
import { chartFolder, helm, helmDone, helmVersions, type HelmRun, type HelmVersion } from "../support/helm.ts";
import { connectAsOperator, forbiddenRequests } from "../support/installation.ts";
import { runJobPods, type JobPods } from "../support/job-pods.ts";

const namespace = "flux-system";
const crdPath = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/fluxinstances.fluxcd.controlplane.io";
const instancePath = `/apis/fluxcd.controlplane.io/v1/namespaces/${namespace}/fluxinstances/flux`;
const leasePath = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/flux-operator`;
const deploymentsPath = `/apis/apps/v1/namespaces/${namespace}/deployments`;
const rolesPath = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}/roles`;

type World = {
  readonly plane: ControlPlane;
  readonly jobs: JobPods;
  run(...args: readonly string[]): Promise<HelmRun>;
  done(...args: readonly string[]): Promise<string>;
};

const namesAt = async ({ plane }: World, path: string): Promise<readonly string[]> =>
  (await plane.rest.list(path)).map(({ metadata }) => metadata.name).toSorted();
const statusAt = async ({ plane }: World, path: string): Promise<number> =>
  (await plane.rest.request("GET", path)).status;
const lastRun = ({ jobs }: World) => jobs.runs().at(-1);

/** The operator's chart of a release whose CRD has no `spec.driftIgnore` yet. */
async function olderChart({ plane }: World): Promise<string> {
  const folder = join(plane.folder, "older-chart");
  await cp(chartFolder("flux-operator"), folder, { recursive: true });
  const file = join(folder, "files/crds.yaml");
  const crd = await readFile(file, "utf8");
  const older = crd.replaceAll("driftIgnore:", "formerDriftIgnore:");
  assert.notEqual(older, crd);
  await writeFile(file, older);
  return folder;
}

async function specFields({ plane }: World): Promise<readonly string[]> {
  const { spec } = await plane.rest.get(crdPath);
  const [version] = listOf(fieldsOf(spec)["versions"]);
  const schema = fieldsOf(fieldsOf(fieldsOf(version)["schema"])["openAPIV3Schema"]);
  return Object.keys(fieldsOf(fieldsOf(fieldsOf(schema["properties"])["spec"])["properties"]));
}

/** The operator's program, with the rights of the chart's service account. The pod of its Deployment is only kwok's. */
async function operatorOf({ plane }: World): Promise<OperatorProcess> {
  const kubeconfigPath = await connectAsOperator(plane);
  return startOperator({ kubeconfigPath, folder: plane.folder });
}

async function world(version: HelmVersion, use: (world: World) => Promise<void>): Promise<void> {
  await using plane = await startControlPlane({ variant: "full" });
  const connection = await loadConnection({ kubeconfig: plane.kubeconfigPath, env: {}, clock: systemClock });
  const client = createApiClient({ connection, userAgent: "test", clock: systemClock });
  try {
    await using jobs = runJobPods(plane, client);
    const full = (args: readonly string[]) => [...args, "--namespace", namespace];
    await use({
      plane,
      jobs,
      run: (...args) => helm(version, full(args), plane.kubeconfigPath),
      done: (...args) => helmDone(version, full(args), plane.kubeconfigPath),
    });
  } finally {
    await client.close();
  }
}

const operatorChart = chartFolder("flux-operator");
const instanceChart = chartFolder("flux-instance");
const flux = ["--set", "instance.components={source-controller}", "--set", "healthcheck.enabled=true"];
const namesAll = ["flux-operator", "source-controller"];

async function installInstance(cluster: World): Promise<void> {
  const { exitCode, stderr } = await cluster.run("install", "flux", instanceChart, ...flux);
  assert.equal(exitCode, 0, stderr + JSON.stringify(lastRun(cluster)));
  assert.equal(lastRun(cluster)?.job, "flux-healthcheck");
  assert.match(lastRun(cluster)?.stdout ?? "", /^FluxInstance flux-system\/flux is ready: /);
}

for (const version of helmVersions)
  test(`${version} installs, upgrades and uninstalls both charts`, async (context) => {
    await world(version, async (cluster) => {
      await context.test("the operator is installed, and its Deployment becomes available", async () => {
        const older = await olderChart(cluster);
        const said = await cluster.done("install", "flux-operator", older, "--create-namespace", "--wait");
        assert.match(said, /Flux operator v\S+ runs in namespace flux-system\./);
        assert.deepEqual(await namesAt(cluster, deploymentsPath), ["flux-operator"]);
        const known = await specFields(cluster);
        assert.ok(known.includes("formerDriftIgnore") && !known.includes("driftIgnore"));
      });

      await context.test("an upgrade upgrades the CRD", async () => {
        await cluster.done("upgrade", "flux-operator", operatorChart);
        const known = await specFields(cluster);
        assert.ok(known.includes("driftIgnore") && !known.includes("formerDriftIgnore"));
      });

      await using operator = await operatorOf(cluster);
      await context.test("an instance is installed when its health check says that it is ready", async () => {
        await installInstance(cluster);
        assert.ok(isReady(await cluster.plane.rest.get(instancePath)));
        assert.deepEqual(await namesAt(cluster, deploymentsPath), namesAll);
      });

      await context.test("an upgrade to a Flux that does not exist fails at once, and says why", async () => {
        const bad = ["--set", "instance.distribution.version=9.x"];
        const said = await cluster.run("upgrade", "flux", instanceChart, ...flux, ...bad);
        assert.notEqual(said.exitCode, 0);
        assert.match(said.stderr, /UPGRADE FAILED: post-upgrade hooks failed: [\s\S]*flux-healthcheck/);
        assert.match(
          lastRun(cluster)?.stderr ?? "",
          /^error: FluxInstance flux-system\/flux cannot become ready: NeedsNewerOperator: .* version range "9\.x"/m,
        );
      });

      await context.test("a rollback is good again", async () => {
        await cluster.done("rollback", "flux", "1");
        assert.match(lastRun(cluster)?.stdout ?? "", /^FluxInstance flux-system\/flux is ready: /);
        assert.ok(isReady(await cluster.plane.rest.get(instancePath)));
      });

      await context.test("an uninstall of the operator first uninstalls Flux, and keeps the CRD", async () => {
        const { exitCode, stderr } = await cluster.run("uninstall", "flux-operator");
        assert.equal(exitCode, 0, stderr + JSON.stringify(lastRun(cluster)));
        assert.equal(lastRun(cluster)?.stdout, "FluxInstance flux-system/flux is deleted\n");
        assert.equal(await statusAt(cluster, instancePath), 404);
        assert.equal(await statusAt(cluster, crdPath), 200);
        assert.deepEqual(await namesAt(cluster, deploymentsPath), []);
        assert.deepEqual(await namesAt(cluster, rolesPath), []);
      });

      await context.test("the release of an instance that is deleted already can be uninstalled", async () => {
        await cluster.done("uninstall", "flux");
      });

      await context.test("an installation takes the CRD that was kept", async () => {
        await operator.stop();
        // Without its rights, which are uninstalled too, the operator could not give the lease back.
        await cluster.plane.rest.delete(leasePath);
        await cluster.done("install", "flux-operator", operatorChart, "--set", "uninstall.timeout=3s");
        await using second = await operatorOf(cluster);
        await installInstance(cluster);
        assert.equal(second.process.exitCode, null);
      });

      await context.test(
        "while no operator runs, an uninstall ends in time, says why, and leaves the operator",
        async () => {
          const { exitCode, stderr } = await cluster.run("uninstall", "flux-operator");
          assert.notEqual(exitCode, 0);
          assert.match(stderr, /flux-operator-uninstall/);
          assert.match(
            lastRun(cluster)?.stderr ?? "",
            /^error: Timed out after 3s: FluxInstance flux-system\/flux is being deleted: its operator has not begun to uninstall/m,
          );
          assert.deepEqual(await namesAt(cluster, deploymentsPath), namesAll);
        },
      );

      await context.test(
        "when the operator is back, the uninstall is done again and has nothing to wait for",
        async () => {
          await using third = await operatorOf(cluster);
          const deadline = AbortSignal.timeout(90_000);
          while ((await statusAt(cluster, instancePath)) !== 404) await systemClock.sleep(100, deadline);
          assert.equal(third.process.exitCode, null);
          await cluster.done("uninstall", "flux-operator");
          const want = "FluxInstance flux-system/flux is not there: nothing to delete\n";
          assert.equal(lastRun(cluster)?.stdout, want);
          assert.deepEqual(await namesAt(cluster, deploymentsPath), []);
          assert.equal(await statusAt(cluster, crdPath), 200);
        },
      );
    });
  });

test("helm-4 installs and uninstalls both charts where the release has the cluster roles of Flux", async () => {
  await world("helm-4", async (cluster) => {
    await cluster.done("install", "flux-operator", operatorChart, "--create-namespace", "--set", "rbac.external=true");
    const { kustomize } = fieldsOf(instanceWithoutRoles["spec"]);
    await using operator = await operatorOf(cluster);
    const withoutRoles = ["--set-json", `instance.kustomize=${JSON.stringify(kustomize)}`];
    await cluster.done("install", "flux", instanceChart, ...flux, ...withoutRoles);
    assert.ok(isReady(await cluster.plane.rest.get(instancePath)));
    await cluster.done("uninstall", "flux");
    const events = await cluster.plane.auditEvents();
    assert.deepEqual(forbiddenRequests(events), []);
    assert.equal(operator.process.exitCode, null);
    await cluster.done("uninstall", "flux-operator");
    const roles = await namesAt(cluster, "/apis/rbac.authorization.k8s.io/v1/clusterroles");
    assert.deepEqual(
      roles.filter((name) => name.includes("flux")),
      [],
    );
  });
});
