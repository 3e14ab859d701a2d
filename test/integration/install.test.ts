import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { image, operatorObjects, defaultNamespace } from "../../scripts/manifests/operator.ts";
import { nameObject } from "../../src/kube/object-id.ts";
import type { JsonObject, KubeObject } from "../../src/kube/object.ts";
import { rightsIn } from "../../scripts/rights/rights.ts";
import { podSpecOf } from "../../src/kube/pod-template.ts";
import { startControlPlane, type ControlPlane } from "../support/control-plane.ts";
import { applyFile, connectAsOperator, kubectl, operatorUser, type Said } from "../support/installation.ts";
import { installManifests } from "../support/bootstrap.ts";

const objects = operatorObjects(defaultNamespace, rightsIn(defaultNamespace));
let plane: ControlPlane;
let asOperator: string;
let first: Said;

before(async () => {
  plane = await startControlPlane({ variant: "light" });
  first = await applyFile(plane, "packaging/yaml/install.yaml");
  asOperator = await connectAsOperator(plane);
});
after(async () => {
  await plane.stop();
});

/** Sends `object` to the API server as a dry run; resolves to "admitted", or to why it is not. */
async function tried(object: JsonObject, verb: readonly string[], kubeconfigPath: string): Promise<string> {
  const file = join(plane.folder, "tried.json");
  await writeFile(file, JSON.stringify(object));
  const { complaints } = await kubectl(plane, kubeconfigPath, [...verb, "--dry-run=server", "-f", file]);
  return complaints === "" ? "admitted" : complaints;
}

/** "yes" or "no": what `kubectl auth can-i` says of the operator. */
async function mayOperator(...what: readonly string[]): Promise<string> {
  const { lines } = await kubectl(plane, plane.kubeconfigPath, ["auth", "can-i", ...what, `--as=${operatorUser}`]);
  return lines[0] ?? "";
}

function podOf(spec: JsonObject): JsonObject {
  return { apiVersion: "v1", kind: "Pod", metadata: { name: "operator", namespace: "flux-system" }, spec };
}

const apply = ["apply", "--server-side"];
const rbacGroup = "rbac.authorization.k8s.io";

describe("kubectl apply --server-side -f packaging/yaml/install.yaml", () => {
  test("is the whole installation: every object is accepted, without a warning", () => {
    assert.equal(first.complaints, "");
    assert.equal(first.lines.length, objects.length);
    assert.deepEqual(
      first.lines.filter((line) => !line.endsWith(" serverside-applied")),
      [],
    );
  });

  test("changes nothing the second time", async () => {
    const path = "/apis/apps/v1/namespaces/flux-system/deployments/flux-operator";
    const { metadata } = await plane.rest.get(path);
    await applyFile(plane, "packaging/yaml/install.yaml");
    assert.equal((await plane.rest.get(path)).metadata.resourceVersion, metadata.resourceVersion);
  });

  test("is followed by the default instance", async () => {
    const { lines, complaints } = await applyFile(plane, "packaging/yaml/instance.yaml");
    assert.deepEqual(
      { lines, complaints },
      { lines: ["fluxinstance.fluxcd.controlplane.io/flux serverside-applied"], complaints: "" },
    );
  });
});

describe("the pod of the operator", () => {
  test("is admitted in its namespace, which holds all pods to the restricted standard", async () => {
    const deployment = objects.find(({ kind }) => kind === "Deployment");
    assert.ok(deployment);
    const pod = podOf(podSpecOf(deployment));
    assert.equal(await tried(pod, ["create"], plane.kubeconfigPath), "admitted");
    const lax = { serviceAccountName: "flux-operator", containers: [{ name: "manager", image }] };
    assert.match(
      await tried(podOf(lax), ["create"], plane.kubeconfigPath),
      /violates PodSecurity "restricted:latest": allowPrivilegeEscalation/,
    );
  });
});

