import assert from "node:assert/strict";
import { test } from "node:test";
import { releaseOf } from "../../../../test/support/small-release.ts";
import { fluxInstance, instanceAnnotations } from "../../../api/names.ts";
import type { JsonObject, KubeObject } from "../../../kube/object.ts";
import { targetOfRelease, type Catalogue } from "../../../render/target.ts";
import { ReasonedError } from "../../../std/errors.ts";
import type { Decision } from "../decision.ts";
import { goodDigest, type LastGoodState } from "../last-good.ts";
import type { Releases } from "../releases/releases.ts";
import { worldOf } from "../world.ts";
import { decide } from "./decide.ts";

const catalogue: Catalogue = { versions: ["2.8.0", "2.8.1", "2.9.0"], load: (version) => releaseOf(version) };

const nowMs = Date.parse("2026-05-01T12:00:00Z");

type Parts = { readonly metadata?: JsonObject; readonly spec?: JsonObject; readonly status?: JsonObject };

const spec = {
  distribution: { version: "2.8.x", registry: "ghcr.io/fluxcd" },
  components: ["source-controller"],
};

function instanceOf({ metadata, spec: given = spec, status = {} }: Parts): KubeObject {
  return {
    apiVersion: fluxInstance.storageApiVersion,
    kind: fluxInstance.kind,
    metadata: { name: "flux", namespace: "flux-system", generation: 1, ...metadata },
    spec: given,
    status,
  };
}

function decideOn(parts: Parts): Decision {
  return decide(worldOf(instanceOf(parts), new Map(), "flux-system"), { kind: "found", catalogue }, nowMs);
}

/** What a decision says, short enough to compare. */
function shortOf(decision: Decision): JsonObject {
  if ("rendering" in decision) {
    return { kind: decision.kind, version: decision.rendering.version, latest: decision.latestVersion };
  }
  if (decision.kind === "refuse")
    return { kind: decision.kind, reason: decision.error.reason, retry: decision.error.retry };
  return decision.kind === "wait" ? { kind: decision.kind, obstacle: decision.obstacle.kind } : decision;
}

const deleted = { deletionTimestamp: "2026-01-01T00:00:00Z" };
const installed = { inventory: { entries: [{ id: "_flux-system__Namespace", v: "v1" }] } };
const off = { annotations: { [instanceAnnotations.reconcile]: "Disabled" } };
const revision = (() => {
  const decision = decideOn({});
  return "rendering" in decision ? decision.rendering.revision : "";
})();

for (const { name, parts, want } of [
  {
    name: "installs the newest release of the range",
    parts: {},
    want: { kind: "install", version: "2.8.1", latest: "2.9.0" },
  },
  {
    name: "upgrades what was applied in another revision",
    parts: { status: { lastAppliedRevision: "v2.8.0@sha256:0" } },
    want: { kind: "upgrade", version: "2.8.1", latest: "2.9.0" },
  },
  {
    name: "settles what was applied in this revision",
    parts: { status: { lastAppliedRevision: revision } },
    want: { kind: "settle", version: "2.8.1", latest: "2.9.0" },
  },
  {
    name: "refuses a range without release",
    parts: { spec: { ...spec, distribution: { ...spec.distribution, version: "1.x" } } },
    want: { kind: "refuse", reason: "BuildFailed", retry: "on-change" },
  },
  {
    name: "refuses a spec that does not hold to the schema",
    parts: { spec: { distribution: { version: "2.x" } } },
    want: { kind: "refuse", reason: "BuildFailed", retry: "on-change" },
  },
  {
    name: "stays with what runs while upgrades are paused",
    parts: {
      spec: { ...spec, upgrade: { paused: true } },
      status: { lastAppliedVersion: "2.8.0", lastAppliedRevision: "v2.8.0@sha256:0" },
    },
    want: { kind: "upgrade", version: "2.8.0", latest: "2.9.0" },
  },
  { name: "suspends what is switched off", parts: { metadata: off }, want: { kind: "suspend" } },
  {
    name: "suspends what is switched off although it cannot be built",
    parts: { metadata: off, spec: {} },
    want: { kind: "suspend" },
  },
  {
    name: "uninstalls what is deleted",
    parts: { metadata: deleted },
    want: { kind: "uninstall", policy: "Uninstall" },
  },
  ...["KeepResources", "Orphan", "Uninstall"].map((policy) => ({
    name: `uninstalls with policy ${policy}`,
    parts: { metadata: deleted, spec: { ...spec, deletionPolicy: policy } },
    want: { kind: "uninstall", policy },
  })),
  {
    name: "uninstalls what cannot be built",
    parts: { metadata: deleted, spec: { deletionPolicy: "KeepResources" } },
    want: { kind: "uninstall", policy: "KeepResources" },
  },
  {
    name: "leaves everything when what is deleted is switched off",
    parts: { metadata: { ...deleted, ...off }, spec: { ...spec, deletionPolicy: "Uninstall" } },
    want: { kind: "uninstall", policy: "Orphan" },
  },
  {
    name: "does nothing about an instance in another namespace",
    parts: { metadata: { namespace: "default" } },
    want: { kind: "elsewhere", isLetGo: false },
  },
  {
    name: "lets go of a deleted instance in another namespace that has installed nothing",
    parts: { metadata: { ...deleted, namespace: "default" } },
    want: { kind: "elsewhere", isLetGo: true },
  },
  {
    name: "keeps a deleted instance in another namespace that has installed something",
    parts: { metadata: { ...deleted, namespace: "default" }, status: installed },
    want: { kind: "elsewhere", isLetGo: false },
  },
  {
    name: "lets go of a deleted instance in another namespace when what it has installed may stay",
    parts: { metadata: { ...deleted, namespace: "default" }, spec: { deletionPolicy: "Orphan" }, status: installed },
    want: { kind: "elsewhere", isLetGo: true },
  },
] satisfies readonly { name: string; parts: Parts; want: JsonObject }[]) {
  test(`decide() ${name}`, () => assert.deepEqual(shortOf(decideOn(parts)), want));
}

