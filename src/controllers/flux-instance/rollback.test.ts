import assert from "node:assert/strict";
import { test } from "node:test";
import { releaseOf } from "../../../test/support/small-release.ts";
import { apiError } from "../../../test/support/table-client.ts";
import { canonicalInstance } from "../../api/canonical.ts";
import { parseStoredFluxInstance } from "../../api/flux-instance.ts";
import { fluxInstance, instanceAnnotations } from "../../api/names.ts";
import { ApplyError } from "../../apply/apply-error.ts";
import { LatePlanError, PlanError } from "../../apply/plan/plan-apply.ts";
import type { JsonObject, KubeObject } from "../../kube/object.ts";
import { targetOf, type Target } from "../../render/target.ts";
import { ReasonedError } from "../../std/errors.ts";
import { operatorVersion } from "../../std/version.ts";
import { HealthError, InterruptedError } from "./act/act-error.ts";
import { decide } from "./decide/decide.ts";
import { retryMs, whyNotRetry, rollbackOf } from "./decide/failed-before.ts";
import { goodDigest, LastGoodError, type FailedAttempt, type LastGood, type LastGoodState } from "./last-good.ts";
import { keepGood, recordFailure, rollbackAfter } from "./rollback.ts";
import { worldOf, type World } from "./world.ts";

const signal = new AbortController().signal;
const oldSpec = specFor("2.8.x");
const newSpec = specFor("2.9.x");

function specFor(version: string): JsonObject {
  return { distribution: { version, registry: "ghcr.io/fluxcd" }, components: ["source-controller"] };
}

const force = { [instanceAnnotations.forceAt]: "1", [instanceAnnotations.requestedAt]: "1" };

type Parts = {
  readonly lastGood?: LastGoodState;
  readonly generation?: number;
  readonly spec?: JsonObject;
  readonly status?: JsonObject;
  readonly annotations?: { readonly [name: string]: string };
};

function worldWith(parts: Parts = {}): World {
  const { lastGood, generation = 2, spec = newSpec, status = {}, annotations = {} } = parts;
  const instance: KubeObject = {
    apiVersion: fluxInstance.storageApiVersion,
    kind: fluxInstance.kind,
    metadata: { name: "flux", namespace: "flux-system", generation, annotations },
    spec,
    status: { lastAppliedRevision: good.revision, ...digestIn(lastGood), ...status },
  };
  return worldOf(instance, new Map(), "flux-system", lastGood);
}

function digestIn(lastGood: LastGoodState | undefined): JsonObject {
  return lastGood?.kind === "known" ? { lastGoodDigest: goodDigest(lastGood.good) } : {};
}

function targetFor(spec: JsonObject, artifactRevision?: string): Target {
  const instance = { apiVersion: fluxInstance.storageApiVersion, kind: fluxInstance.kind, spec };
  const metadata = { name: "flux", namespace: "flux-system" };
  return targetOf(canonicalInstance(parseStoredFluxInstance({ ...instance, metadata })), catalogueOf(artifactRevision));
}

function catalogueOf(artifactRevision?: string) {
  const origin = artifactRevision === undefined ? {} : { artifactRevision };
  return { versions: ["2.8.0", "2.9.0"], load: (version: string) => releaseOf(version), ...origin };
}

const old = targetFor(oldSpec);
const wanted = targetFor(newSpec);
const good: LastGood = {
  spec: oldSpec,
  release: old.release,
  version: "2.8.0",
  revision: old.rendering.revision,
  generation: 1,
};
const failed: FailedAttempt = {
  generation: 2,
  operatorVersion,
  version: "2.9.0",
  revision: wanted.rendering.revision,
  reason: "HealthCheckFailed",
  message: "1 object will not become ready",
  attempts: 1,
  retryAt: "2026-01-01T00:15:00Z",
};
/** When `failed` has failed. */
const failedMs = Date.parse("2026-01-01T00:00:00Z");
const known: LastGoodState = { kind: "known", good };
const afterFailure: LastGoodState = { kind: "known", good, failed };
const fromArtifact: LastGoodState = { kind: "known", good, failed: { ...failed, artifactRevision: "sha256:a" } };
const damaged: LastGoodState = { kind: "damaged", message: "Cannot read it" };
const condition = { lastTransitionTime: "2026-01-01T00:00:00Z", observedGeneration: 2, message: "x" };
const returning = {
  lastAttemptedRevision: failed.revision,
  conditions: [{ ...condition, type: "Ready", status: "False", reason: "UpgradeFailed" }],
};
const returned = {
  lastAttemptedRevision: good.revision,
  conditions: [
    { ...condition, type: "Ready", status: "True", reason: "RolledBack" },
    { ...condition, type: "UpToDate", status: "False", reason: "UpgradeFailed" },
  ],
};

