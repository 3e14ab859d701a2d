import assert from "node:assert/strict";
import { test } from "node:test";
import { installer } from "../../../test/support/installer.ts";
import { apiError, tableClient } from "../../../test/support/table-client.ts";
import { TestClock } from "../../../test/support/test-clock.ts";
import { ApiError } from "../../client/api-error.ts";
import type { KubeObject } from "../../kube/object.ts";
import { ApplyError } from "../apply-error.ts";
import { deleteForRecreation, dryRunRecreation, mustRecreate } from "./recreate.ts";

const signal = new AbortController().signal;

function object(kind: string, apiVersion: string, managers: readonly string[] = ["helm"]): KubeObject {
  const managedFields = managers.map((manager) => ({ manager, operation: "Apply", apiVersion, fieldsV1: {} }));
  return { apiVersion, kind, metadata: { name: "a", namespace: "b", uid: "1", managedFields } };
}

function immutable(...fields: readonly string[]): ApiError {
  const causes = fields.map((field) => ({ field, reason: "FieldValueInvalid", message: "field is immutable" }));
  return new ApiError("apply", { code: 422, reason: "Invalid", message: "invalid", causes });
}

const rbac = "rbac.authorization.k8s.io/v1";
for (const { name, live, error, want } of [
  {
    name: "a Deployment's selector",
    live: object("Deployment", "apps/v1"),
    error: immutable("spec.selector"),
    want: true,
  },
  { name: "a binding's role", live: object("ClusterRoleBinding", rbac), error: immutable("roleRef"), want: true },
  {
    name: "a selector and what does not fit together with it",
    live: object("Deployment", "apps/v1"),
    error: immutable("spec.selector", "spec.replicas"),
    want: true,
  },
  { name: "another fault", live: object("Deployment", "apps/v1"), error: immutable("spec.replicas"), want: false },
  {
    name: "an object that we have applied",
    live: object("Deployment", "apps/v1", ["flux-operator"]),
    error: immutable("spec.selector"),
    want: false,
  },
  { name: "a claim", live: object("PersistentVolumeClaim", "v1"), error: immutable("spec"), want: false },
  {
    name: "a definition",
    live: object("CustomResourceDefinition", "apiextensions.k8s.io/v1"),
    error: immutable("spec.scope"),
    want: false,
  },
  {
    name: "a fault without causes",
    live: object("Deployment", "apps/v1"),
    error: apiError(422, "Invalid"),
    want: false,
  },
]) {
  test(`mustRecreate() of ${name} is ${want}`, () => assert.equal(mustRecreate(live, error, installer), want));
}

test("dryRunRecreation() asks for a name that is none of ours, and is valid however long ours is", async () => {
  const asked: string[] = [];
  const apply = async (given: KubeObject): Promise<KubeObject> => {
    asked.push(given.metadata.name);
    return given;
  };
  const lengths = Array.from({ length: 63 }, (_, index) => index + 1);
  for (const length of lengths) {
    const name = `helm-controller-${"s".repeat(63)}`.slice(0, length).replace(/-$/, "s");
    const live = object("Deployment", "apps/v1");
    await dryRunRecreation({ ...live, metadata: { ...live.metadata, name } }, { client: { apply }, installer }, signal);
  }
  assert.deepEqual(
    asked.filter((name) => !/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(name) || name.length > 63),
    [],
  );
  assert.equal(asked.length, lengths.length);
});

test("deleteForRecreation() deletes the very object, with all that it owns", async () => {
  const live = object("Deployment", "apps/v1");
  const client = tableClient([live]);
  await deleteForRecreation(live, 1_000, { client, clock: new TestClock() }, signal);
  assert.deepEqual(
    [client.objects(), client.writes],
    [[], ['delete Deployment/b/a {"propagationPolicy":"Foreground","uid":"1"}']],
  );
});

test("deleteForRecreation() tells what holds the object when the time is over", async () => {
  const base = object("Deployment", "apps/v1");
  const live = { ...base, metadata: { ...base.metadata, finalizers: ["example.com/hold"] } };
  await assert.rejects(
    deleteForRecreation(live, 0, { client: tableClient([live]), clock: new TestClock() }, signal),
    (thrown) =>
      thrown instanceof ApplyError &&
      thrown.message ===
        "Cannot delete Deployment/b/a to recreate it: it is being deleted, and held by example.com/hold",
  );
});

test("deleteForRecreation() leaves an object alone that has taken the name since", async () => {
  const live = object("Deployment", "apps/v1");
  const other = { ...live, metadata: { ...live.metadata, uid: "2" } };
  const client = tableClient([other]);
  await assert.rejects(deleteForRecreation(live, 1_000, { client, clock: new TestClock() }, signal), ApplyError);
  assert.deepEqual(client.objects(), [other]);
});