test("decide() lets through what is no reason but a fault of ours", () => {
  const fault = new TypeError("broken");
  const world = worldOf(instanceOf({}), new Map(), "flux-system");
  const broken: Catalogue = {
    ...catalogue,
    load: () => {
      throw fault;
    },
  };
  assert.throws(() => decide(world, { kind: "found", catalogue: broken }, nowMs), fault);
});

test("decide() refuses with the error of the build", () => {
  const error = new ReasonedError({ reason: "ArtifactFailed", retry: "backoff", message: "Cannot load" });
  const world = worldOf(instanceOf({}), new Map(), "flux-system");
  const broken: Catalogue = {
    ...catalogue,
    load: () => {
      throw error;
    },
  };
  assert.deepEqual(decide(world, { kind: "found", catalogue: broken }, nowMs), { kind: "refuse", error });
});

const away = new ReasonedError({ reason: "ArtifactFailed", retry: "backoff", message: "Cannot reach the registry" });
const good: Catalogue = { ...catalogue, artifactRevision: "sha256:good" };
/** A new artifact, of whose newest release nothing can be made. */
const strange: Catalogue = {
  versions: [...catalogue.versions, "2.8.2", "2.10.0"],
  load: () => {
    throw new ReasonedError({ reason: "NeedsNewerOperator", retry: "on-change", message: "Cannot understand 2.8.2" });
  },
};
const readyAt = (observedGeneration: number, reason = "ReconciliationSucceeded") => ({
  lastAppliedRevision: revision,
  conditions: [
    {
      type: "Ready",
      status: "True",
      reason,
      message: "",
      lastTransitionTime: "2026-01-01T00:00:00Z",
      observedGeneration,
    },
  ],
});

