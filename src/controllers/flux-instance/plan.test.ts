import assert from "node:assert/strict";
import { test } from "node:test";
import type { PlannedObject } from "../../apply/planned-object.ts";
import type { KubeObject } from "../../kube/object.ts";
import type { Rendering } from "../../render/rendering.ts";
import { followingPlan, hasBegun, planOf, readPlan, type Foreseen, type Plan } from "./plan.ts";

const digest = `sha256:${"a".repeat(64)}`;
const image = { name: "source-controller", repository: "ghcr.io/fluxcd/source-controller", tag: "v1.9.4" } as const;
const started = "2026-02-02T00:00:00Z";

function renderingOf(parts: Partial<Rendering> = {}): Rendering {
  return { version: "2.9.0", revision: "v2.9.0@sha256:1", objects: [], images: [image], patches: [], ...parts };
}

function plannedAs(...actions: readonly PlannedObject["action"][]): readonly PlannedObject[] {
  const object: KubeObject = { apiVersion: "v1", kind: "Service", metadata: { name: "a", namespace: "b" } };
  return actions.map((action): PlannedObject => {
    if (action === "create" || action === "blind") return { object, action };
    return { object, action, live: object };
  });
}

const nothing: Foreseen = { planned: [], stale: [], migrations: [], losses: [] };
const stale = { group: "", version: "v1", kind: "Service", namespace: "b", name: "a" };
const helm = { group: "helm.toolkit.fluxcd.io", kind: "HelmRelease" };

test("planOf() counts what comes, changes and goes, and names what is dropped and lost", () => {
  const foreseen: Foreseen = {
    planned: plannedAs("create", "blind", "configure", "migrate", "recreate", "unchanged"),
    stale: [stale],
    migrations: [
      { kind: helm, droppedStored: ["v2beta2", "v2beta1"] },
      { kind: { ...helm, kind: "HelmThing" }, droppedStored: [] },
    ],
    losses: [{ object: "HelmRelease/apps/web", fields: ["spec.a", "spec.b"] }],
  };
  assert.deepEqual(planOf(renderingOf({ images: [{ ...image, digest }, image] }), "2.8.0", foreseen), {
    from: "2.8.0",
    to: "2.9.0",
    revision: "v2.9.0@sha256:1",
    images: [
      { name: "ghcr.io/fluxcd/source-controller:v1.9.4", digest },
      { name: "ghcr.io/fluxcd/source-controller:v1.9.4" },
    ],
    added: 2,
    changed: 3,
    removed: 1,
    droppedVersions: ["HelmRelease.helm.toolkit.fluxcd.io/v2beta1", "HelmRelease.helm.toolkit.fluxcd.io/v2beta2"],
    objectsLosingFields: ["HelmRelease/apps/web: spec.a, spec.b"],
  });
});

test("planOf() of an installation comes from nowhere", () => {
  assert.deepEqual(planOf(renderingOf(), undefined, nothing), {
    to: "2.9.0",
    revision: "v2.9.0@sha256:1",
    images: [{ name: "ghcr.io/fluxcd/source-controller:v1.9.4" }],
    added: 0,
    changed: 0,
    removed: 0,
    droppedVersions: [],
    objectsLosingFields: [],
  });
});

test("planOf() names fifty objects that lose fields, and counts the others", () => {
  const losses = Array.from({ length: 53 }, (_, index) => ({
    object: `HelmRelease/apps/${index}`,
    fields: ["spec.a"],
  }));
  const { objectsLosingFields = [] } = planOf(renderingOf(), "2.8.0", { ...nothing, losses });
  assert.deepEqual(
    [objectsLosingFields.length, ...objectsLosingFields.slice(-2)],
    [51, "HelmRelease/apps/49: spec.a", "and 3 more"],
  );
});

for (const { name, plan } of [
  { name: "a whole plan", plan: planOf(renderingOf({ images: [{ ...image, digest }] }), "2.8.0", nothing) },
  {
    name: "an installation that has begun",
    plan: { ...planOf(renderingOf(), undefined, nothing), startedAt: started },
  },
  { name: "a plan that the API server refuses", plan: planOf(renderingOf(), "2.8.0") },
]) {
  test(`readPlan() reads ${name} as it was written`, () =>
    assert.deepEqual(readPlan(JSON.parse(JSON.stringify(plan))), plan));
}

test("readPlan() finds none where there is none", () => assert.equal(readPlan(undefined), undefined));

const next = planOf(renderingOf(), "2.8.0", { ...nothing, planned: plannedAs("configure") });
const before: Plan = { ...next, changed: 7 };

for (const { name, recorded, want } of [
  { name: "takes the place of none", recorded: undefined, want: next },
  { name: "takes the place of one that waits", recorded: before, want: next },
  {
    name: "tells what has begun as it was",
    recorded: { ...before, startedAt: started },
    want: { ...before, startedAt: started },
  },
  {
    name: "of another configuration goes on with what has begun",
    recorded: { ...before, revision: "v2.9.0@sha256:2", startedAt: started },
    want: { ...next, startedAt: started },
  },
  {
    name: "to another version begins anew",
    recorded: { ...before, to: "2.9.1", startedAt: started },
    want: next,
  },
]) {
  test(`followingPlan() ${name}`, () => assert.deepEqual(followingPlan(recorded, next), want));
}

const begun: Plan = { ...next, startedAt: started };

for (const { name, plan, rendering, want } of [
  { name: "no plan", plan: undefined, rendering: renderingOf(), want: false },
  { name: "a plan that waits", plan: next, rendering: renderingOf(), want: false },
  { name: "a plan whose first write was made", plan: begun, rendering: renderingOf(), want: true },
  {
    name: "another configuration of it",
    plan: begun,
    rendering: renderingOf({ revision: "v2.9.0@sha256:2" }),
    want: true,
  },
  {
    name: "its version from another registry",
    plan: begun,
    rendering: renderingOf({ images: [{ ...image, repository: "mirror/source-controller" }] }),
    want: true,
  },
  { name: "a plan for another version", plan: begun, rendering: renderingOf({ version: "2.9.1" }), want: false },
  {
    name: "new images of a version that is being configured",
    plan: { ...begun, from: "2.9.0" },
    rendering: renderingOf({ images: [{ ...image, digest }] }),
    want: false,
  },
]) {
  test(`hasBegun() is ${want} for ${name}`, () => assert.equal(hasBegun(plan, rendering), want));
}