for (const { name, parts, target, nowMs, want } of [
  { name: "goes back from what has failed", parts: { lastGood: afterFailure }, want: "2.8.0" },
  { name: "stays back", parts: { lastGood: afterFailure, status: returned }, want: "2.8.0" },
  { name: "knows no way without a failure", parts: { lastGood: known }, want: undefined },
  { name: "knows no way without a record", parts: {}, want: undefined },
  { name: "knows no way from a damaged record", parts: { lastGood: damaged }, want: undefined },
  { name: "tries another generation", parts: { lastGood: afterFailure, generation: 3 }, want: undefined },
  {
    name: "tries what another operator failed with",
    parts: { lastGood: { ...afterFailure, failed: { ...failed, operatorVersion: "0.0.0" } } },
    want: undefined,
  },
  {
    name: "tries another artifact",
    parts: { lastGood: fromArtifact },
    target: { ...wanted, artifactRevision: "sha256:b" },
    want: undefined,
  },
  {
    name: "goes back from the same artifact",
    parts: { lastGood: fromArtifact },
    target: { ...wanted, artifactRevision: "sha256:a" },
    want: "2.8.0",
  },
  { name: "tries another revision", parts: { lastGood: afterFailure }, target: old, want: undefined },
  {
    name: "tries again what is forced",
    parts: { lastGood: afterFailure, annotations: force, status: returned },
    want: undefined,
  },
  {
    name: "stays back right before its time",
    parts: { lastGood: afterFailure, status: returned },
    nowMs: retryMs(failed) - 1,
    want: "2.8.0",
  },
  {
    name: "tries again when its time has come",
    parts: { lastGood: afterFailure, status: returned },
    nowMs: retryMs(failed),
    want: undefined,
  },
  {
    name: "first ends the way back when its time has come",
    parts: { lastGood: afterFailure, status: returning },
    nowMs: retryMs(failed),
    want: "2.8.0",
  },
  {
    name: "goes on with a forced way back",
    parts: { lastGood: afterFailure, annotations: force, status: returning },
    want: "2.8.0",
  },
  {
    name: "does not try again what was forced before",
    parts: { lastGood: afterFailure, annotations: force, status: { ...returned, lastHandledForceAt: "1" } },
    want: "2.8.0",
  },
] satisfies readonly { name: string; parts: Parts; target?: Target; nowMs?: number; want: string | undefined }[]) {
  test(`rollbackOf() ${name}`, () => {
    const to = rollbackOf(worldWith(parts), target ?? wanted, nowMs ?? failedMs);
    assert.equal(to?.rendering.version, want);
    assert.deepEqual(to?.failed.message, want === undefined ? undefined : failed.message);
  });
}

const [first, rebuilt, third] = ["1", "2", "3"].map((digit) => `sha256:${digit.repeat(64)}`);
const sourceImage = "mirror.example/source-controller:v1.0.0";
const mirrored = {
  distribution: { version: "2.8.x", registry: "mirror.example", digests: "Registry" },
  components: ["source-controller"],
};
const withDigest = (digest = "") => ({ ...catalogueOf(), live: { resolved: { [sourceImage]: digest } } });
const mirroredTarget = (digest = "") =>
  targetOf(
    canonicalInstance(parseStoredFluxInstance({ ...worldWith({ spec: mirrored }).instance })),
    withDigest(digest),
  );

