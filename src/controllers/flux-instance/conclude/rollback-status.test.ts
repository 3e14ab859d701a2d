import assert from "node:assert/strict";
import { test } from "node:test";
import { releaseOf, specOf } from "../../../../test/support/small-release.ts";
import { fluxInstance } from "../../../api/names.ts";
import { conditionFaults } from "../../../api/reasons.ts";
import type { JsonObject } from "../../../kube/object.ts";
import type { Unpinned } from "../../../render/rendering.ts";
import { ReasonedError } from "../../../std/errors.ts";
import type { Return } from "../decision.ts";
import type { LastGoodState } from "../last-good.ts";
import type { FluxInstanceStatus } from "../status.ts";
import { worldOf, type World } from "../world.ts";
import { returnedStatus, returnFailure, returningStatus, returnIntentStatus } from "./rollback-status.ts";
import { failedStatus } from "./verdict.ts";

const before = "2026-01-01T00:00:00Z";
const moment = { nowIso: "2026-02-02T00:00:00Z", durationMs: 1_500 };
const revisions = { good: `v2.8.0@sha256:${"1".repeat(64)}`, failed: `v2.9.0@sha256:${"2".repeat(64)}` };
const oldSpec = { distribution: { version: "2.x" } };
const entries = [{ id: "_a__Namespace", v: "v1" }];

const to: Return = {
  kind: "rollback",
  spec: specOf(),
  release: releaseOf("2.8.0"),
  rendering: { version: "2.8.0", revision: revisions.good, objects: [], images: [], patches: [] },
  latestVersion: "2.9.0",
  failed: {
    generation: 2,
    operatorVersion: "0.1.0",
    version: "2.9.0",
    revision: revisions.failed,
    reason: "HealthCheckFailed",
    message: "1 object will not become ready: Deployment/a: container manager is in CrashLoopBackOff",
  },
};

function worldWith(spec: JsonObject, recorded: FluxInstanceStatus): World {
  const { apiVersion, kind } = { apiVersion: fluxInstance.storageApiVersion, kind: fluxInstance.kind };
  const instance = { apiVersion, kind, metadata: { name: "flux", namespace: "flux-system", generation: 2 }, spec };
  const { version, revision } = to.rendering;
  const good = { spec: oldSpec, release: to.release, version, revision, generation: 1 };
  const lastGood: LastGoodState = { kind: "known", good, failed: to.failed };
  return { ...worldOf(instance, new Map(), "flux-system", lastGood), recorded };
}

const tried: FluxInstanceStatus = {
  lastAppliedRevision: revisions.good,
  lastAppliedVersion: "2.8.0",
  lastAttemptedRevision: revisions.failed,
  inventory: { entries },
  conditions: [
    {
      type: "Ready",
      status: "Unknown",
      reason: "Progressing",
      message: "Changing Flux from 2.8.0 to 2.9.0",
      observedGeneration: 2,
      lastTransitionTime: before,
    },
  ],
};

/** "Ready False/UpgradeFailed: message" */
function told({ conditions }: FluxInstanceStatus): readonly string[] {
  assert.deepEqual(conditionFaults(conditions), []);
  return conditions.map(({ type, status, reason, message }) => `${type} ${status}/${reason}: ${message}`);
}

function historyOf({ history = [] }: FluxInstanceStatus): readonly string[] {
  return history.map(({ metadata, lastReconciledStatus }) => `${metadata?.flux} ${lastReconciledStatus}`);
}

const cause = to.failed.message;
const again =
  "change the spec, or set the annotations reconcile.fluxcd.io/forceAt and reconcile.fluxcd.io/requestedAt to one new value to try the same again";
const notUpToDate = `UpToDate False/UpgradeFailed: Flux 2.9.0 failed: ${cause}; it is tried again when the spec, the artifact or the operator changes, or when it is forced`;
const applied = { inventory: entries, unattended: [], changed: true, sync: undefined };
const atWork = returningStatus(worldWith(oldSpec, tried), to, moment);

test("returningStatus() says what failed and what is put back", () => {
  assert.deepEqual(told(atWork), [
    `Ready False/UpgradeFailed: Flux 2.9.0 failed, and Flux 2.8.0 is put back: ${cause}`,
    "Reconciling True/Progressing: Putting Flux 2.8.0 back",
    notUpToDate,
  ]);
  assert.deepEqual(historyOf(atWork), ["v2.9.0 UpgradeFailed"]);
});

