import assert from "node:assert/strict";
import { test } from "node:test";
import type { KubeObject } from "./object.ts";
import { nameObject } from "./object-id.ts";
import { applyPlaceOf, compareForApply } from "./order.ts";

function object(apiVersion: string, kind: string, name: string, namespace?: string): KubeObject {
  return { apiVersion, kind, metadata: { name, ...(namespace === undefined ? {} : { namespace }) } };
}

const rbac = "rbac.authorization.k8s.io/v1";
const inOrder: readonly KubeObject[] = [
  object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "a.example.com"),
  object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "b.example.com"),
  object("v1", "Namespace", "flux-system"),
  object(rbac, "ClusterRole", "a"),
  object("v1", "ServiceAccount", "a", "flux-system"),
  object(rbac, "ClusterRoleBinding", "a"),
  object("v1", "ResourceQuota", "a", "flux-system"),
  object(rbac, "Role", "a", "flux-system"),
  object(rbac, "RoleBinding", "a", "flux-system"),
  object("v1", "ConfigMap", "a", "flux-system"),
  object("v1", "Secret", "a", "flux-system"),
  object("v1", "PersistentVolumeClaim", "a", "flux-system"),
  object("v1", "Service", "a", "apps"),
  object("v1", "Service", "z", "apps"),
  object("v1", "Service", "a", "flux-system"),
  object("networking.k8s.io/v1", "NetworkPolicy", "a", "flux-system"),
  object("v1", "LimitRange", "a", "flux-system"),
  object("storage.k8s.io/v1", "StorageClass", "a"),
  object("apps/v1", "Deployment", "a", "flux-system"),
  object("apps/v1", "StatefulSet", "a", "flux-system"),
  object("batch/v1", "CronJob", "a", "flux-system"),
  object("policy/v1", "PodDisruptionBudget", "a", "flux-system"),
  object("source.toolkit.fluxcd.io/v1", "GitRepository", "a", "flux-system"),
  object("kustomize.toolkit.fluxcd.io/v1", "Kustomization", "b", "flux-system"),
  object("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", "a"),
  object("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "a"),
];

for (const { name, given } of [
  { name: "from a reversed list", given: inOrder.toReversed() },
  {
    name: "from a shuffled list",
    given: inOrder.toSorted((a, b) => (nameObject(a).slice(2) < nameObject(b).slice(2) ? -1 : 1)),
  },
]) {
  test(`compareForApply() puts kinds in the order of apply, then ids, ${name}`, () => {
    assert.notDeepEqual(given, inOrder);
    assert.deepEqual(given.toSorted(compareForApply).map(nameObject), inOrder.map(nameObject));
  });
}

test("compareForApply() takes the version out of account", () =>
  assert.equal(compareForApply(object("apps/v1", "Deployment", "a"), object("apps/v1beta1", "Deployment", "a")), 0));

test("applyPlaceOf() gives a kind of the same name in another group no place of its own", () =>
  assert.deepEqual(
    applyPlaceOf({ group: "example.com", kind: "Deployment" }),
    applyPlaceOf({ group: "source.toolkit.fluxcd.io", kind: "GitRepository" }),
  ));

for (const { name, earlier, later } of [
  { name: "the namespace before what lies in it", earlier: ["", "Namespace"], later: ["", "ServiceAccount"] },
  { name: "accounts before what names them", earlier: ["", "ServiceAccount"], later: ["", "Secret"] },
  {
    name: "roles before their bindings",
    earlier: ["rbac.authorization.k8s.io", "ClusterRole"],
    later: ["rbac.authorization.k8s.io", "ClusterRoleBinding"],
  },
] as const) {
  test(`applyPlaceOf() puts ${name}, a wave apart`, () => {
    const [before, after] = [earlier, later].map(([group, kind]) => applyPlaceOf({ group, kind }));
    assert.ok(before !== undefined && after !== undefined);
    assert.deepEqual([before.stage, before.wave < after.wave], [after.stage, true]);
  });
}