test("decide() goes back from a rebuilt image that failed, until the tag has a third digest", async () => {
  const world = worldWith({ spec: mirrored, status: { lastAppliedRevision: "v2.8.0@sha256:0" } });
  const kept: LastGood[] = [];
  const store = { write: async (_: unknown, record: { readonly good: LastGood }) => void kept.push(record.good) };
  await keepGood(world, mirroredTarget(first), store, signal);
  const [good] = kept;
  assert.ok(good !== undefined);
  assert.deepEqual(good.digests, { [sourceImage]: first });
  const { version, revision } = mirroredTarget(rebuilt).rendering;
  const lastGood: LastGoodState = { kind: "known", good, failed: { ...failed, version, revision } };
  const after = worldWith({ spec: mirrored, lastGood, status: { lastAppliedRevision: good.revision } });
  const digestAfter = (digest = ""): readonly unknown[] => {
    const decision = decide(after, { kind: "found", catalogue: withDigest(digest) }, failedMs);
    return [decision.kind, "rendering" in decision ? decision.rendering.images[0]?.digest : undefined];
  };
  assert.deepEqual(digestAfter(rebuilt), ["rollback", first]);
  assert.deepEqual(digestAfter(third), ["upgrade", third]);
  // After a restart while the registry is away, only what runs is known of it.
  const problem = new ReasonedError({ reason: "ArtifactFailed", retry: "backoff", message: "away" });
  const unsure = decide(after, { kind: "found", catalogue: withDigest(first), problem }, failedMs);
  assert.deepEqual([unsure.kind, "problem" in unsure && unsure.problem], ["rollback", problem]);
  const known = decide(after, { kind: "found", catalogue: withDigest(first) }, failedMs);
  assert.equal(known.kind, "settle");
});

test("rollbackAfter() records which images were rebuilt when their pods fail", () => {
  const { version, revision, digests = {} } = mirroredTarget(first).rendering;
  const [release, status] = [releaseOf(version), { lastAppliedRevision: revision }];
  const lastGood: LastGoodState = {
    kind: "known",
    good: { spec: mirrored, release, version, revision, digests, generation: 1 },
  };
  const world = worldWith({ spec: mirrored, status, lastGood });
  const ill = new HealthError({ reason: "HealthCheckFailed", retry: "backoff", message: "ill" });
  const way = rollbackAfter(ill, ill, { world, target: mirroredTarget(rebuilt), nowMs: failedMs });
  assert.ok(way.kind === "rollback");
  assert.deepEqual(way.to.failed.rebuilt, ["source-controller"]);
  assert.equal(way.to.rendering.images[0]?.digest, first);
});

test("rollbackOf() stays back while nothing can be built", () => {
  const to = rollbackOf(worldWith({ lastGood: afterFailure, status: returned }), undefined, retryMs(failed));
  assert.equal(to?.rendering.version, "2.8.0");
});

test("decide() goes back from what has failed, and tells what it failed with", () => {
  const decision = decide(worldWith({ lastGood: afterFailure }), { kind: "found", catalogue: catalogueOf() }, 0);
  assert.equal(decision.kind, "rollback");
  assert.deepEqual(decision.kind === "rollback" ? [decision.rendering.revision, decision.failed] : [], [
    good.revision,
    failed,
  ]);
});

test("decide() refuses to try again what may have failed before, and takes a forced one", () => {
  const releases = { kind: "found", catalogue: catalogueOf() } as const;
  const doubtful = decide(worldWith({ lastGood: damaged, status: returned }), releases, 0);
  assert.equal(doubtful.kind, "refuse");
  assert.equal(
    decide(worldWith({ lastGood: damaged, status: returned, annotations: force }), releases, 0).kind,
    "upgrade",
  );
});

test("whyNotRetry() says where the record should be that is gone", () => {
  assert.match(
    whyNotRetry(worldWith({ status: returned }))?.message ?? "",
    /^The failed upgrade is not retried because it could not be rolled back \(ConfigMap flux-system\/flux-operator-last-good, .* is missing\); /,
  );
});

test("whyNotRetry() has none about an instance that was never rolled back", () => {
  for (const parts of [{ lastGood: damaged }, {}]) assert.equal(whyNotRetry(worldWith(parts)), undefined);
});

const late = new LatePlanError({ reason: "ReconciliationFailed", retry: "backoff", message: "Cannot apply it" });
const early = new PlanError({ reason: "ReconciliationFailed", retry: "backoff", message: "Cannot apply it" });
const unhealthy = new HealthError({ reason: "HealthCheckFailed", retry: "backoff", message: failed.message });

