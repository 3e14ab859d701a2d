import assert from "node:assert/strict";
import { test } from "node:test";
import { releaseOf, specOf } from "../../../../test/support/small-release.ts";
import { fluxInstance } from "../../../api/names.ts";
import { conditionFaults } from "../../../api/reasons.ts";
import type { JsonObject } from "../../../kube/object.ts";
import type { Unpinned } from "../../../render/rendering.ts";
import { ReasonedError } from "../../../std/errors.ts";
import type { Rollback } from "../decision.ts";
import { goodDigest, type LastGoodState } from "../last-good.ts";
import type { FluxInstanceStatus } from "../status.ts";
import { worldOf, type World } from "../world.ts";
import { rolledBackStatus, rollbackFailure, rollingBackStatus, rollbackIntentStatus } from "./rollback-status.ts";
import { failedStatus } from "./instance-status.ts";

const before = "2026-01-01T00:00:00Z";
const moment = { nowIso: "2026-02-02T00:00:00Z", durationMs: 1_500 };
const revisions = { good: `v2.8.0@sha256:${"1".repeat(64)}`, failed: `v2.9.0@sha256:${"2".repeat(64)}` };
const oldSpec = { distribution: { version: "2.x" } };
const entries = [{ id: "_a__Namespace", v: "v1" }];

const to: Rollback = {
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
    message: "1 object will not become ready: Deployment/a: container manager crashes",
    attempts: 1,
    retryAt: "2026-01-02T00:15:00Z",
  },
};

