import assert from "node:assert/strict";
import { test } from "node:test";
import { releaseOf } from "../../../../test/support/small-release.ts";
import { fluxInstance } from "../../../api/names.ts";
import type { Release } from "../../../distribution/release.ts";
import type { JsonObject } from "../../../kube/object.ts";
import { targetOf, type Target, type Catalogue } from "../../../render/target.ts";
import { ReasonedError } from "../../../std/errors.ts";
import { operatorVersion } from "../../../std/version.ts";
import { modeOf, type Decision, type Obstacle } from "../decision.ts";
import type { Releases } from "../releases/releases.ts";
import { worldOf, type World } from "../world.ts";
import { dueIn, holdBack, releasesAtHand, stayDespite, type RunningRelease } from "./hold.ts";

const both = (version: string): Release => releaseOf(version, ["source-controller", "kustomize-controller"]);
const releases = new Map(
  [releaseOf("2.8.0"), both("2.8.1"), both("2.9.0")].map((release) => [release.version, release]),
);
const running: RunningRelease = (version) => releases.get(version);
const catalogue: Catalogue = {
  versions: [...releases.keys()],
  load: (version) => releases.get(version) ?? releaseOf(""),
};

const noon = Date.parse("2026-05-01T12:00:00Z");
const paused = { paused: true };
const nightly = { windows: [{ schedule: "0 2 * * *", duration: "1h" }] };
const spec = { distribution: { version: "2.8.x", registry: "ghcr.io/fluxcd" }, components: ["source-controller"] };
const applied = { lastAppliedVersion: "2.8.0", lastAppliedRevision: "v2.8.0@sha256:0" };

function worldWith(parts: JsonObject, status: JsonObject = applied): World {
  const instance = {
    apiVersion: fluxInstance.storageApiVersion,
    kind: fluxInstance.kind,
    metadata: { name: "flux", namespace: "flux-system", generation: 1 },
    spec: { ...spec, ...parts },
    status,
  };
  return worldOf(instance, new Map(), "flux-system");
}

function heldBack(world: World, nowMs = noon, known = running): Decision {
  const target = targetIn(world);
  return holdBack(target, world, nowMs, known) ?? { kind: modeOf(world, target), ...target };
}

function targetIn({ desired }: World, releases = catalogue): Target {
  assert.ok(!(desired instanceof ReasonedError));
  return targetOf(desired, releases);
}

function formatObstacle(obstacle: Obstacle): string {
  return obstacle.kind === "unbuildable" ? `unbuildable: ${obstacle.message}` : obstacle.kind;
}

/** What is made now, and what waits: "upgrade 2.8.0, then 2.8.1". */
function shortOf(decision: Decision): string {
  if (!("hold" in decision) || decision.hold === undefined) {
    return "rendering" in decision ? `${decision.kind} ${decision.rendering.version}` : decision.kind;
  }
  const { version } = decision.hold.waiting.rendering;
  if (decision.kind === "wait") return `wait: ${formatObstacle(decision.obstacle)}, then ${version}`;
  return `${decision.kind} ${decision.rendering.version}, then ${version}`;
}

const plan = { from: "2.8.0", to: "2.8.1", revision: "v2.8.1@sha256:0", images: [], startedAt: "2026-05-01T11:00:00Z" };
const { startedAt: _, ...waits } = plan;
const pinned = { tag: "v1.0.0", digest: `sha256:${"0".repeat(64)}` };
const older: Release = { ...both("2.8.1"), images: { "upstream-alpine": { "source-controller": pinned } } };

