import assert from "node:assert/strict";
import { test } from "node:test";
import { TestClock } from "../../../../test/support/test-clock.ts";
import { createTestLog } from "../../../../test/support/test-log.ts";
import type { Change } from "../../../apply/change-set.ts";
import { ReconcileLog, type Ending } from "./reconcile-log.ts";

const id = { group: "apps", kind: "Deployment", namespace: "flux-system", name: "helm-controller" };
const takeover = { managers: ["helm"], removed: [], remaining: [] };
const changes: readonly Change[] = [
  { id, action: "configured", takeover },
  { id: { ...id, name: "source-controller" }, action: "configured" },
];
const error = { reason: "HealthCheckFailed", message: "1 object not ready in time" };
const done: Ending = { kind: "reconciled", version: "2.9.4", revision: "v2.9.4@sha256:1" };
const result = { version: "2.9.4", revision: "v2.9.4@sha256:1" };

for (const { name, changed = [], isNews = false, ending, want } of [
  {
    name: "one that changed objects at info, with each object and their count",
    changed: changes,
    ending: done,
    want: [
      {
        level: "info",
        message: "Object configured",
        object: "Deployment/flux-system/helm-controller",
        takenOverFrom: ["helm"],
      },
      { level: "info", message: "Object configured", object: "Deployment/flux-system/source-controller" },
      { level: "info", message: "Reconciled", ms: 7, configured: 2, ...result },
    ],
  },
  { name: "a settled one at debug", ending: done, want: [{ level: "debug", message: "Reconciled", ms: 7, ...result }] },
  {
    name: "a settled one that was asked for by hand at info",
    isNews: true,
    ending: done,
    want: [{ level: "info", message: "Reconciled", ms: 7, ...result }],
  },
  {
    name: "a failure with its reason and what follows",
    ending: { kind: "failed", error, next: "rollback" },
    want: [
      {
        level: "error",
        message: "Reconcile failed",
        ms: 7,
        reason: "HealthCheckFailed",
        next: "rollback",
        error: "1 object not ready in time",
      },
    ],
  },
  {
    name: "a failure that is no news at debug",
    ending: { kind: "failed", error, next: "retry", isNews: false },
    want: [
      {
        level: "debug",
        message: "Reconcile failed",
        ms: 7,
        reason: "HealthCheckFailed",
        next: "retry",
        error: "1 object not ready in time",
      },
    ],
  },
  {
    name: "one that begins anew",
    ending: { kind: "restarted", message: "Interrupted" },
    want: [{ level: "info", message: "Reconcile restarts", ms: 7, because: "Interrupted" }],
  },
] satisfies readonly {
  name: string;
  changed?: readonly Change[];
  isNews?: boolean;
  ending: Ending;
  want: readonly object[];
}[]) {
  test(`ReconcileLog tells ${name}`, async () => {
    const clock = new TestClock();
    const { log, lines } = createTestLog();
    const told = new ReconcileLog(log, clock, isNews);
    told.decided("upgrade");
    await clock.advance(7);
    for (const change of changed) told.changed(change);
    told.ended(ending);
    assert.deepEqual(
      lines,
      want.map((line) => Object.assign({ decision: "upgrade" }, line)),
    );
  });
}