describe("the service account of the operator", () => {
  const released = installManifests("2.9.4", ["source-controller", "kustomize-controller", "helm-controller"]);
  const flux = (name: string): KubeObject => {
    const found = released.find((object) => nameObject(object) === name);
    assert.ok(found, name);
    return found;
  };
  const binding = (name: string, role: string): JsonObject => ({
    ...flux("ClusterRoleBinding/cluster-reconciler-flux-system"),
    metadata: { name },
    roleRef: { apiGroup: rbacGroup, kind: "ClusterRole", name: role },
  });

  for (const name of released.map(nameObject).filter((name) => name.startsWith("Cluster"))) {
    test(`may apply ${name}`, async () => {
      assert.equal(await tried(flux(name), apply, asOperator), "admitted");
    });
  }

  for (const { name, object, says } of [
    {
      name: "a cluster role of another name, even with the rules of one of Flux's",
      object: (): JsonObject => ({ ...flux("ClusterRole/crd-controller-flux-system"), metadata: { name: "mine" } }),
      says: /cannot patch resource "clusterroles" .*at the cluster scope/,
    },
    {
      name: "a binding of another name to cluster-admin",
      object: () => binding("mine", "cluster-admin"),
      says: /cannot patch resource "clusterrolebindings"/,
    },
    {
      name: "one of Flux's bindings to another role",
      object: () => binding("cluster-reconciler-flux-system", "system:kube-scheduler"),
      says: /is attempting to grant RBAC permissions not currently held/,
    },
    {
      name: "a binding to cluster-admin within its namespace, which is no object of Flux",
      object: (): JsonObject => ({
        ...binding("mine", "cluster-admin"),
        kind: "RoleBinding",
        metadata: { name: "mine", namespace: "flux-system" },
      }),
      says: /cannot patch resource "rolebindings"/,
    },
    {
      name: "a definition that is not Flux's",
      object: (): JsonObject => ({
        ...flux("CustomResourceDefinition/buckets.source.toolkit.fluxcd.io"),
        metadata: { name: "buckets.example.com" },
      }),
      says: /cannot patch resource "customresourcedefinitions"/,
    },
    {
      name: "a Deployment in another namespace",
      object: (): JsonObject => ({
        ...flux("Deployment/flux-system/source-controller"),
        metadata: { name: "source-controller", namespace: "default" },
      }),
      says: /cannot patch resource "deployments" .*in the namespace "default"/,
    },
  ]) {
    test(`may not apply ${name}`, async () => {
      assert.match(await tried(object(), apply, asOperator), says);
    });
  }

  test("reads Secrets of its namespace only, writes none, and is nobody else", async () => {
    const answers = {
      own: await mayOperator("get", "secrets/pull", "-n", "flux-system"),
      foreign: await mayOperator("get", "secrets/pull", "-n", "kube-system"),
      write: await mayOperator("create", "secrets", "-n", "flux-system"),
      impersonate: await mayOperator("impersonate", "serviceaccounts", "-n", "flux-system"),
      token: await mayOperator("create", "serviceaccounts", "--subresource=token", "-n", "flux-system"),
      pods: await mayOperator("create", "pods", "-n", "flux-system"),
      exec: await mayOperator("create", "pods", "--subresource=exec", "-n", "flux-system"),
    };
    assert.deepEqual(answers, {
      own: "yes",
      foreign: "no",
      write: "no",
      impersonate: "no",
      token: "no",
      pods: "no",
      exec: "no",
    });
  });

  for (const verb of ["escalate", "bind"]) {
    test(`could not apply the roles of Flux without the right to ${verb}`, async () => {
      const path = `/apis/${rbacGroup}/v1/clusterroles/flux-operator-manager`;
      const role = await plane.rest.get(path);
      const rules = (role["rules"] as readonly JsonObject[]).filter(
        ({ verbs }) => !(verbs as readonly string[]).includes(verb),
      );
      await plane.rest.patch(path, { rules });
      const name =
        verb === "bind"
          ? "ClusterRoleBinding/cluster-reconciler-flux-system"
          : "ClusterRole/crd-controller-flux-system";
      assert.match(
        await tried(flux(name), apply, asOperator),
        /is attempting to grant RBAC permissions not currently held/,
      );
      await plane.rest.patch(path, { rules: role["rules"] ?? [] });
    });
  }
});