for (const { name, world, at = noon, known = running, want } of [
  { name: "lets an upgrade through without a policy", world: worldWith({}), want: "upgrade 2.8.1" },
  {
    name: "lets nothing keep an installation waiting",
    world: worldWith({ upgrade: paused }, {}),
    want: "install 2.8.1",
  },
  {
    name: "stays with what runs while paused",
    world: worldWith({ upgrade: paused }),
    want: "upgrade 2.8.0, then 2.8.1",
  },
  {
    name: "stays with what runs between windows",
    world: worldWith({ upgrade: nightly }),
    want: "upgrade 2.8.0, then 2.8.1",
  },
  {
    name: "lets an upgrade start inside a window",
    world: worldWith({ upgrade: nightly }),
    at: Date.parse("2026-05-01T02:59:59Z"),
    want: "upgrade 2.8.1",
  },
  {
    name: "knows the version of what the Go operator installed",
    world: worldWith({ upgrade: paused }, { lastAppliedRevision: "v2.8.0@sha256:0" }),
    want: "upgrade 2.8.0, then 2.8.1",
  },
  {
    name: "keeps a downgrade waiting",
    world: worldWith({ upgrade: paused }, { ...applied, lastAppliedVersion: "2.9.0" }),
    want: "upgrade 2.9.0, then 2.8.1",
  },
  {
    name: "configures what runs while paused",
    world: worldWith({ upgrade: paused }, { ...applied, lastAppliedVersion: "2.8.1" }),
    want: "upgrade 2.8.1",
  },
  {
    name: "keeps a new edition of the version that runs waiting",
    world: worldWith({ upgrade: paused }, { ...applied, lastAppliedVersion: "2.8.1" }),
    known: () => older,
    want: "upgrade 2.8.1, then 2.8.1",
  },
  {
    name: "takes a release that was read anew for the same",
    world: worldWith({ upgrade: paused }, { ...applied, lastAppliedVersion: "2.8.1" }),
    known: both,
    want: "upgrade 2.8.1",
  },
  {
    name: "finishes what has begun",
    world: worldWith({ upgrade: paused }, { ...applied, plan }),
    want: "upgrade 2.8.1",
  },
  {
    name: "does not start what was planned and refused",
    world: worldWith({ upgrade: paused }, { ...applied, plan: waits }),
    want: "upgrade 2.8.0, then 2.8.1",
  },
  {
    name: "changes nothing when nobody has what runs",
    world: worldWith({ upgrade: paused }, { ...applied, lastAppliedVersion: "2.7.5" }),
    want: "wait: unknown-release, then 2.8.1",
  },
  {
    name: "configures a version that nobody else has any more",
    world: worldWith({ upgrade: paused }, { ...applied, lastAppliedVersion: "2.8.1" }),
    known: () => undefined,
    want: "upgrade 2.8.1",
  },
  {
    name: "changes nothing when what runs cannot be what the spec says",
    world: worldWith({ upgrade: paused, components: ["source-controller", "kustomize-controller"] }),
    want: "wait: unbuildable: Cannot build the instance: spec.components kustomize-controller is not part of Flux 2.8.0; remove the component or choose another spec.distribution.version, then 2.8.1",
  },
]) {
  test(`holdBack() ${name}`, () => assert.equal(shortOf(heldBack(world, at, known)), want));
}

const image = "ghcr.io/fluxcd/source-controller:v1.0.0";
const [old, rebuilt] = [`sha256:${"0".repeat(64)}`, `sha256:${"1".repeat(64)}`];
const component = { name: "source-controller", repository: "ghcr.io/fluxcd/source-controller", tag: "v1.0.0" };
const live: Catalogue = { ...catalogue, live: { resolved: { [image]: rebuilt } } };
const registry = { distribution: { ...spec.distribution, digests: "Registry" } };
const runsAs = (parts: JsonObject): JsonObject => ({
  ...applied,
  lastAppliedVersion: "2.8.1",
  components: [{ ...component, ...parts }],
});

for (const { name, parts, status, want } of [
  {
    name: "keeps a rebuilt image waiting while paused",
    parts: { ...registry, upgrade: paused },
    status: runsAs({ digest: old }),
    want: [`upgrade 2.8.1, then 2.8.1`, old],
  },
  {
    name: "lets a rebuilt image through without a policy",
    parts: registry,
    status: runsAs({ digest: old }),
    want: ["upgrade 2.8.1", rebuilt],
  },
  {
    name: "keeps nothing waiting where the image is the same",
    parts: { ...registry, upgrade: paused },
    status: runsAs({ digest: rebuilt }),
    want: ["upgrade 2.8.1", rebuilt],
  },
  {
    name: "takes another registry for a change of the spec",
    parts: { ...registry, upgrade: paused },
    status: runsAs({ digest: old, repository: "mirror.example/source-controller" }),
    want: ["upgrade 2.8.1", rebuilt],
  },
  {
    name: "keeps the digest waiting of an image that runs by its tag",
    parts: { ...registry, upgrade: paused },
    status: runsAs({}),
    want: ["upgrade 2.8.1, then 2.8.1", undefined],
  },
  {
    name: "lets that digest through without a policy",
    parts: registry,
    status: runsAs({}),
    want: ["upgrade 2.8.1", rebuilt],
  },
  {
    name: "takes the digests of the registry for another version waiting",
    parts: { ...registry, upgrade: paused },
    status: { ...runsAs({ digest: old }), lastAppliedVersion: "2.8.0" },
    want: ["upgrade 2.8.0, then 2.8.1", old],
  },
]) {
  test(`holdBack() ${name}`, () => {
    const world = worldWith(parts, status);
    const target = targetIn(world, live);
    const held = holdBack(target, world, noon, running) ?? { kind: modeOf(world, target), ...target };
    assert.ok("rendering" in held);
    assert.deepEqual([shortOf(held), held.rendering.images[0]?.digest], want);
  });
}

test("holdBack() settles when what runs is what the spec says for it", () => {
  const held = heldBack(worldWith({ upgrade: paused }));
  assert.ok("rendering" in held);
  const settled = worldWith({ upgrade: paused }, { ...applied, lastAppliedRevision: held.rendering.revision });
  assert.equal(shortOf(heldBack(settled)), "settle 2.8.0, then 2.8.1");
});

function holdOf(decision: Decision) {
  assert.ok("hold" in decision && decision.hold !== undefined);
  return decision.hold;
}

test("holdBack() gives the same hold until the window opens", () => {
  const world = worldWith({ upgrade: nightly });
  const later = heldBack(world, noon + 14 * 3_600_000 - 1);
  assert.deepEqual(holdOf(heldBack(world)).gate, holdOf(later).gate);
});