function worldWith(spec: JsonObject, recorded: FluxInstanceStatus): World {
  const { apiVersion, kind } = { apiVersion: fluxInstance.storageApiVersion, kind: fluxInstance.kind };
  const { version, revision } = to.rendering;
  const good = { spec: oldSpec, release: to.release, version, revision, generation: 1 };
  const metadata = { name: "flux", namespace: "flux-system", generation: 2 };
  const instance = { apiVersion, kind, metadata, spec, status: { lastGoodDigest: goodDigest(good) } };
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
  "it is retried at 2026-01-02T00:15:00Z; change the spec, or set the annotations reconcile.fluxcd.io/forceAt and reconcile.fluxcd.io/requestedAt to the same new value to retry it now";
const failedUpgradeCondition = `UpToDate False/UpgradeFailed: Flux 2.9.0 failed: ${cause}; it is retried at 2026-01-02T00:15:00Z, or before when the spec, the artifact or the operator changes, or when it is forced`;
const applied = { inventory: entries, unattended: [], changed: true, sync: undefined };
const atWork = rollingBackStatus(worldWith(oldSpec, tried), to, moment);

test("rollingBackStatus() says what failed and what is put back", () => {
  assert.deepEqual(told(atWork), [
    `Ready False/UpgradeFailed: Flux 2.9.0 failed, and is rolled back to Flux 2.8.0: ${cause}`,
    "Reconciling True/Progressing: Rolling back to Flux 2.8.0",
    failedUpgradeCondition,
  ]);
  assert.deepEqual(historyOf(atWork), ["v2.9.0 UpgradeFailed"]);
});

test("rollbackIntentStatus() says the same once more, and keeps the inventory of the write", () => {
  const more = [...entries, { id: "_b__Namespace", v: "v1" }];
  const status = rollbackIntentStatus(worldWith(oldSpec, atWork), to, more, moment.nowIso);
  assert.deepEqual(status, { ...atWork, inventory: { entries: more } });
});

test("rollbackIntentStatus() says it for the first time after a crash", () => {
  const status = rollbackIntentStatus(worldWith(oldSpec, tried), to, entries, moment.nowIso);
  assert.deepEqual(told(status), told(atWork));
});

for (const { name, spec, want } of [
  {
    name: "is Ready when the spec has been the same all the time",
    spec: oldSpec,
    want: [
      `Ready True/RolledBack: Applied version 2.8.0 revision 1111111; Flux 2.9.0 failed and was rolled back: ${cause}`,
      failedUpgradeCondition,
    ],
  },
  {
    name: "is Stalled when the spec asks for what failed",
    spec: { distribution: { version: "2.9.x" } },
    want: [
      `Ready False/UpgradeFailed: Flux 2.9.0 failed and was rolled back to Flux 2.8.0: ${cause}; ${again}`,
      failedUpgradeCondition,
      `Stalled True/UpgradeFailed: Flux 2.9.0 failed and was rolled back to Flux 2.8.0: ${cause}; ${again}`,
    ],
  },
]) {
  test(`rolledBackStatus() ${name}, and is the same again when nothing changes`, () => {
    const status = rolledBackStatus(worldWith(spec, atWork), to, applied, moment);
    assert.deepEqual(told(status), want);
    assert.deepEqual(historyOf(status), ["v2.8.0 RolledBack", "v2.9.0 UpgradeFailed"]);
    assert.deepEqual([status.lastAppliedRevision, status.lastAttemptedRevision], [revisions.good, revisions.good]);
    const later = { nowIso: "2026-03-03T00:00:00Z", durationMs: 1 };
    const second = rolledBackStatus(worldWith(spec, status), to, { ...applied, changed: false }, later);
    assert.deepEqual(second, status);
  });
}

test("rolledBackStatus() says why nothing newer is tried", () => {
  const problem = new ReasonedError({ reason: "ArtifactFailed", retry: "backoff", message: "Cannot pull it" });
  const status = rolledBackStatus(worldWith(oldSpec, atWork), { ...to, problem }, applied, moment);
  assert.equal(told(status)[1], `${failedUpgradeCondition}; no newer release can be used: Cannot pull it`);
});

test("rolledBackStatus() still tells that images of what runs are not pinned", () => {
  const unpinned: Unpinned = { reason: "no digest is known", components: ["source-controller"] };
  const loose: Rollback = { ...to, rendering: { ...to.rendering, unpinned } };
  const status = rolledBackStatus(worldWith(oldSpec, atWork), loose, applied, moment);
  assert.equal(
    told(status)[1],
    `${failedUpgradeCondition}; images are not pinned by digest: no digest is known (source-controller)`,
  );
});

test("rolledBackStatus() tells two configurations of one version apart", () => {
  const version = "2.8.0";
  const same: Rollback = { ...to, failed: { ...to.failed, version, revision: `v2.8.0@sha256:${"3".repeat(64)}` } };
  const [ready] = told(rolledBackStatus(worldWith({}, atWork), same, applied, moment));
  assert.equal(
    ready,
    `Ready False/UpgradeFailed: A new configuration of Flux 2.8.0 (revision 3333333) failed and was rolled back to the configuration before (revision 1111111): ${cause}; ${again}`,
  );
});

for (const { name, recorded, says } of [
  { name: "the way back", recorded: atWork, says: "it cannot be rolled back to Flux 2.8.0" },
  {
    name: "what was put back",
    recorded: rolledBackStatus(worldWith(oldSpec, atWork), to, applied, moment),
    says: "Flux 2.8.0 was restored but is not healthy",
  },
]) {
  test(`rollbackFailure() says what is wrong with ${name}, and the same on each retry`, () => {
    const world = worldWith(oldSpec, recorded);
    const failure = rollbackFailure(world, to, "no space");
    assert.deepEqual(failure, {
      reason: "UpgradeFailed",
      message: `Flux 2.9.0 failed: ${cause}; ${says}: no space`,
      stalled: false,
    });
    const status = failedStatus(world, failure, moment);
    assert.equal(told(status).length, 3);
    const retry = worldWith(oldSpec, status);
    assert.deepEqual(rollbackIntentStatus(retry, to, entries, moment.nowIso), status);
    assert.deepEqual(rollbackFailure(retry, to, "no space"), failure);
  });
}

test("rolledBackStatus() names the images that were rebuilt", () => {
  const version = to.rendering.version;
  const rebuilt = { ...to, failed: { ...to.failed, version, rebuilt: ["source-controller"] } };
  const status = rolledBackStatus(worldWith(oldSpec, tried), rebuilt, applied, moment);
  assert.deepEqual(told(status), [
    `Ready True/RolledBack: Applied version 2.8.0 revision 1111111; A rebuilt Flux 2.8.0 (images of source-controller) failed and was rolled back: ${cause}`,
    `UpToDate False/UpgradeFailed: A rebuilt Flux 2.8.0 (images of source-controller) failed: ${cause}; it is retried at 2026-01-02T00:15:00Z, or before when the spec, the tag or the operator changes, or when it is forced`,
  ]);
});
