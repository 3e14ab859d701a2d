import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { AuditEvent } from "../../scripts/control-plane/audit.ts";
import { conditionFaults } from "../../src/api/reasons.ts";
import { readStatus } from "../../src/controllers/flux-instance/status.ts";
import { fieldsOf, listOf, textOf } from "../../src/kube/fields.ts";
import { deploymentKind } from "../../src/kube/kinds.ts";
import type { JsonObject, KubeObject } from "../../src/kube/object.ts";
import { readinessOf } from "../../src/kube/readiness.ts";
import {
  condition,
  isReady,
  namespace,
  startFluxCluster,
  statusOf,
  type FluxCluster,
} from "../support/flux-cluster.ts";

const deploymentPath = `/apis/apps/v1/namespaces/${namespace}/deployments/source-controller`;
const [older, newer] = ["2.8.8", "2.9.4"];

let cluster: FluxCluster;

before(async () => {
  cluster = await startFluxCluster();
});
after(async () => {
  await cluster[Symbol.asyncDispose]();
});

const instance: KubeObject = {
  apiVersion: "fluxcd.controlplane.io/v1",
  kind: "FluxInstance",
  metadata: { name: "flux", namespace },
  spec: {
    distribution: { version: "2.8.x", registry: "ghcr.io/fluxcd" },
    components: ["source-controller", "notification-controller"],
    upgrade: { paused: true },
  },
};

function planOf(object: KubeObject): JsonObject {
  return fieldsOf(statusOf(object)["plan"]);
}

function isHeld(object: KubeObject): boolean {
  return isReady(object) && /^False\/(UpgradePaused|OutsideWindow)/.test(condition(object, "UpToDate") ?? "");
}

function imageOf(deployment: KubeObject): string {
  const { containers } = fieldsOf(fieldsOf(fieldsOf(deployment["spec"])["template"])["spec"]);
  return textOf(fieldsOf(listOf(containers)[0])["image"]);
}

function argsOf(deployment: KubeObject): readonly string[] {
  const { containers } = fieldsOf(fieldsOf(fieldsOf(deployment["spec"])["template"])["spec"]);
  return listOf(fieldsOf(listOf(containers)[0])["args"]).map(textOf);
}

/** What runs, apart from the instance itself and what is kept of it. */
async function world(): Promise<readonly string[]> {
  const others = [...(await cluster.snapshot())].filter(
    ([name]) => !/^FluxInstance\/|^ConfigMap\/.*last-good$/.test(name),
  );
  return others.map(([name, at]) => `${name} ${at}`).toSorted();
}

/** What the operator has written since `before`, in this order: "fluxinstances/status", "deployments". */
async function writtenSince(before: number): Promise<readonly string[]> {
  return (await cluster.writes()).slice(before).map(({ objectRef }) => resourceOf(objectRef));
}

function resourceOf({ resource = "", subresource }: NonNullable<AuditEvent["objectRef"]> = {}): string {
  return subresource === undefined ? resource : `${resource}/${subresource}`;
}

/** Requests of the operator without its lease, its watches and its events. */
async function requests(): Promise<readonly AuditEvent[]> {
  return (await cluster.plane.auditEvents()).filter(
    ({ userAgent = "", objectRef, verb }) =>
      userAgent.startsWith("flux-operator/") &&
      verb !== "watch" &&
      !["leases", "events"].includes(objectRef?.resource ?? ""),
  );
}

function legal(object: KubeObject): void {
  assert.deepEqual(conditionFaults(readStatus(object["status"]).conditions), []);
}