test("holdBack() does not try a configuration again that failed with what runs, but goes back", () => {
  const world = worldWith({ upgrade: paused });
  const held = heldBack(world);
  assert.ok("rendering" in held);
  const { version, revision } = held.rendering;
  const good = { spec, release: releaseOf("2.8.0"), version: "2.8.0", revision: "v2.8.0@sha256:0", generation: 0 };
  const failed = {
    generation: 1,
    operatorVersion,
    version,
    revision,
    reason: "HealthCheckFailed",
    message: "ill",
    attempts: 1,
    retryAt: "2099-01-01T00:00:00Z",
  };
  const lastGood = { kind: "known", good, failed } as const;
  assert.equal(shortOf(heldBack({ ...world, lastGood })), "rollback 2.8.0");
});

test("holdBack() stays with the artifact of what runs as well", () => {
  const world = worldWith({ upgrade: paused }, { ...applied, lastArtifactRevision: "sha256:old" });
  const fresh: Catalogue = { ...catalogue, artifactRevision: "sha256:new" };
  const held = holdBack(targetIn(world, fresh), world, noon, running);
  assert.ok(held !== undefined && "artifactRevision" in held);
  assert.deepEqual([held.artifactRevision, holdOf(held).waiting.artifactRevision], ["sha256:old", "sha256:new"]);
});

test("holdBack() keeps no reason waiting for which something else is not newer", () => {
  const world = worldWith({ upgrade: paused });
  const problem = new ReasonedError({ reason: "ArtifactFailed", retry: "backoff", message: "away" });
  const held = holdBack({ ...targetIn(world), problem }, world, noon, running);
  assert.ok(held !== undefined && !("problem" in held) && !("problem" in holdOf(held).waiting));
});

for (const { name, found, version, want } of [
  {
    name: "what the last success chose from before what there is now",
    found: { kind: "found", catalogue, good: only("2.8.1") },
    version: "2.8.1",
    want: older,
  },
  {
    name: "what there is now where that lacks it",
    found: { kind: "found", catalogue, good: only("2.8.1") },
    version: "2.9.0",
    want: running("2.9.0"),
  },
  { name: "nothing where nobody has it", found: { kind: "found", catalogue }, version: "2.7.0", want: undefined },
  {
    name: "what the last success chose from where there is nothing now",
    found: {
      kind: "none",
      problem: new ReasonedError({ reason: "ArtifactFailed", retry: "backoff", message: "away" }),
      good: only("2.8.1"),
    },
    version: "2.8.1",
    want: older,
  },
] satisfies readonly { name: string; found: Releases; version: string; want: Release | undefined }[]) {
  test(`releasesAtHand() gives ${name}`, () => assert.equal(releasesAtHand(worldWith({}), found)(version), want));
}

test("releasesAtHand() gives what was kept before all else, where it is that version", () => {
  const kept: Release = { ...both("2.8.1"), policies: [] };
  const good = { spec: {}, release: kept, version: "2.8.1", revision: "v2.8.1@sha256:0", generation: 1 };
  const at = releasesAtHand({ ...worldWith({}), lastGood: { kind: "known", good } }, { kind: "found", catalogue });
  assert.equal(at("2.8.1"), kept);
  assert.equal(at("2.9.0"), running("2.9.0"));
});

function only(version: string): Catalogue {
  return { versions: [version], load: () => older };
}

function holdIn(upgrade: JsonObject) {
  return { hold: holdOf(heldBack(worldWith({ upgrade }))) };
}

test("dueIn() is the time to the next opening; without a window there is none", () => {
  assert.deepEqual(dueIn(holdIn(nightly), noon), { dueMs: 14 * 3_600_000 });
  assert.deepEqual(dueIn(holdIn(paused), noon), {});
  assert.deepEqual(dueIn({}, noon), {});
});

const refusal = new ReasonedError({ reason: "PreflightFailed", retry: "backoff", message: "no room" });

/** The target of a world in which `status` says what runs. */
function staysWith(status: JsonObject, known = running): string | undefined {
  const world = worldWith({}, status);
  const stays = stayDespite(refusal, targetIn(world), world, known);
  return stays === undefined ? undefined : `${stays.rendering.version}: ${stays.problem?.message}`;
}

function appliedAs(version: string): JsonObject {
  const target = heldBack(worldWith({ upgrade: paused }));
  assert.ok("rendering" in target);
  return { lastAppliedVersion: version, lastAppliedRevision: target.rendering.revision };
}

for (const { name, status, known = running, want } of [
  { name: "stays with what runs", status: appliedAs("2.8.0"), want: "2.8.0: no room" },
  { name: "has nothing to stay with when another spec runs", status: applied, want: undefined },
  {
    name: "has nothing to stay with when nobody knows its release",
    status: appliedAs("2.8.0"),
    known: () => undefined,
    want: undefined,
  },
  {
    name: "has nothing to stay with when this operator makes nothing of its release",
    status: appliedAs("2.8.0"),
    known: () => releaseOf("2.8.0", ["kustomize-controller"]),
    want: undefined,
  },
]) {
  test(`stayDespite() ${name}`, () => assert.equal(staysWith(status, known), want));
}
