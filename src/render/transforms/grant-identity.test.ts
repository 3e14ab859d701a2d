import assert from "node:assert/strict";
import { test } from "node:test";
import { contextOf, releaseOf, smallDeployment, specOf } from "../../../test/support/small-release.ts";
import type { ClusterSpec, Component } from "../../api/spec.ts";
import type { KubeObject } from "../../kube/object.ts";
import { managerOf } from "../deployment.ts";
import type { Draft } from "../draft.ts";
import { grantIdentity } from "./grant-identity.ts";

const tokens = { apiGroups: [""], resources: ["serviceaccounts/token"], verbs: ["create"] };
const leases = { apiGroups: ["coordination.k8s.io"], resources: ["leases"], verbs: ["*"] };
const components: readonly Component[] = ["source-controller", "kustomize-controller", "helm-controller"];

function granted(version: string, cluster: Partial<ClusterSpec>, rules = [leases, tokens]) {
  const role: KubeObject = {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRole",
    metadata: { name: "crd-controller" },
    rules,
  };
  const drafts: Draft[] = components.map((component) => ({ object: smallDeployment(component, []), component }));
  const context = contextOf(specOf({ cluster }), releaseOf(version));
  const [first, ...controllers] = grantIdentity([{ object: role }, ...drafts], context).map(({ object }) => object);
  return { rules: first?.["rules"], args: controllers.map((object) => managerOf(object)?.["args"]) };
}

const on = { objectLevelWorkloadIdentity: true };
const tenants = {
  ...on,
  multitenantWorkloadIdentity: true,
  tenantDefaultServiceAccount: "t",
  tenantDefaultDecryptionServiceAccount: "td",
  tenantDefaultKubeConfigServiceAccount: "tk",
};
const gate = (enabled: boolean) => `--feature-gates=ObjectLevelWorkloadIdentity=${enabled}`;

for (const { name, version, cluster, want } of [
  {
    name: "takes the right to make tokens away when it is off",
    version: "2.6.4",
    cluster: {},
    want: { rules: [leases], args: [[], [], []] },
  },
  {
    name: "opens the gate of 2.6, which helm-controller does not have",
    version: "2.6.4",
    cluster: on,
    want: { rules: [leases, tokens], args: [[gate(true)], [gate(true)], []] },
  },
  {
    name: "closes the gate of 2.7 and later",
    version: "2.7.0",
    cluster: {},
    want: { rules: [leases], args: [[gate(false)], [gate(false)], [gate(false)]] },
  },
  {
    name: "names the tenants' accounts",
    version: "2.9.4",
    cluster: tenants,
    want: {
      rules: [leases, tokens],
      args: [
        [gate(true), "--default-service-account=t"],
        [gate(true), "--default-decryption-service-account=td", "--default-kubeconfig-service-account=tk"],
        [gate(true), "--default-kubeconfig-service-account=tk"],
      ],
    },
  },
]) {
  test(`grantIdentity() ${name}`, () => assert.deepEqual(granted(version, cluster), want));
}

for (const { name, version, cluster, message } of [
  {
    name: "object-level identity before Flux 2.6",
    version: "2.5.1",
    cluster: on,
    message:
      "Cannot build the instance: spec.cluster.objectLevelWorkloadIdentity true needs Flux 2.6 or later, and 2.5.1 is " +
      "selected; raise spec.distribution.version or set the field to false",
  },
  {
    name: "multitenant identity before Flux 2.7",
    version: "2.6.4",
    cluster: tenants,
    message:
      "Cannot build the instance: spec.cluster.multitenantWorkloadIdentity true needs Flux 2.7 or later, and 2.6.4 is " +
      "selected; raise spec.distribution.version or set the field to false",
  },
]) {
  test(`grantIdentity() refuses ${name}`, () => {
    assert.throws(() => granted(version, cluster), { name: "RenderError", reason: "BuildFailed", message });
  });
}

for (const { name, cluster, rules, where } of [
  {
    name: "hides the right among others",
    cluster: {},
    rules: [{ ...tokens, resources: ["secrets", "serviceaccounts/token"] }],
    where: "ClusterRole/crd-controller",
  },
  {
    name: "grants it by a wildcard",
    cluster: {},
    rules: [{ apiGroups: ["*"], resources: ["*"], verbs: ["*"] }],
    where: "ClusterRole/crd-controller",
  },
  {
    name: "grants it as the token of anything",
    cluster: {},
    rules: [{ apiGroups: [""], resources: ["*/token"], verbs: ["create"] }],
    where: "ClusterRole/crd-controller",
  },
  { name: "does not grant it where it is needed", cluster: on, rules: [leases], where: "rbac" },
]) {
  test(`grantIdentity() refuses a release that ${name}`, () => {
    assert.throws(() => granted("2.10.0", cluster, rules), {
      reason: "NeedsNewerOperator",
      message:
        `Cannot build Flux 2.10.0: ${where} has no rule of its own for serviceaccounts/token, so this release has a shape ` +
        "that this operator does not know; upgrade the operator or choose an older version in spec.distribution.version",
    });
  });
}
