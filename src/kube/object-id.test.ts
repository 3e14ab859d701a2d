import assert from "node:assert/strict";
import { test } from "node:test";
import {
  describeObject,
  formatObjectId,
  isBuiltInGroup,
  nameObject,
  objectIdOf,
  parseObjectId,
  sameObject,
} from "./object-id.ts";

const deployment = { namespace: "flux-system", name: "source-controller", group: "apps", kind: "Deployment" };

for (const { name, id, text } of [
  { name: "a namespaced kind", id: deployment, text: "flux-system_source-controller_apps_Deployment" },
  {
    name: "a kind of the core group",
    id: { namespace: "flux-system", name: "a", group: "", kind: "Service" },
    text: "flux-system_a__Service",
  },
  {
    name: "a cluster-scoped kind",
    id: { namespace: "", name: "crd-controller", group: "rbac.authorization.k8s.io", kind: "ClusterRole" },
    text: "_crd-controller_rbac.authorization.k8s.io_ClusterRole",
  },
  {
    name: "a cluster-scoped kind of the core group",
    id: { namespace: "", name: "flux-system", group: "", kind: "Namespace" },
    text: "_flux-system__Namespace",
  },
  {
    name: "a role with colons",
    id: { namespace: "", name: "system:auth:a", group: "rbac.authorization.k8s.io", kind: "ClusterRole" },
    text: "_system__auth__a_rbac.authorization.k8s.io_ClusterRole",
  },
  {
    name: "a role that ends in a colon, in the core group",
    id: { namespace: "", name: "a:", group: "", kind: "Role" },
    text: "_a____Role",
  },
  {
    name: "a role with an underscore",
    id: { namespace: "a", name: "b_c", group: "rbac.authorization.k8s.io", kind: "Role" },
    text: "a_b_c_rbac.authorization.k8s.io_Role",
  },
]) {
  test(`formatObjectId() writes ${name}`, () => assert.equal(formatObjectId(id), text));
  test(`parseObjectId() reads back ${name}`, () => assert.deepEqual(parseObjectId(text), id));
}

for (const text of ["", "a", "_", "a_b", "a_b_c", "a__apps_Deployment", "a_b_apps_", "___"]) {
  test(`parseObjectId() finds no object in "${text}"`, () => assert.equal(parseObjectId(text), undefined));
}

test("objectIdOf() leaves the version out", () =>
  assert.deepEqual(
    objectIdOf({
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { namespace: "flux-system", name: "source-controller", uid: "1" },
    }),
    deployment,
  ));

test("objectIdOf() gives a cluster-scoped object an empty namespace", () =>
  assert.deepEqual(objectIdOf({ apiVersion: "v1", kind: "Namespace", metadata: { name: "a" } }), {
    namespace: "",
    name: "a",
    group: "",
    kind: "Namespace",
  }));

for (const { want, id } of [
  { want: "Deployment/flux-system/source-controller", id: deployment },
  { want: "Namespace/a", id: { kind: "Namespace", namespace: "", name: "a" } },
]) {
  test(`describeObject() says ${want}`, () => assert.equal(describeObject(id), want));
}

test("nameObject() says what describeObject() says of the whole object", () =>
  assert.equal(
    nameObject({ apiVersion: "v1", kind: "Service", metadata: { namespace: "a", name: "b" } }),
    "Service/a/b",
  ));

for (const { name, other, want } of [
  { name: "the same id", other: { ...deployment }, want: true },
  { name: "another group", other: { ...deployment, group: "extensions" }, want: false },
  { name: "another namespace", other: { ...deployment, namespace: "" }, want: false },
  { name: "another name", other: { ...deployment, name: "a" }, want: false },
  { name: "another kind", other: { ...deployment, kind: "StatefulSet" }, want: false },
]) {
  test(`sameObject() says ${want} to ${name}`, () => assert.equal(sameObject(deployment, other), want));
}

for (const { apiVersion, want } of [
  { apiVersion: "v1", want: true },
  { apiVersion: "apps/v1", want: true },
  { apiVersion: "rbac.authorization.k8s.io/v1", want: true },
  { apiVersion: "source.toolkit.fluxcd.io/v1", want: false },
  { apiVersion: "fluxcd.controlplane.io/v1", want: false },
  { apiVersion: "notk8s.io/v1", want: false },
]) {
  test(`isBuiltInGroup() says ${want} to ${apiVersion}`, () => assert.equal(isBuiltInGroup(apiVersion), want));
}
