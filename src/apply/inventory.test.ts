import assert from "node:assert/strict";
import { test } from "node:test";
import type { KubeObject } from "../kube/object.ts";
import { inventoryOf, managedObjects, staleObjects, unionInventory } from "./inventory.ts";

const namespace: KubeObject = { apiVersion: "v1", kind: "Namespace", metadata: { name: "a" } };
const deployment: KubeObject = { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "b", namespace: "a" } };
const role: KubeObject = {
  apiVersion: "rbac.authorization.k8s.io/v1",
  kind: "ClusterRole",
  metadata: { name: "system:c" },
};

const entries = {
  namespace: { id: "_a__Namespace", v: "v1" },
  role: { id: "_system__c_rbac.authorization.k8s.io_ClusterRole", v: "v1" },
  deployment: { id: "a_b_apps_Deployment", v: "v1" },
  sync: { id: "a_b_source.toolkit.fluxcd.io_GitRepository", v: "v1" },
  crd: { id: "_gitrepositories.source.toolkit.fluxcd.io_apiextensions.k8s.io_CustomResourceDefinition", v: "v1" },
};

test("inventoryOf() has an entry for each object, sorted by id", () =>
  assert.deepEqual(inventoryOf([deployment, role, namespace]), [entries.namespace, entries.role, entries.deployment]));

const older = { ...entries.deployment, v: "v1beta1" };
for (const { name, recorded, wanted, want } of [
  { name: "of nothing and something", recorded: [], wanted: [entries.role], want: [entries.role] },
  { name: "of something and nothing", recorded: [entries.role], wanted: [], want: [entries.role] },
  {
    name: "sorted by id",
    recorded: [entries.sync, entries.namespace],
    wanted: [entries.deployment],
    want: [entries.namespace, entries.deployment, entries.sync],
  },
  {
    name: "with the wanted version where both have an object",
    recorded: [older],
    wanted: [entries.deployment],
    want: [entries.deployment],
  },
]) {
  test(`unionInventory() is the union ${name}`, () => assert.deepEqual(unionInventory(recorded, wanted), want));
}

test("staleObjects() are those no longer wanted, in the order of deletion, whatever their version", () =>
  assert.deepEqual(
    staleObjects([entries.crd, entries.namespace, older, entries.role, entries.sync], [entries.deployment]),
    [
      { namespace: "a", name: "b", group: "source.toolkit.fluxcd.io", kind: "GitRepository", version: "v1" },
      { namespace: "", name: "system:c", group: "rbac.authorization.k8s.io", kind: "ClusterRole", version: "v1" },
      { namespace: "", name: "a", group: "", kind: "Namespace", version: "v1" },
      {
        namespace: "",
        name: "gitrepositories.source.toolkit.fluxcd.io",
        group: "apiextensions.k8s.io",
        kind: "CustomResourceDefinition",
        version: "v1",
      },
    ],
  ));

test("managedObjects() leaves out entries of another form", () =>
  assert.deepEqual(managedObjects([{ id: "nothing", v: "v1" }, entries.deployment, { id: "", v: "" }]), [
    { namespace: "a", name: "b", group: "apps", kind: "Deployment", version: "v1" },
  ]));
