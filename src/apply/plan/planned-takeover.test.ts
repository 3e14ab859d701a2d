import assert from "node:assert/strict";
import { test } from "node:test";
import { installer } from "../../../test/support/installer.ts";
import { apiError } from "../../../test/support/table-client.ts";
import { TestClock } from "../../../test/support/test-clock.ts";
import type { ApiClient } from "../../client/api-client.ts";
import { formatObjectId, objectIdOf } from "../../kube/object-id.ts";
import type { JsonObject, KubeObject } from "../../kube/object.ts";
import { Ledger } from "../ledger.ts";
import type { PlannedObject } from "../planned-object.ts";
import { applyObject } from "../write/apply-object.ts";
import { planApply } from "./plan-apply.ts";

const signal = new AbortController().signal;

const wanted: KubeObject = {
  apiVersion: "v1",
  kind: "PersistentVolumeClaim",
  metadata: { name: "source-controller", namespace: "flux-system", labels: { version: "2" } },
};
const labelled = { "f:metadata": { "f:labels": { "f:version": {} } } };
const volume = { "f:spec": { "f:volumeName": {} } };

function entry(manager: string, operation: string, fieldsV1: JsonObject): JsonObject {
  return { manager, operation, apiVersion: "v1", fieldsType: "FieldsV1", fieldsV1 };
}

/** A claim of ours with a field that kubectl has set and that never changes. */
const live: KubeObject = {
  ...wanted,
  metadata: {
    ...wanted.metadata,
    labels: { version: "1" },
    uid: "1",
    resourceVersion: "5",
    managedFields: [entry("flux-operator", "Apply", labelled), entry("kubectl-create", "Update", volume)],
  },
  spec: { volumeName: "disk" },
};

test("a field that the API server does not let go stays with its owner at every later change, too", async () => {
  const writes: string[] = [];
  const client: Pick<ApiClient, "getOrUndefined" | "apply" | "patch" | "delete"> = {
    getOrUndefined: async () => live,
    apply: async ({ metadata }, { dryRun }) => {
      if (dryRun !== true) writes.push("apply");
      return { ...live, metadata: { ...live.metadata, labels: metadata.labels ?? {} } };
    },
    patch: async (_ref, _patch, { dryRun }) => {
      if (dryRun !== true) writes.push("patch");
      throw apiError(422, "Invalid", "spec.volumeName is immutable");
    },
    delete: () => Promise.reject(new Error("nothing is deleted")),
  };
  const deps = { client, installer, ledger: new Ledger(), clock: new TestClock() };
  const known = new Map([[formatObjectId(objectIdOf(live)), live.metadata]]);
  const [planned] = await planApply({ objects: [wanted] }, known, deps, signal);
  const change = await applyObject(planned as PlannedObject, 1_000, deps, signal);
  assert.deepEqual(
    { action: planned?.action, change: change.action, takeover: change.takeover, writes },
    { action: "configure", change: "configured", takeover: undefined, writes: ["apply"] },
  );
});
