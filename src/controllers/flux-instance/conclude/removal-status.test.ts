import assert from "node:assert/strict";
import { test } from "node:test";
import { fluxInstance } from "../../../api/names.ts";
import { conditionFaults } from "../../../api/reasons.ts";
import type { Condition } from "../../../kube/conditions.ts";
import { removalPhases } from "../remove/removal-phase.ts";
import type { FluxInstanceStatus } from "../status.ts";
import { worldOf, type World } from "../world.ts";
import { removalStatus, reportedSoFar, type Removal } from "./removal-status.ts";

const now = "2026-01-02T00:00:00Z";
const entries = [{ id: "flux-system_source-controller_apps_Deployment", v: "v1" }];
const obstacle = "Waiting for these objects to be deleted: Pod/flux-system/x";

function condition(type: string, status: Condition["status"], reason: string, message: string): Condition {
  return { type, status, reason, message, lastTransitionTime: now, observedGeneration: 2 };
}

function worldWith(status: FluxInstanceStatus): World {
  const metadata = { name: "flux", namespace: "flux-system", generation: 2 };
  const instance = { apiVersion: fluxInstance.storageApiVersion, kind: fluxInstance.kind, metadata, status };
  return worldOf(JSON.parse(JSON.stringify(instance)), new Map(), "flux-system");
}

const world = worldWith({
  inventory: { entries },
  conditions: [condition("Stalled", "True", "BuildFailed", "x")],
});

for (const { name, removal, status, reason, message } of [
  {
    name: "says what is done",
    removal: { kind: "working", phase: "stop" },
    status: "Unknown",
    reason: "Uninstalling",
    message: "Stopping Flux's controllers; workloads stay",
  },
  {
    name: "says what is waited for",
    removal: { kind: "waiting", phase: "stop", message: obstacle },
    status: "Unknown",
    reason: "Uninstalling",
    message: `Stopping Flux's controllers: ${obstacle}`,
  },
  {
    name: "says what failed",
    removal: { kind: "failed", phase: "rest", message: "Cannot delete Service/a/b: no" },
    status: "False",
    reason: "UninstallFailed",
    message: "Deleting the rest of Flux: Cannot delete Service/a/b: no",
  },
] satisfies readonly ({ name: string; removal: Removal; reason: string; message: string } & Pick<
  Condition,
  "status"
>)[]) {
  test(`removalStatus() ${name}, and keeps the inventory`, () => {
    const written = removalStatus(world, removal, now);
    assert.deepEqual(written, {
      inventory: { entries },
      conditions: [
        condition("Ready", status, reason, message),
        condition("Reconciling", "True", "Uninstalling", message),
      ],
    });
    assert.deepEqual(conditionFaults(written.conditions), []);
  });

  test(`reportedSoFar() knows the phase of a status that ${name}`, () => {
    const phaseIndex = Object.keys(removalPhases).indexOf(removal.phase);
    assert.deepEqual(reportedSoFar(worldWith(removalStatus(world, removal, now))), { message, phaseIndex });
  });
}

test("reportedSoFar() is undefined before a removal has begun", () => assert.equal(reportedSoFar(world), undefined));

test("every phase begins with words of its own", () => {
  const words = Object.values(removalPhases);
  const clashes = words.filter((one) => words.some((other) => other !== one && other.startsWith(one)));
  assert.deepEqual(clashes, []);
});
