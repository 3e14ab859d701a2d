import assert from "node:assert/strict";
import { test } from "node:test";
import { findCondition, removeCondition, setCondition, type Condition, type NextCondition } from "./conditions.ts";

const before = "2024-02-25T16:11:42Z";
const now = "2024-02-26T10:00:00Z";
const nextReady: NextCondition = {
  type: "Ready",
  status: "True",
  reason: "ReconciliationSucceeded",
  message: "Applied",
  observedGeneration: 2,
};
const ready: Condition = { ...nextReady, lastTransitionTime: before };
const upToDate: Condition = {
  type: "UpToDate",
  status: "True",
  reason: "UpToDate",
  message: "",
  lastTransitionTime: before,
};
const conditions = [ready, upToDate];

test("setCondition() returns the same list when nothing differs", () => {
  assert.equal(setCondition(conditions, nextReady, now), conditions);
});

for (const { name, next, want } of [
  {
    name: "keeps the transition time when only the message differs",
    next: { ...nextReady, message: "Applied again" },
    want: [{ ...ready, message: "Applied again" }, upToDate],
  },
  {
    name: "keeps the transition time when only the generation differs",
    next: { ...nextReady, observedGeneration: 3 },
    want: [{ ...ready, observedGeneration: 3 }, upToDate],
  },
  {
    name: "dates a changed status in its place",
    next: { ...nextReady, status: "False" as const, reason: "BuildFailed" },
    want: [{ ...ready, status: "False", reason: "BuildFailed", lastTransitionTime: now }, upToDate],
  },
  {
    name: "drops an observedGeneration that the next one does not have",
    next: { type: "Ready", status: "True" as const, reason: "ReconciliationSucceeded", message: "Applied" },
    want: [
      {
        type: "Ready",
        status: "True",
        reason: "ReconciliationSucceeded",
        message: "Applied",
        lastTransitionTime: before,
      },
      upToDate,
    ],
  },
  {
    name: "appends a new type",
    next: { type: "Synced", status: "True" as const, reason: "Synced", message: "" },
    want: [ready, upToDate, { type: "Synced", status: "True", reason: "Synced", message: "", lastTransitionTime: now }],
  },
]) {
  test(`setCondition() ${name}`, () => assert.deepEqual(setCondition(Object.freeze([...conditions]), next, now), want));
}

test("findCondition() finds by type, or nothing", () => {
  assert.equal(findCondition(conditions, "UpToDate"), upToDate);
  assert.equal(findCondition(conditions, "Synced"), undefined);
});

test("removeCondition() takes one type out and returns the same list when there is none", () => {
  assert.deepEqual(removeCondition(conditions, "Ready"), [upToDate]);
  assert.equal(removeCondition(conditions, "Synced"), conditions);
});