describe("an upgrade policy", { concurrency: 1 }, () => {
  test("keeps no installation waiting, whose plan stands before its first write and goes when it is done", async () => {
    const plans = collectPlans(older);
    await cluster.apply(instance);
    const installed = await cluster.instanceWhen("ready", isReady);
    assert.equal(statusOf(installed)["lastAppliedVersion"], older);
    assert.equal(statusOf(installed)["plan"], undefined);
    const { from, added, changed, removed, startedAt } = await plans;
    assert.deepEqual({ from, changed, removed }, { from: undefined, changed: 1, removed: 0 });
    assert.ok(Number(added) > 20);
    assert.match(textOf(startedAt), /Z$/);
    const [finalizer, intent, ...others] = await writtenSince(0);
    assert.deepEqual([finalizer, intent], ["fluxinstances", "fluxinstances/status"]);
    assert.ok(others.includes("deployments"));
  });

  test("keeps another version waiting while paused: only status says what will come", async () => {
    const [before, writes] = [await world(), (await cluster.writes()).length];
    await cluster.patchInstance({ spec: { distribution: { version: "2.9.x" } } });
    const held = await cluster.instanceWhen("held", isHeld);
    legal(held);
    assert.match(condition(held, "Ready") ?? "", /^True\/ReconciliationSucceeded: Applied version 2\.8\.8 revision /);
    assert.equal(
      condition(held, "UpToDate"),
      "False/UpgradePaused: The change of Flux from 2.8.8 to 2.9.4 waits until spec.upgrade.paused is removed",
    );
    const { revision, images, changed, added, removed, ...versions } = planOf(held);
    assert.deepEqual(versions, { from: older, to: newer });
    assert.match(textOf(revision), /^v2\.9\.4@sha256:/);
    assert.deepEqual(
      listOf(images).map((image) => textOf(fieldsOf(image)["name"])),
      ["ghcr.io/fluxcd/source-controller:v1.9.4", "ghcr.io/fluxcd/notification-controller:v1.9.3"],
    );
    assert.ok(Number(changed) > 0 && Number(added) >= 0 && Number(removed) >= 0);
    assert.deepEqual(await world(), before);
    assert.deepEqual(
      await writtenSince(writes),
      ["configmaps", "fluxinstances/status"],
      "what is good, with this spec",
    );
  });

  test("settles while it waits in at most 5 requests, and does not ask anew what will come", async () => {
    await cluster.reconcile();
    const [before, plan] = [(await requests()).length, planOf(await cluster.instance())];
    await cluster.reconcile();
    const made = (await requests()).slice(before).map(({ verb, objectRef }) => `${verb} ${resourceOf(objectRef)}`);
    assert.ok(made.length <= 5, made.join(", "));
    assert.deepEqual(
      made.filter((request) => !request.startsWith("get ")),
      ["patch fluxinstances/status"],
      "the echo of the request",
    );
    assert.deepEqual(planOf(await cluster.instance()), plan);
  });

  test("repairs drift meanwhile, in the version that runs", async () => {
    const { uid } = (await cluster.plane.rest.get(deploymentPath)).metadata;
    await cluster.plane.rest.delete(deploymentPath);
    const back = await cluster.objectWhen(
      deploymentKind,
      "back",
      (object) =>
        object.metadata.name === "source-controller" &&
        object.metadata.uid !== uid &&
        readinessOf(object).status === "Current",
    );
    assert.match(imageOf(back), /source-controller:v1\.8\./);
    assert.ok(isHeld(await cluster.reconcile()));
  });

  test("applies a new configuration meanwhile, in the version that runs", async () => {
    const { revision } = planOf(await cluster.instance());
    const patch = JSON.stringify([
      { op: "add", path: "/spec/template/spec/containers/0/args/-", value: "--concurrent=7" },
    ]);
    const target = { kind: "Deployment", name: "source-controller" };
    await cluster.patchInstance({ spec: { kustomize: { patches: [{ target, patch }] } } });
    const held = await cluster.instanceWhen("held in the new configuration", isHeld);
    legal(held);
    const deployment = await cluster.plane.rest.get(deploymentPath);
    assert.ok(argsOf(deployment).includes("--concurrent=7"));
    assert.match(imageOf(deployment), /source-controller:v1\.8\./);
    assert.equal(statusOf(held)["lastAppliedVersion"], older);
    assert.equal(planOf(held)["to"], newer);
    assert.notEqual(planOf(held)["revision"], revision);
    assert.equal(planOf(held)["startedAt"], undefined);
  });

  test("keeps the way back to an older version waiting as well", async () => {
    const before = await world();
    await cluster.patchInstance({ spec: { distribution: { version: "2.6.x" } } });
    await cluster.instanceWhen(
      "waiting for the way back",
      (object) => isHeld(object) && planOf(object)["to"] !== newer,
    );
    assert.deepEqual(await world(), before);
    await cluster.patchInstance({ spec: { distribution: { version: "2.9.x" } } });
    await cluster.instanceWhen("held", (object) => isHeld(object) && planOf(object)["to"] === newer);
  });

  test("tells when the next window opens", async () => {
    const opensMs = Math.ceil(Date.now() / 3_600_000 + 5) * 3_600_000;
    const opens = new Date(opensMs);
    const schedule = `0 ${opens.getUTCHours()} ${opens.getUTCDate()} ${opens.getUTCMonth() + 1} *`;
    await cluster.patchInstance({ spec: { upgrade: { paused: null, windows: [{ schedule, duration: "1h" }] } } });
    const held = await cluster.instanceWhen("held by its window", (object) =>
      (condition(object, "UpToDate") ?? "").startsWith("False/OutsideWindow"),
    );
    legal(held);
    const at = `${opens.toISOString().slice(0, 19)}Z`;
    assert.equal(
      condition(held, "UpToDate"),
      `False/OutsideWindow: The change of Flux from 2.8.8 to 2.9.4 waits until ${at}, when the next window of spec.upgrade.windows opens`,
    );
  });

  test("lets the upgrade start in a window that is open, and its plan stands before the first write", async () => {
    const [before, plans] = [(await cluster.writes()).length, collectPlans(newer)];
    const { startedAt: _, ...waiting } = planOf(await cluster.instance());
    const windows = [{ schedule: "* * * * *", duration: "2m", timeZone: "Europe/Zurich" }];
    await cluster.patchInstance({ spec: { upgrade: { windows } } });
    const upgraded = await cluster.instanceWhen(
      "upgraded",
      (object) => isReady(object) && statusOf(object)["lastAppliedVersion"] === newer,
    );
    legal(upgraded);
    assert.equal(condition(upgraded, "UpToDate"), "True/UpToDate: Version 2.9.4 is the latest");
    assert.equal(statusOf(upgraded)["plan"], undefined);
    const { startedAt, ...carriedOut } = await plans;
    assert.deepEqual(carriedOut, waiting, "what was done is what had been told");
    assert.match(textOf(startedAt), /Z$/);
    const [first, ...others] = await writtenSince(before);
    assert.equal(first, "fluxinstances/status");
    assert.ok(others.includes("customresourcedefinitions") && others.includes("deployments"));
    assert.match(imageOf(await cluster.plane.rest.get(deploymentPath)), /source-controller:v1\.9\./);
  });
});

/** The plan of the change to `version` as it stood when its first write was made. */
async function collectPlans(version: string): Promise<JsonObject> {
  const begun = (object: KubeObject): boolean => {
    const { to, startedAt } = planOf(object);
    return to === version && startedAt !== undefined;
  };
  return planOf(await cluster.instanceWhen(`on the way to ${version}`, begun));
}