test("returnIntentStatus() says the same once more, and keeps the inventory of the write", () => {
  const more = [...entries, { id: "_b__Namespace", v: "v1" }];
  const status = returnIntentStatus(worldWith(oldSpec, atWork), to, more, moment.nowIso);
  assert.deepEqual(status, { ...atWork, inventory: { entries: more } });
});

test("returnIntentStatus() says it for the first time after a crash", () => {
  const status = returnIntentStatus(worldWith(oldSpec, tried), to, entries, moment.nowIso);
  assert.deepEqual(told(status), told(atWork));
});

for (const { name, spec, want } of [
  {
    name: "is Ready when the spec has been the same all the time",
    spec: oldSpec,
    want: [
      `Ready True/RolledBack: Applied version 2.8.0 revision 1111111; Flux 2.9.0 failed and was rolled back: ${cause}`,
      notUpToDate,
    ],
  },
  {
    name: "is Stalled when the spec asks for what failed",
    spec: { distribution: { version: "2.9.x" } },
    want: [
      `Ready False/UpgradeFailed: Flux 2.9.0 failed, and Flux 2.8.0 runs again: ${cause}; ${again}`,
      notUpToDate,
      `Stalled True/UpgradeFailed: Flux 2.9.0 failed, and Flux 2.8.0 runs again: ${cause}; ${again}`,
    ],
  },
]) {
  test(`returnedStatus() ${name}, and is the same again when nothing changes`, () => {
    const status = returnedStatus(worldWith(spec, atWork), to, applied, moment);
    assert.deepEqual(told(status), want);
    assert.deepEqual(historyOf(status), ["v2.8.0 RolledBack", "v2.9.0 UpgradeFailed"]);
    assert.deepEqual([status.lastAppliedRevision, status.lastAttemptedRevision], [revisions.good, revisions.good]);
    const later = { nowIso: "2026-03-03T00:00:00Z", durationMs: 1 };
    const second = returnedStatus(worldWith(spec, status), to, { ...applied, changed: false }, later);
    assert.deepEqual(second, status);
  });
}

test("returnedStatus() says why nothing newer is tried", () => {
  const problem = new ReasonedError({ reason: "ArtifactFailed", retry: "backoff", message: "Cannot pull it" });
  const status = returnedStatus(worldWith(oldSpec, atWork), { ...to, problem }, applied, moment);
  assert.equal(told(status)[1], `${notUpToDate}; nothing newer can be used: Cannot pull it`);
});

test("returnedStatus() still tells that images of what runs are not pinned", () => {
  const unpinned: Unpinned = { reason: "no digest is known", components: ["source-controller"] };
  const loose: Return = { ...to, rendering: { ...to.rendering, unpinned } };
  const status = returnedStatus(worldWith(oldSpec, atWork), loose, applied, moment);
  assert.equal(
    told(status)[1],
    `${notUpToDate}; images are not pinned by digest: no digest is known (source-controller)`,
  );
});

test("returnedStatus() tells two configurations of one version apart", () => {
  const version = "2.8.0";
  const same: Return = { ...to, failed: { ...to.failed, version, revision: `v2.8.0@sha256:${"3".repeat(64)}` } };
  const [ready] = told(returnedStatus(worldWith({}, atWork), same, applied, moment));
  assert.equal(
    ready,
    `Ready False/UpgradeFailed: A new configuration of Flux 2.8.0 (revision 3333333) failed, and the configuration before (revision 1111111) runs again: ${cause}; ${again}`,
  );
});

for (const { name, recorded, says } of [
  { name: "the way back", recorded: atWork, says: "it cannot be rolled back to Flux 2.8.0" },
  {
    name: "what was put back",
    recorded: returnedStatus(worldWith(oldSpec, atWork), to, applied, moment),
    says: "Flux 2.8.0, which runs in its place, is ill",
  },
]) {
  test(`returnFailure() says what is wrong with ${name}, and the same on each retry`, () => {
    const world = worldWith(oldSpec, recorded);
    const failure = returnFailure(world, to, "no space");
    assert.deepEqual(failure, {
      reason: "UpgradeFailed",
      message: `Flux 2.9.0 failed: ${cause}; ${says}: no space`,
      stalled: false,
    });
    const status = failedStatus(world, failure, moment);
    assert.equal(told(status).length, 3);
    const retry = worldWith(oldSpec, status);
    assert.deepEqual(returnIntentStatus(retry, to, entries, moment.nowIso), status);
    assert.deepEqual(returnFailure(retry, to, "no space"), failure);
  });
}