function refusedWith(status: number): ApplyError {
  return new ApplyError({
    reason: "ReconciliationFailed",
    retry: "backoff",
    message: "Cannot apply it",
    cause: apiError(status, "Invalid"),
  });
}

for (const { name, error, lastGood, target, want } of [
  { name: "returns from illness", error: unhealthy, lastGood: known, target: wanted, want: "2.8.0" },
  { name: "returns from a refusal", error: refusedWith(422), lastGood: known, target: wanted, want: "2.8.0" },
  {
    name: "returns from a refusal after definitions were changed",
    error: late,
    lastGood: known,
    target: wanted,
    want: "2.8.0",
  },
  { name: "stays when nothing was changed", error: early, lastGood: known, target: wanted, want: "" },
  {
    name: "returns from a refusal among others",
    error: new AggregateError([refusedWith(500), refusedWith(403)]),
    lastGood: known,
    target: wanted,
    want: "2.8.0",
  },
  { name: "stays while the API server is busy", error: refusedWith(503), lastGood: known, target: wanted, want: "" },
  {
    name: "stays when nothing was written",
    error: new PlanError({ reason: "ReconciliationFailed", retry: "backoff", message: "refused" }),
    lastGood: known,
    target: wanted,
    want: "",
  },
  {
    name: "stays when something newer is wanted",
    error: new InterruptedError({ reason: "HealthCheckCanceled", retry: "backoff", message: "stopped" }),
    lastGood: known,
    target: wanted,
    want: "",
  },
  {
    name: "stays when the user wants so",
    error: unhealthy,
    lastGood: known,
    target: targetFor({ ...newSpec, upgrade: { rollback: false } }),
    want: "",
  },
  {
    name: "stays where nobody waits for health",
    error: refusedWith(422),
    lastGood: known,
    target: targetFor({ ...newSpec, wait: false }),
    want: "",
  },
  {
    name: "says that nothing is on record",
    error: unhealthy,
    lastGood: { kind: "absent" },
    target: wanted,
    want: "nothing is on record that was healthy before",
  },
  {
    name: "says that the record is damaged",
    error: unhealthy,
    lastGood: damaged,
    target: wanted,
    want: "the record of what was healthy before cannot be read",
  },
  {
    name: "says that there is nothing else to return to",
    error: unhealthy,
    lastGood: known,
    target: old,
    want: "what was healthy before was the same",
  },
  {
    name: "says why the last good revision cannot be built any more",
    error: unhealthy,
    lastGood: { kind: "known", good: { ...good, release: releaseOf("2.8.0", []) } },
    target: wanted,
    want: /source-controller/,
  },
] satisfies readonly {
  name: string;
  error: Error;
  lastGood: LastGoodState;
  target: Target;
  want: string | RegExp;
}[]) {
  test(`rollbackAfter() ${name}`, () => {
    const firstReasonOf = error instanceof ReasonedError ? error : refusedWith(403);
    const way = rollbackAfter(error, firstReasonOf, { world: worldWith({ lastGood }), target, nowMs: failedMs });
    const said = way.kind === "rollback" ? way.to.rendering.version : (way.because ?? "");
    if (want instanceof RegExp) assert.match(said, want);
    else assert.equal(said, want);
  });
}

test("rollbackAfter() keeps what the next reconcile needs to see that it is the same", () => {
  const target = { ...wanted, artifactRevision: "sha256:a" };
  const way = rollbackAfter(unhealthy, unhealthy, { world: worldWith({ lastGood: known }), target, nowMs: failedMs });
  assert.deepEqual(way.kind === "rollback" ? way.to.failed : undefined, { ...failed, artifactRevision: "sha256:a" });
});

for (const { name, before, attempts, retryAt } of [
  { name: "after 15 minutes", before: undefined, attempts: 1, retryAt: "2026-01-01T00:15:00Z" },
  { name: "after twice as long the second time", before: failed, attempts: 2, retryAt: "2026-01-01T00:30:00Z" },
  {
    name: "once a day in the long run",
    before: { ...failed, attempts: 40 },
    attempts: 41,
    retryAt: "2026-01-02T00:00:00Z",
  },
  {
    name: "after 15 minutes when something else had failed before",
    before: { ...failed, attempts: 40, revision: "v2.8.9@sha256:0" },
    attempts: 1,
    retryAt: "2026-01-01T00:15:00Z",
  },
] satisfies readonly { name: string; before: FailedAttempt | undefined; attempts: number; retryAt: string }[]) {
  test(`rollbackAfter() has it retried ${name}`, () => {
    const lastGood: LastGoodState = before === undefined ? known : { ...known, failed: before };
    const way = rollbackAfter(unhealthy, unhealthy, {
      world: worldWith({ lastGood }),
      target: wanted,
      nowMs: failedMs,
    });
    assert.deepEqual(way.kind === "rollback" ? way.to.failed : undefined, { ...failed, attempts, retryAt });
  });
}

