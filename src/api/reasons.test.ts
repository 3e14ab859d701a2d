import assert from "node:assert/strict";
import { test } from "node:test";
import type { Condition } from "../kube/conditions.ts";
import { conditionFaults, legalReasons, reasons } from "./reasons.ts";

function condition(type: string, status: Condition["status"], reason: string): Condition {
  return { type, status, reason, message: "m", observedGeneration: 1, lastTransitionTime: "2024-02-25T16:11:42Z" };
}

const ready = condition("Ready", "True", "ReconciliationSucceeded");

for (const { name, conditions, want } of [
  {
    name: "accepts the RFC's conditions",
    conditions: [ready, condition("UpToDate", "False", "NewVersionAvailable")],
    want: [],
  },
  {
    name: "accepts a failure that is retried",
    conditions: [
      condition("Ready", "False", "ReconciliationFailed"),
      condition("Reconciling", "True", "ProgressingWithRetry"),
    ],
    want: [],
  },
  {
    name: "refuses a reason that does not go with the status",
    conditions: [condition("Ready", "True", "BuildFailed")],
    want: ["Ready True / BuildFailed is not in the table of reasons"],
  },
  {
    name: "refuses an unknown type",
    conditions: [condition("Fine", "True", "UpToDate")],
    want: ["Fine True / UpToDate is not in the table of reasons"],
  },
  {
    name: "refuses an abnormal-true type that is False",
    conditions: [condition("Stalled", "False", "BuildFailed")],
    want: ["Stalled False / BuildFailed is not in the table of reasons"],
  },
  {
    name: "refuses Reconciling beside Stalled, and Stalled beside Ready True",
    conditions: [ready, condition("Reconciling", "True", "Progressing"), condition("Stalled", "True", "BuildFailed")],
    want: ["Reconciling and Stalled stand together", "Stalled stands beside Ready True"],
  },
  { name: "refuses two of a type", conditions: [ready, ready], want: ["Ready stands twice"] },
  {
    name: "refuses an empty message and a missing generation",
    conditions: [
      { type: "Ready", status: "Unknown", reason: "Progressing", message: "", lastTransitionTime: "" } as const,
    ],
    want: ["Ready Unknown / Progressing has no message", "Ready Unknown / Progressing has no observedGeneration"],
  },
]) {
  test(`conditionFaults() ${name}`, () => assert.deepEqual(conditionFaults(conditions), want));
}

test("legalReasons places every reason", () => {
  const placed = new Set<string>(Object.values(legalReasons).flatMap((byStatus) => Object.values(byStatus).flat()));
  assert.deepEqual(
    Object.values(reasons).filter((reason) => !placed.has(reason)),
    [],
  );
});
