import assert from "node:assert/strict";
import { test } from "node:test";
import { fluxInstance } from "../api/names.ts";
import type { JsonObject, KubeObject } from "../kube/object.ts";
import { notificationAddress } from "./notification-address.ts";

function instanceOf(spec: JsonObject, components?: readonly string[]): KubeObject {
  return {
    apiVersion: fluxInstance.storageApiVersion,
    kind: fluxInstance.kind,
    metadata: { name: "flux", namespace: "gitops" },
    spec,
    ...(components === undefined ? {} : { status: { components: components.map((name) => ({ name })) } }),
  };
}

const on = { disabled: false };
const failed = { type: "Warning", reason: "BuildFailed", message: "m" } as const;
const applied = { type: "Normal", reason: "ReconciliationSucceeded", message: "m" } as const;
const both = ["source-controller", "notification-controller"];
const service = "http://notification-controller.gitops.svc.cluster.local./";

for (const { name, instance, note, settings = on, want } of [
  { name: "the Service in the instance's namespace", instance: instanceOf({}, both), note: failed, want: service },
  { name: "the same for what was changed", instance: instanceOf({}, both), note: applied, want: service },
  {
    name: "the same for a version that is new",
    instance: instanceOf({}, both),
    note: { ...applied, reason: "NewVersion" },
    want: service,
  },
  {
    name: "the same for a digest that is new",
    instance: instanceOf({}, both),
    note: { ...applied, reason: "NewDigest" },
    want: service,
  },
  {
    name: "in the domain of the cluster",
    instance: instanceOf({ cluster: { domain: "corp.local" } }, both),
    note: failed,
    want: "http://notification-controller.gitops.svc.corp.local./",
  },
  {
    name: "nowhere for what else there is",
    instance: instanceOf({}, both),
    note: { ...applied, reason: "OutdatedVersion" },
    want: undefined,
  },
  {
    name: "nowhere when reconciliation was disabled",
    instance: instanceOf({}, both),
    note: { ...failed, reason: "ReconciliationDisabled" },
    want: undefined,
  },
  {
    name: "nowhere without that component",
    instance: instanceOf({}, ["source-controller"]),
    note: failed,
    want: undefined,
  },
  { name: "nowhere before it is applied", instance: instanceOf({}), note: failed, want: undefined },
  { name: "the Service as soon as all is applied", instance: instanceOf({}), note: applied, want: service },
  {
    name: "nowhere when another component was applied",
    instance: instanceOf({ components: ["source-controller"] }),
    note: applied,
    want: undefined,
  },
  { name: "nowhere when the instance is gone", instance: undefined, note: failed, want: undefined },
  {
    name: "the address that the environment names, also without the component",
    instance: instanceOf({}),
    note: failed,
    settings: { ...on, address: "http://127.0.0.1:9090" },
    want: "http://127.0.0.1:9090/",
  },
  {
    name: "nowhere when it is turned off",
    instance: instanceOf({}, both),
    note: failed,
    settings: { disabled: true, address: "http://127.0.0.1:9090" },
    want: undefined,
  },
  {
    name: "nowhere with a domain that is none",
    instance: instanceOf({ cluster: { domain: "a b" } }, both),
    note: failed,
    want: undefined,
  },
])
  test(`notificationAddress() is ${name}`, () =>
    assert.equal(notificationAddress(instance, note, settings)?.href, want));
