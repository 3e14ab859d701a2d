import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { fieldsOf } from "../../src/kube/fields.ts";
import type { KubeObject } from "../../src/kube/object.ts";
import { isReady, manifest, namespace, startFluxCluster, type FluxCluster } from "../support/flux-cluster.ts";
import { replaceDefinition } from "../support/go-operator.ts";

const run = promisify(execFile);
const never = new AbortController().signal;
const instancePath = `/apis/fluxcd.controlplane.io/v1/namespaces/${namespace}/fluxinstances/flux`;
const deploymentPath = `/apis/apps/v1/namespaces/${namespace}/deployments/source-controller`;
const bindingsPath = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
const fluxLabels = { "app.kubernetes.io/part-of": "flux", "app.kubernetes.io/instance": namespace };

let cluster: FluxCluster;

before(async () => {
  cluster = await startFluxCluster();
});
after(async () => {
  await cluster[Symbol.asyncDispose]();
});

/** As a chart has it that selects its pods by other labels. */
const oddDeployment: KubeObject = {
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "source-controller", namespace, labels: fluxLabels },
  spec: {
    selector: { matchLabels: { release: "flux2" } },
    template: {
      metadata: { labels: { release: "flux2" } },
      spec: { containers: [{ name: "manager", image: "source-controller:old" }] },
    },
  },
};
const oddBinding: KubeObject = {
  apiVersion: "rbac.authorization.k8s.io/v1",
  kind: "ClusterRoleBinding",
  metadata: { name: "cluster-reconciler-flux-system", labels: fluxLabels },
  roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "view" },
};

async function kubectl(...args: readonly string[]): Promise<void> {
  const { binaries, kubeconfigPath, folder } = cluster.plane;
  await run(binaries.kubectl, [...args, "--kubeconfig", kubeconfigPath], { env: { HOME: folder } });
}

describe("a Flux that cannot be changed into ours", { concurrency: 1 }, () => {
  let old: KubeObject;

  before(async () => {
    for (const object of [oddDeployment, oddBinding]) {
      await cluster.client.create(object, { fieldManager: "helm" }, never);
    }
    old = await cluster.plane.rest.get(deploymentPath);
  });

  test("is created anew, and told", async () => {
    await kubectl("apply", "-f", "examples/flux-instance-rfc.yaml");
    await cluster.instanceWhen("ready", isReady);
    const fresh = await cluster.plane.rest.get(deploymentPath);
    assert.notEqual(fresh.metadata.uid, old.metadata.uid);
    const binding = await cluster.plane.rest.get(`${bindingsPath}/${oddBinding.metadata.name}`);
    assert.equal(fieldsOf(binding["roleRef"])["name"], "cluster-admin");
    await cluster.told(
      /^TakenOver: Recreating objects whose immutable fields differ: ClusterRoleBinding\/\S+, Deployment\/flux-system\/source-controller$/,
    );
  });

  test("is refused when it was ours before, and nothing is deleted", async () => {
    const before = await cluster.plane.rest.get(deploymentPath);
    const patch = JSON.stringify([{ op: "replace", path: "/spec/selector/matchLabels/app", value: "other" }]);
    const target = { kind: "Deployment", name: "source-controller" };
    await cluster.patchInstance({ spec: { kustomize: { patches: [{ patch, target }] } } });
    await cluster.instanceWhen("refused", (instance) =>
      JSON.stringify(instance["status"]).includes("nothing was changed"),
    );
    assert.equal((await cluster.plane.rest.get(deploymentPath)).metadata.uid, before.metadata.uid);
    await cluster.patchInstance({
      spec: { kustomize: fieldsOf((await manifest("examples/flux-instance-rfc.yaml"))["spec"])["kustomize"] ?? null },
    });
    await cluster.instanceWhen("ready", isReady);
  });
});

describe("kubectl edit of what is ours", { concurrency: 1 }, () => {
  test("is undone, also where it has only added", async () => {
    const patch = {
      spec: { template: { spec: { containers: [{ name: "manager", env: [{ name: "ADDED", value: "1" }] }] } } },
    };
    await kubectl("-n", namespace, "patch", "deployment", "source-controller", "-p", JSON.stringify(patch));
    await cluster.objectWhen({ group: "apps", version: "v1", kind: "Deployment" }, "as it was", (object) => {
      return (
        object.metadata.name === "source-controller" &&
        (object.metadata.generation ?? 0) > 2 &&
        !JSON.stringify(object["spec"]).includes("ADDED")
      );
    });
    await cluster.told(/^TakenOver: Taking over 1 object from kubectl-patch$/);
  });

  test("stays where it is a restart", async () => {
    await cluster.instanceWhen("ready", isReady);
    await kubectl("-n", namespace, "rollout", "restart", "deployment", "kustomize-controller");
    await cluster.reconcile();
    const path = deploymentPath.replace("source-controller", "kustomize-controller");
    assert.match(JSON.stringify((await cluster.plane.rest.get(path))["spec"]), /restartedAt/);
  });
});

describe("the way back to the Go operator", { concurrency: 1 }, () => {
  test("is the documented command, after which a definition without our names has the whole spec", async () => {
    await cluster.operator.stop();
    const command = /## Back to the Go operator.*?```sh\n(.*?)```/s.exec(
      await readFile("docs/adoption.md", "utf8"),
    )?.[1];
    const { binaries, kubeconfigPath, folder } = cluster.plane;
    const env = { HOME: folder, KUBECONFIG: kubeconfigPath, PATH: `${dirname(binaries.kubectl)}:/usr/bin:/bin` };
    await run("sh", ["-ec", command ?? "false"], { env });
    await replaceDefinition(cluster);
    const { spec, metadata } = await cluster.plane.rest.get(instancePath);
    const { distribution, sharding, ...others } = fieldsOf(spec);
    assert.deepEqual(
      { distribution, sharding, shards: others["shards"] },
      {
        distribution: {
          version: "2.2.x",
          registry: "ghcr.io/controlplaneio-fluxcd/distroless",
          imagePullSecret: "enterprise-flux-auth",
        },
        sharding: { shards: ["shard1", "shard2"] },
        shards: undefined,
      },
    );
    const again = {
      apiVersion: "fluxcd.controlplane.io/v1",
      kind: "FluxInstance",
      metadata: { name: "flux", namespace },
      spec: spec ?? {},
    };
    const applied = await cluster.client.apply(again, { fieldManager: "kubectl" }, never);
    assert.equal(applied.metadata.uid, metadata.uid);
  });
});