/** What a compromised Flux controller would write: its ClusterRoleBinding, in a release that the operator would apply. */
const forged: LastGood = {
  ...good,
  release: {
    ...good.release,
    rbac: [
      ...good.release.rbac,
      { apiVersion: "rbac.authorization.k8s.io/v1", kind: "ClusterRoleBinding", metadata: { name: "mine" } },
    ],
  },
};

for (const { name, record, digest } of [
  { name: "another release", record: forged, digest: goodDigest(good) },
  { name: "another spec", record: { ...good, spec: newSpec }, digest: goodDigest(good) },
  { name: "another revision", record: { ...good, revision: "v2.8.0@sha256:0" }, digest: goodDigest(good) },
  { name: "a status that names none", record: good, digest: "" },
]) {
  test(`decide() applies nothing of a record with ${name}`, () => {
    const lastGood: LastGoodState = { kind: "known", good: record, failed };
    const world = worldWith({ lastGood, status: { lastGoodDigest: digest } });
    assert.equal(world.lastGood.kind, "damaged");
    const decision = decide(world, { kind: "found", catalogue: catalogueOf() }, 0);
    assert.deepEqual([decision.kind, "rendering" in decision ? decision.rendering.version : ""], ["upgrade", "2.9.0"]);
    assert.ok(!JSON.stringify(decision).includes("mine"));
  });
}

/** A store that answers with `refusal`, and the records that it was given. */
function storeOf(refusal?: Error) {
  const records: unknown[] = [];
  return {
    records,
    write: async (_instance: KubeObject, record: unknown) => {
      records.push(record);
      await Promise.resolve();
      if (refusal !== undefined) throw refusal;
    },
  };
}

test("recordFailure() keeps the last good revision beside the failure", async () => {
  const store = storeOf();
  const world = worldWith({ lastGood: known });
  const way = rollbackAfter(unhealthy, unhealthy, { world, target: wanted, nowMs: failedMs });
  assert.equal((await recordFailure(way, world, store, signal)).kind, "rollback");
  assert.deepEqual(store.records, [{ good, failed }]);
});

test("recordFailure() stays when there is nowhere to put it", async () => {
  const world = worldWith({ lastGood: known });
  const way = rollbackAfter(unhealthy, unhealthy, { world, target: wanted, nowMs: failedMs });
  const refusal = apiError(403, "Forbidden");
  assert.deepEqual(await recordFailure(way, world, storeOf(refusal), signal), {
    kind: "stay",
    because: refusal.message,
  });
});

test("keepGood() records what was applied, as it was written, and says so when it cannot", async () => {
  const store = storeOf();
  const world = worldWith({ generation: 7, spec: oldSpec });
  const state = { kind: "known", good: { ...good, generation: 7, artifactRevision: "sha256:a" } };
  const kept = await keepGood(world, { ...old, artifactRevision: "sha256:a" }, store, signal);
  assert.deepEqual(kept, { state, isFinal: true });
  assert.deepEqual(store.records, [{ good: state.good }]);
});

for (const { name, error, isFinal } of [
  { name: "is tried again where it was refused", error: apiError(500, "InternalError"), isFinal: false },
  {
    name: "is not tried again where it would be too large again",
    error: new LastGoodError({ reason: "ReconciliationFailed", retry: "backoff", message: "too large" }),
    isFinal: true,
  },
])
  test(`keepGood() says what is wrong with the record, which ${name}`, async () => {
    const kept = await keepGood(worldWith({ spec: oldSpec }), old, storeOf(error), signal);
    assert.deepEqual(kept, { state: { kind: "damaged", message: error.message }, isFinal });
  });
