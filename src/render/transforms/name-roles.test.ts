import assert from "node:assert/strict";
import { test } from "node:test";
import { contextOf, releaseOf, specOf } from "../../../test/support/small-release.ts";
import type { JsonObject, KubeObject } from "../../kube/object.ts";
import { nameRoles } from "./name-roles.ts";

function object(kind: string, name: string, fields: JsonObject = {}): KubeObject {
  return { apiVersion: "rbac.authorization.k8s.io/v1", kind, metadata: { name }, ...fields };
}
const binding = (role: string, namespace: string) => ({
  roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: role },
  subjects: [{ kind: "ServiceAccount", name: "helm-controller", namespace }],
});

const rbac = [
  object("ClusterRole", "crd-controller"),
  object("ClusterRoleBinding", "crd-controller", binding("crd-controller", "flux-system")),
  object("ClusterRoleBinding", "cluster-reconciler", binding("cluster-admin", "flux-system")),
  object("ClusterRoleBinding", "elsewhere", binding("cluster-admin", "other")),
  object("RoleBinding", "leader", binding("leader", "flux-system")),
  object("Role", "leader"),
];
const context = {
  ...contextOf(specOf(), { ...releaseOf("2.9.4"), rbac }),
  instance: { name: "flux", namespace: "gitops" },
};

for (const { name, given, want } of [
  {
    name: "adds the namespace to the name",
    given: rbac[0],
    want: object("ClusterRole", "crd-controller-gitops"),
  },
  {
    name: "follows the new name of the role, and moves subjects into the namespace",
    given: rbac[1],
    want: object("ClusterRoleBinding", "crd-controller-gitops", binding("crd-controller-gitops", "gitops")),
  },
  {
    name: "follows the new name of a role of one namespace",
    given: rbac[4],
    want: object("RoleBinding", "leader-gitops", binding("leader-gitops", "gitops")),
  },
  {
    name: "leaves the names of roles that are not the release's",
    given: rbac[2],
    want: object("ClusterRoleBinding", "cluster-reconciler-gitops", binding("cluster-admin", "gitops")),
  },
  {
    name: "leaves subjects of other namespaces",
    given: rbac[3],
    want: object("ClusterRoleBinding", "elsewhere-gitops", binding("cluster-admin", "other")),
  },
]) {
  test(`nameRoles() ${name}, and remembers the old name`, () => {
    const [draft] = nameRoles(given === undefined ? [] : [{ object: given }], context);
    assert.deepEqual(draft, { object: want, previousNames: [given?.metadata.name] });
  });
}

test("nameRoles() leaves what is not of rbac", () => {
  const other = { object: object("ServiceAccount", "source-controller") };
  assert.deepEqual(nameRoles([other], context), [other]);
});