for (const { name, status, releases, want } of [
  {
    name: "repairs from what it holds while the registry is away",
    status: readyAt(1),
    releases: { kind: "found", catalogue, problem: away },
    want: { kind: "settle", version: "2.8.1", latest: "2.9.0", problem: "Cannot reach the registry" },
  },
  {
    name: "installs from what it holds while the registry is away",
    status: {},
    releases: { kind: "found", catalogue, problem: away },
    want: { kind: "install", version: "2.8.1", latest: "2.9.0", problem: "Cannot reach the registry" },
  },
  {
    name: "repairs what runs when a new artifact is not understood, and says what is the newest",
    status: readyAt(1),
    releases: { kind: "found", catalogue: strange, good },
    want: { kind: "settle", version: "2.8.1", latest: "2.10.0", problem: "Cannot understand 2.8.2" },
  },
  {
    name: "repairs what runs when there is no artifact at all any more",
    status: readyAt(1),
    releases: { kind: "none", problem: away, good },
    want: { kind: "settle", version: "2.8.1", latest: "2.9.0", problem: "Cannot reach the registry" },
  },
  {
    name: "refuses a changed spec that a new artifact cannot fulfil",
    status: readyAt(0),
    releases: { kind: "found", catalogue: strange, good },
    want: { kind: "refuse", reason: "NeedsNewerOperator", retry: "on-change" },
  },
  {
    name: "refuses a changed spec whose artifact cannot be had, also at the second try",
    status: readyAt(1, "ArtifactFailed"),
    releases: { kind: "none", problem: away, good },
    want: { kind: "refuse", reason: "ArtifactFailed", retry: "backoff" },
  },
  {
    name: "refuses where nothing has been applied yet",
    status: {},
    releases: { kind: "none", problem: away },
    want: { kind: "refuse", reason: "ArtifactFailed", retry: "backoff" },
  },
] satisfies readonly { name: string; status: JsonObject; releases: Releases; want: JsonObject }[]) {
  test(`decide() ${name}`, () => {
    const decision = decide(worldOf(instanceOf({ status }), new Map(), "flux-system"), releases, nowMs);
    const problem =
      "problem" in decision && decision.problem !== undefined ? { problem: decision.problem.message } : {};
    assert.deepEqual({ ...shortOf(decision), ...problem }, want);
  });
}

const record = {
  spec,
  release: releaseOf("2.8.1"),
  version: "2.8.1",
  revision,
  generation: 1,
  artifactRevision: "sha256:good",
};

for (const { name, lastGood, want } of [
  {
    name: "repairs what runs from what is kept in the cluster when nothing is held after a restart",
    lastGood: record,
    want: { kind: "settle", version: "2.8.1", latest: "2.10.0" },
  },
  {
    name: "takes nothing of what is kept for another spec",
    lastGood: { ...record, spec: { ...spec, wait: false } },
    want: { kind: "refuse", reason: "ArtifactFailed", retry: "backoff" },
  },
]) {
  test(`decide() ${name}`, () => {
    const status = { ...readyAt(1), latestVersion: "2.10.0", lastGoodDigest: goodDigest(lastGood) };
    const kept: LastGoodState = { kind: "known", good: lastGood };
    const world = worldOf(instanceOf({ status }), new Map(), "flux-system", kept);
    assert.deepEqual(shortOf(decide(world, { kind: "none", problem: away }, nowMs)), want);
  });
}

const mirrored = { ...spec, distribution: { ...spec.distribution, registry: "mirror.example", digests: "Registry" } };
const imageName = "mirror.example/source-controller:v1.0.0";
const [first, second] = ["1", "2"].map((digit) => `sha256:${digit.repeat(64)}`) as [string, string];

for (const { name, live, want } of [
  { name: "rolls a rebuilt image of the running version out", live: second, want: { kind: "upgrade", digest: second } },
  { name: "repairs the running version", live: first, want: { kind: "settle", digest: first } },
]) {
  test(`decide() ${name} while the registry lacks the version that is wanted`, () => {
    const fresh = worldOf(instanceOf({ spec: mirrored }), new Map(), "flux-system");
    assert.ok(!(fresh.desired instanceof ReasonedError));
    const release = releaseOf("2.8.1");
    const resolved = { [imageName]: first };
    const { rendering } = targetOfRelease(fresh.desired, release, {
      latestVersion: "2.8.1",
      artifactRevision: undefined,
      live: { resolved },
    });
    const { artifactRevision: _, ...embedded } = record;
    const kept = { ...embedded, spec: mirrored, revision: rendering.revision, digests: resolved };
    const status = { ...readyAt(1), lastAppliedRevision: rendering.revision, lastGoodDigest: goodDigest(kept) };
    const world = worldOf(instanceOf({ spec: mirrored, status }), new Map(), "flux-system", {
      kind: "known",
      good: kept,
    });
    const decision = decide(world, { kind: "none", problem: away, live: { resolved: { [imageName]: live } } }, nowMs);
    assert.ok("rendering" in decision);
    assert.equal(decision.rendering.version, "2.8.1");
    assert.deepEqual({ kind: decision.kind, digest: decision.rendering.digests?.[imageName] }, want);
    assert.equal("problem" in decision ? decision.problem : undefined, away);
  });
}
