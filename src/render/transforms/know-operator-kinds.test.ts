import assert from "node:assert/strict";
import { test } from "node:test";
import { contextOf, releaseOf, specOf } from "../../../test/support/small-release.ts";
import type { Component } from "../../api/spec.ts";
import type { KubeObject } from "../../kube/object.ts";
import type { Draft } from "../draft.ts";
import { knowOperatorKinds } from "./know-operator-kinds.ts";

const ownKinds = ["FluxInstance", "ResourceSet", "ResourceSetInputProvider"];

function crd(name: string, field: string, ...kinds: readonly (readonly string[])[]): Draft {
  const schema = (accepted: readonly string[]) => {
    const list = { items: { properties: { kind: { enum: accepted } } } };
    return { openAPIV3Schema: { properties: { spec: { properties: { [field]: list } } } } };
  };
  const versions = kinds.map((accepted, index) => ({ name: `v${index}`, schema: schema(accepted) }));
  const metadata = { name: `${name}.notification.toolkit.fluxcd.io` };
  const object = {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata,
    spec: { versions },
  };
  return { object, component: "notification-controller" };
}
function role(...rules: NonNullable<KubeObject["rules"]>[]): Draft {
  const metadata = { name: "crd-controller-flux-system" };
  const object = { apiVersion: "rbac.authorization.k8s.io/v1", kind: "ClusterRole", metadata, rules };
  return { object, previousNames: ["crd-controller"] };
}
const ownRule = { apiGroups: ["fluxcd.controlplane.io"], resources: ["*"], verbs: ["*"] };
const without = [
  crd("alerts", "eventSources", ["Bucket"], ["Bucket"]),
  crd("receivers", "resources", ["Bucket"]),
  role(),
];

function known(drafts: readonly Draft[], components: readonly Component[]) {
  return knowOperatorKinds(drafts, contextOf(specOf({ components }), releaseOf("2.9.4", components)));
}

for (const { name, components, want } of [
  {
    name: "adds our kinds to every version of Alert and Receiver, and a rule that lets the controllers read them",
    components: ["notification-controller"],
    want: [
      crd("alerts", "eventSources", ["Bucket", ...ownKinds], ["Bucket", ...ownKinds]),
      crd("receivers", "resources", ["Bucket", ...ownKinds]),
      role(ownRule),
    ],
  },
  { name: "changes nothing without notification-controller", components: ["source-controller"], want: without },
] as const) {
  test(`knowOperatorKinds() ${name}`, () => assert.deepEqual(known(without, components), want));
}

test("knowOperatorKinds() gives the same CRD for the same CRD", () => {
  const alerts = crd("alerts", "eventSources", ["Bucket"]);
  const [first] = known([alerts, role()], ["notification-controller"]);
  const [second] = known([alerts, role()], ["notification-controller"]);
  assert.equal(first?.object, second?.object);
});

for (const { name, drafts, missing } of [
  {
    name: "a CRD without such a list",
    drafts: [crd("alerts", "sources", ["Bucket"]), role()],
    missing: "CustomResourceDefinition/alerts.notification.toolkit.fluxcd.io has no list of kinds",
  },
  { name: "a release without the role", drafts: [], missing: "rbac has no ClusterRole crd-controller" },
]) {
  test(`knowOperatorKinds() refuses ${name}`, () => {
    assert.throws(
      () => known(drafts, ["notification-controller"]),
      (error) => error instanceof Error && error.message.startsWith(`Cannot build Flux 2.9.4: ${missing}, so`),
    );
  });
}
