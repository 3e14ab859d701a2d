import assert from "node:assert/strict";
import { test } from "node:test";
import { releaseOf, specOf } from "../../../../test/support/small-release.ts";
import { fluxInstance, instanceAnnotations } from "../../../api/names.ts";
import { conditionFaults } from "../../../api/reasons.ts";
import type { Condition } from "../../../kube/conditions.ts";
import type { JsonObject } from "../../../kube/object.ts";
import type { Target } from "../../../render/target.ts";
import { ReasonedError } from "../../../std/errors.ts";
import type { TargetWithNews } from "../decision.ts";
import type { Plan } from "../plan.ts";
import type { FluxInstanceStatus, HistoryEntry } from "../status.ts";
import { worldOf, type World } from "../world.ts";
import { shortRevision } from "./status-parts.ts";
import {
  appliedStatus,
  elsewhereStatus,
  failedStatus,
  intentStatus,
  outdatedStatus,
  progressMessage,
  suspendedStatus,
  waitingStatus,
  type Failure,
} from "./instance-status.ts";

const now = "2026-02-02T00:00:00Z";
const before = "2026-01-01T00:00:00Z";
const moment = { nowIso: now, durationMs: 1_500 };
const digest = `sha256:e197eca${"0".repeat(57)}`;
const revision = `v2.9.0@${digest}`;
const older = `v2.8.0@sha256:${"1".repeat(64)}`;
const entries = [{ id: "_a__Namespace", v: "v1" }];
const more = [...entries, { id: "_b__Namespace", v: "v1" }];

function worldWith(status: FluxInstanceStatus, annotations: JsonObject = {}): World {
  const metadata = { name: "flux", namespace: "flux-system", generation: 2, annotations };
  const instance = {
    apiVersion: fluxInstance.storageApiVersion,
    kind: fluxInstance.kind,
    metadata: { ...metadata, annotations: annotations as { readonly [key: string]: string } },
  };
  return { ...worldOf(instance, new Map(), "flux-system"), recorded: status };
}

function targetOf<Kind extends string>(kind: Kind, parts: Partial<Target["rendering"]> = {}): Target & { kind: Kind } {
  const image = { name: "source-controller", repository: "ghcr.io/fluxcd/source-controller", tag: "v1.9.4" } as const;
  return {
    kind,
    spec: specOf({ distribution: { version: "2.9.x" } }),
    release: releaseOf("2.9.0"),
    latestVersion: "2.9.0",
    rendering: {
      version: "2.9.0",
      revision,
      objects: [],
      images: [
        { ...image, digest },
        { ...image, name: "helm-controller" },
      ],
      patches: [{ index: 0, matched: [{ group: "", kind: "Service", namespace: "a", name: "b" }] }],
      ...parts,
    },
  };
}

const plan: Plan = { from: "2.8.0", to: "2.9.0", revision, images: [] };

type Said = Omit<Condition, "observedGeneration" | "lastTransitionTime">;

function condition(said: Said, lastTransitionTime = now, observedGeneration = 2): Condition {
  return { ...said, lastTransitionTime, observedGeneration };
}

function says(type: string, status: Condition["status"], reason: string, message: string): Said {
  return { type, status, reason, message };
}

const readyMessage = "Applied version 2.9.0 revision e197eca";
const ready = says("Ready", "True", "ReconciliationSucceeded", readyMessage);
const upToDate = says("UpToDate", "True", "UpToDate", "Version 2.9.0 is the latest");
const failure: Failure = { reason: "HealthCheckFailed", message: "1 object not ready", stalled: false, revision };
const unready = says("Ready", "False", "HealthCheckFailed", "1 object not ready");
const retrying = says(
  "Reconciling",
  "True",
  "ProgressingWithRetry",
  "It is retried, with growing delays; the condition Ready says what has failed",
);
const installing = "Installing Flux 2.9.0";

function historyOf(digestOf: string, parts: Partial<HistoryEntry> = {}): HistoryEntry {
  return {
    digest: digestOf,
    firstReconciled: before,
    lastReconciled: before,
    lastReconciledDuration: "3s",
    lastReconciledStatus: "ReconciliationSucceeded",
    totalReconciliations: 1,
    metadata: { flux: "v2.9.0" },
    ...parts,
  };
}

const appliedRecord: FluxInstanceStatus = {
  observedGeneration: 2,
  lastAppliedRevision: revision,
  lastAttemptedRevision: revision,
  lastAppliedVersion: "2.9.0",
  inventory: { entries },
  history: [historyOf(digest)],
  conditions: [condition(ready, before), condition(upToDate, before)],
};

for (const { name, world, kind, want } of [
  {
    name: "an install",
    world: worldWith({ conditions: [] }),
    kind: "install",
    want: {
      lastAttemptedRevision: revision,
      inventory: { entries: more },
      conditions: [
        condition(says("Ready", "Unknown", "Progressing", installing)),
        condition(says("Reconciling", "True", "Progressing", installing)),
      ],
    },
  },
  {
    name: "an upgrade after a spec that could not be built, and leaves the observed generation as it was",
    world: worldWith({
      observedGeneration: 1,
      lastAppliedVersion: "2.8.0",
      lastAttemptedRevision: older,
      conditions: [
        condition(says("Ready", "False", "BuildFailed", "no"), before, 1),
        condition(says("Stalled", "True", "BuildFailed", "no"), before, 1),
      ],
    }),
    kind: "upgrade",
    want: {
      observedGeneration: 1,
      lastAppliedVersion: "2.8.0",
      lastAttemptedRevision: revision,
      inventory: { entries: more },
      conditions: [
        condition(says("Ready", "Unknown", "Progressing", "Changing Flux from 2.8.0 to 2.9.0")),
        condition(says("Reconciling", "True", "Progressing", "Changing Flux from 2.8.0 to 2.9.0")),
      ],
    },
  },
  {
    name: "a repair only in the inventory",
    world: worldWith(appliedRecord),
    kind: "settle",
    want: { ...appliedRecord, inventory: { entries: more } },
  },
  {
    name: "a repair without touching the plan of an upgrade that waits",
    world: worldWith({ ...appliedRecord, plan }),
    kind: "settle",
    want: { ...appliedRecord, plan, inventory: { entries: more } },
  },
  {
    name: "when the plan began, once",
    world: worldWith({
      lastAttemptedRevision: revision,
      plan: { ...plan, startedAt: before },
      conditions: [condition(unready), condition(retrying)],
    }),
    kind: "upgrade",
    want: {
      lastAttemptedRevision: revision,
      plan: { ...plan, startedAt: before },
      inventory: { entries: more },
      conditions: [condition(unready), condition(retrying)],
    },
  },
  {
    name: "another try of what failed only in the inventory, so that the reason stays",
    world: worldWith({ lastAttemptedRevision: revision, conditions: [condition(unready), condition(retrying)] }),
    kind: "upgrade",
    want: {
      lastAttemptedRevision: revision,
      inventory: { entries: more },
      conditions: [condition(unready), condition(retrying)],
    },
  },
  {
    name: "the try of another revision in full",
    world: worldWith({ lastAttemptedRevision: older, conditions: [condition(unready)] }),
    kind: "upgrade",
    want: {
      lastAttemptedRevision: revision,
      inventory: { entries: more },
      conditions: [
        condition(says("Ready", "Unknown", "Progressing", installing)),
        condition(says("Reconciling", "True", "Progressing", installing)),
      ],
    },
  },
  {
    name: "a try after a new generation in full",
    world: worldWith({ lastAttemptedRevision: revision, conditions: [condition(unready, before, 1)] }),
    kind: "upgrade",
    want: {
      lastAttemptedRevision: revision,
      inventory: { entries: more },
      conditions: [
        condition(says("Ready", "Unknown", "Progressing", installing)),
        condition(says("Reconciling", "True", "Progressing", installing)),
      ],
    },
  },
]) {
  test(`intentStatus() records ${name}`, () => assert.deepEqual(intentStatus(world, targetOf(kind), more, now), want));
}

for (const { from, want } of [
  { from: undefined, want: "Installing Flux 2.9.0" },
  { from: "2.9.0", want: "Applying a new configuration of Flux 2.9.0" },
  { from: "2.8.0", want: "Changing Flux from 2.8.0 to 2.9.0" },
]) {
  test(`progressMessage() from ${from ?? "nothing"} says "${want}"`, () => {
    const recorded = { conditions: [], ...(from === undefined ? {} : { lastAppliedVersion: from }) };
    assert.equal(progressMessage(worldWith(recorded), targetOf("upgrade")), want);
  });
}

test("progressMessage() names the images that were rebuilt under the same tag", () => {
  const image = { name: "source-controller", repository: "ghcr.io/fluxcd/source-controller", tag: "v1.9.4" } as const;
  const recorded = { conditions: [], lastAppliedVersion: "2.9.0", components: [{ ...image, digest: "sha256:before" }] };
  const digests = { "ghcr.io/fluxcd/source-controller:v1.9.4": digest };
  assert.equal(
    progressMessage(worldWith(recorded), targetOf("upgrade", { digests })),
    "Applying rebuilt images of Flux 2.9.0: source-controller",
  );
});

const applied = { inventory: entries, changed: true, sync: undefined, unattended: [] };
const synced = says("Synced", "True", "SyncSucceeded", "all is ready") as Said & {
  type: "Synced";
  reason: "SyncSucceeded";
};

test("appliedStatus() of a first install says all that was applied", () => {
  const world = worldWith({
    conditions: [condition(says("Ready", "Unknown", "Progressing", installing), before), condition(retrying, before)],
  });
  assert.deepEqual(appliedStatus(world, targetOf("install"), applied, moment), {
    observedGeneration: 2,
    latestVersion: "2.9.0",
    lastAppliedVersion: "2.9.0",
    lastAppliedRevision: revision,
    lastAttemptedRevision: revision,
    lastAppliedImages: [
      { name: "ghcr.io/fluxcd/source-controller:v1.9.4", digest },
      { name: "ghcr.io/fluxcd/source-controller:v1.9.4" },
    ],
    components: [
      { name: "source-controller", repository: "ghcr.io/fluxcd/source-controller", tag: "v1.9.4", digest },
      { name: "helm-controller", repository: "ghcr.io/fluxcd/source-controller", tag: "v1.9.4" },
    ],
    inventory: { entries },
    patches: [{ index: 0, matched: 1 }],
    history: [
      {
        digest,
        firstReconciled: now,
        lastReconciled: now,
        lastReconciledDuration: "1.5s",
        lastReconciledStatus: "ReconciliationSucceeded",
        totalReconciliations: 1,
        metadata: { flux: "v2.9.0" },
      },
    ],
    conditions: [condition(ready), condition(upToDate)],
  });
});

for (const { name, target, sync, want } of [
  {
    name: "without sync",
    target: targetOf("settle"),
    sync: undefined,
    want: [condition(ready, before), condition(upToDate, before)],
  },
  {
    name: "with the health of the sync",
    target: targetOf("settle"),
    sync: synced,
    want: [condition(ready, before), condition(upToDate, before), condition(synced)],
  },
  {
    name: "when the range keeps the latest version out",
    target: { ...targetOf("settle"), latestVersion: "3.0.0" },
    sync: undefined,
    want: [
      condition(ready, before),
      condition(
        says(
          "UpToDate",
          "False",
          "NewVersionAvailable",
          "Upgrade to latest version 3.0.0 blocked by semver range 2.9.x",
        ),
      ),
    ],
  },
  {
    name: "when images are not pinned",
    target: targetOf("settle", {
      unpinned: { reason: "no digest is known", components: ["helm-controller", "source-controller"] },
    }),
    sync: undefined,
    want: [
      condition(ready, before),
      condition(
        {
          ...upToDate,
          message:
            "Version 2.9.0 is the latest; images are not pinned by digest: no digest is known (helm-controller, source-controller)",
        },
        before,
      ),
    ],
  },
]) {
  test(`appliedStatus() tells how things are ${name}`, () =>
    assert.deepEqual(appliedStatus(worldWith(appliedRecord), target, { ...applied, sync }, moment).conditions, want));
}

test("appliedStatus() of what is held back still tells that images are not pinned", () => {
  const problem = new ReasonedError({
    reason: "ArtifactFailed",
    retry: "backoff",
    message: "Cannot read the artifact",
  });
  const target = targetOf("settle", { unpinned: { reason: "no digest is known", components: ["helm-controller"] } });
  const status = appliedStatus(worldWith(appliedRecord), { ...target, problem }, applied, moment);
  assert.equal(
    status.conditions[1]?.message,
    "Cannot read the artifact; images are not pinned by digest: no digest is known (helm-controller)",
  );
});

for (const { reason, want } of [
  { reason: "ArtifactFailed", want: "ArtifactFailed" },
  { reason: "NeedsNewerOperator", want: "NeedsNewerOperator" },
  { reason: "ReconciliationFailed", want: "BuildFailed" },
]) {
  test(`appliedStatus() of what is held back by ${reason} stays Ready, and UpToDate tells`, () => {
    const problem = new ReasonedError({ reason, retry: "backoff", message: "Cannot read the artifact" });
    const status = appliedStatus(worldWith(appliedRecord), { ...targetOf("settle"), problem }, applied, moment);
    assert.deepEqual(status.conditions, [
      condition(ready, before),
      condition(says("UpToDate", "False", want, "Cannot read the artifact")),
    ]);
    assert.deepEqual(conditionFaults(status.conditions), []);
  });
}

test("progressMessage() tells that another artifact has the same version", () => {
  const world = worldWith({ conditions: [], lastAppliedVersion: "2.9.0", lastArtifactRevision: "sha256:0" });
  const from = (artifactRevision: string) => progressMessage(world, { ...targetOf("upgrade"), artifactRevision });
  assert.equal(from("sha256:1"), "Applying Flux 2.9.0 as artifact sha256:1 has it");
  assert.equal(from("sha256:0"), "Applying a new configuration of Flux 2.9.0");
});

test("appliedStatus() takes Synced away with the sync", () => {
  const world = worldWith({ ...appliedRecord, conditions: [condition(synced)] });
  assert.deepEqual(
    appliedStatus(world, targetOf("settle"), applied, moment).conditions.map(({ type }) => type),
    ["Ready", "UpToDate"],
  );
});

test("appliedStatus() names the artifact that the release came from, and forgets it with the artifact", () => {
  const world = worldWith(appliedRecord);
  const named = appliedStatus(world, { ...targetOf("settle"), artifactRevision: digest }, applied, moment);
  assert.equal(named.lastArtifactRevision, digest);
  const forgotten = appliedStatus(worldWith(named), targetOf("settle"), applied, moment);
  assert.ok(!("lastArtifactRevision" in forgotten));
});

test("intentStatus() says when the plan began", () => {
  const { plan: begun } = intentStatus(worldWith({ conditions: [], plan }), targetOf("upgrade"), more, now);
  assert.deepEqual(begun, { ...plan, startedAt: now });
});

test("appliedStatus() takes the plan away that was carried out, and keeps one that waits", () => {
  const world = worldWith({ ...appliedRecord, plan: { ...plan, startedAt: before } });
  assert.ok(!("plan" in appliedStatus(world, targetOf("upgrade"), applied, moment)));
  assert.deepEqual(appliedStatus(world, targetOf("upgrade"), { ...applied, waiting: { plan } }, moment).plan, plan);
});

const held: TargetWithNews = {
  ...targetOf("settle"),
  hold: { gate: { kind: "paused" }, from: "2.9.0", waiting: targetOf("upgrade", { version: "2.9.1" }) },
};
const paused = "The change of Flux from 2.9.0 to 2.9.1 waits until spec.upgrade.paused is removed";

test("appliedStatus() of what is held says so in UpToDate, and that what runs is ready", () => {
  const { conditions } = appliedStatus(worldWith(appliedRecord), held, { ...applied, waiting: { plan } }, moment);
  assert.deepEqual(conditions, [
    condition(ready, before),
    condition(says("UpToDate", "False", "UpgradePaused", paused)),
  ]);
});

test("waitingStatus() leaves Ready as it is, and says why nothing is changed", () => {
  assert.ok(held.hold !== undefined);
  const decision = { hold: held.hold, obstacle: { kind: "unbuildable", message: "no" } } as const;
  assert.deepEqual(waitingStatus(worldWith(appliedRecord), decision, { plan, refusal: "never" }, now), {
    ...appliedRecord,
    observedGeneration: 2,
    plan,
    conditions: [
      condition(ready, before),
      condition(
        says(
          "UpToDate",
          "False",
          "UpgradePaused",
          `${paused}; until then nothing is changed: with Flux 2.9.0 it cannot be built: no; the API server would reject it: never`,
        ),
      ),
    ],
  });
});

test("failedStatus() keeps the plan", () => {
  const world = worldWith({ ...appliedRecord, plan });
  assert.deepEqual(failedStatus(world, failure, moment).plan, plan);
});

test("appliedStatus() of what has settled differs in nothing from the status that it made", () => {
  const first = appliedStatus(worldWith(appliedRecord), targetOf("settle"), applied, moment);
  const again = { nowIso: "2026-03-03T00:00:00Z", durationMs: 9 };
  assert.deepEqual(appliedStatus(worldWith(first), targetOf("settle"), { ...applied, changed: false }, again), first);
});

const other = [1, 2, 3, 4, 5].map((n) => historyOf(`sha256:${n}`));
const failedBefore = historyOf(digest, { lastReconciledStatus: "HealthCheckFailed" });
for (const { name, history, changed, want } of [
  { name: "begins", history: [], changed: false, want: [[digest, 1, now, now]] },
  {
    name: "stays when nothing was written",
    history: [historyOf(digest)],
    changed: false,
    want: [[digest, 1, before, before]],
  },
  {
    name: "counts what was repaired",
    history: [historyOf(digest)],
    changed: true,
    want: [[digest, 2, before, now]],
  },
  {
    name: "brings to the front what was applied again, and counts it",
    history: [historyOf("sha256:1"), historyOf(digest)],
    changed: false,
    want: [
      [digest, 2, before, now],
      ["sha256:1", 1, before, before],
    ],
  },
  {
    name: "tells a success from a failure of the same revision",
    history: [failedBefore],
    changed: true,
    want: [
      [digest, 1, now, now],
      [digest, 1, before, before],
    ],
  },
  {
    name: "keeps five entries",
    history: other,
    changed: true,
    want: [[digest, 1, now, now], ...other.slice(0, 4).map((entry) => [entry.digest, 1, before, before])],
  },
]) {
  test(`The history ${name}`, () => {
    const world = worldWith({ ...appliedRecord, history });
    const status = appliedStatus(world, targetOf("settle"), { ...applied, changed }, moment);
    assert.deepEqual(
      status.history?.map((entry) => [
        entry.digest,
        entry.totalReconciliations,
        entry.firstReconciled,
        entry.lastReconciled,
      ]),
      want,
    );
  });
}

test("failedStatus() keeps on record what had been applied, and says that it is tried again", () =>
  assert.deepEqual(failedStatus(worldWith(appliedRecord), { ...failure, revision: older }, moment), {
    ...appliedRecord,
    lastAttemptedRevision: older,
    history: [
      {
        digest: `sha256:${"1".repeat(64)}`,
        firstReconciled: now,
        lastReconciled: now,
        lastReconciledDuration: "1.5s",
        lastReconciledStatus: "HealthCheckFailed",
        totalReconciliations: 1,
        metadata: { flux: "v2.8.0" },
      },
      historyOf(digest),
    ],
    conditions: [condition(unready), condition(upToDate, before), condition(retrying)],
  }));

test("failedStatus() of the same failure again differs in nothing", () => {
  const first = failedStatus(worldWith(appliedRecord), failure, moment);
  const again = { nowIso: "2026-03-03T00:00:00Z", durationMs: 9 };
  assert.deepEqual(failedStatus(worldWith(first), failure, again), first);
});

test("failedStatus() of what could not be built attempts nothing, and is stalled", () => {
  const world = worldWith({
    ...appliedRecord,
    observedGeneration: 1,
    conditions: [condition(ready, before, 1), condition(retrying, before, 1)],
  });
  const message = "Cannot use FluxInstance";
  assert.deepEqual(failedStatus(world, { reason: "BuildFailed", message, stalled: true }, moment), {
    ...appliedRecord,
    conditions: [
      condition(says("Ready", "False", "BuildFailed", message)),
      condition(says("Stalled", "True", "BuildFailed", message)),
    ],
  });
});

test("outdatedStatus() leaves Ready as it is", () =>
  assert.deepEqual(
    outdatedStatus(worldWith(appliedRecord), { reason: "BuildFailed", message: "gone", stalled: true }, moment),
    {
      ...appliedRecord,
      conditions: [condition(ready, before), condition(says("UpToDate", "False", "BuildFailed", "gone"))],
    },
  ));

for (const { name, record, want } of [
  {
    name: "of an instance that was never reconciled is Ready",
    record: { conditions: [] },
    want: {
      observedGeneration: 2,
      conditions: [
        condition(says("Ready", "True", "ReconciliationDisabled", "Initialized with reconciliation suspended")),
      ],
    },
  },
  { name: "of one that runs changes no condition", record: appliedRecord, want: appliedRecord },
]) {
  test(`suspendedStatus() ${name}`, () => assert.deepEqual(suspendedStatus(worldWith(record), now), want));
}

test("elsewhereStatus() is stalled and says where to go", () => {
  const message =
    "Flux is managed by the FluxInstance in namespace flux-system, where the operator runs; create it there and delete this one";
  assert.deepEqual(elsewhereStatus(worldWith({ conditions: [condition(retrying, before, 1)] }), now), {
    observedGeneration: 2,
    conditions: [
      condition(says("Ready", "False", "WrongNamespace", message)),
      condition(says("Stalled", "True", "WrongNamespace", message)),
    ],
  });
});

const { requestedAt, forceAt, reconcileEvery } = instanceAnnotations;
for (const { name, annotations, want } of [
  { name: "a request", annotations: { [requestedAt]: "1" }, want: ["1", undefined] },
  { name: "a forced request", annotations: { [requestedAt]: "1", [forceAt]: "1" }, want: ["1", "1"] },
  { name: "no force of another request", annotations: { [requestedAt]: "2", [forceAt]: "1" }, want: ["2", undefined] },
  { name: "no force without request", annotations: { [forceAt]: "1" }, want: [undefined, undefined] },
]) {
  for (const [verdict, status] of [
    ["appliedStatus()", (world: World) => appliedStatus(world, targetOf("settle"), applied, moment)],
    ["failedStatus()", (world: World) => failedStatus(world, failure, moment)],
    ["outdatedStatus()", (world: World) => outdatedStatus(world, failure, moment)],
    ["suspendedStatus()", (world: World) => suspendedStatus(world, now)],
  ] as const) {
    test(`${verdict} echoes ${name}`, () => {
      const { lastHandledReconcileAt, lastHandledForceAt } = status(worldWith({ conditions: [] }, annotations));
      assert.deepEqual([lastHandledReconcileAt, lastHandledForceAt], want);
    });
  }
}

test("appliedStatus() warns of an annotation that cannot be read, and takes the warning back", () => {
  const world = worldWith(appliedRecord, { [reconcileEvery]: "soon" });
  const warned = appliedStatus(world, targetOf("settle"), applied, moment);
  const [warning] = warned.conditions.slice(-1);
  assert.deepEqual([warning?.type, warning?.status, warning?.reason], ["Warning", "True", "InvalidAnnotation"]);
  assert.match(warning?.message ?? "", /reconcileEvery is "soon", which is no duration/);
  const back = appliedStatus(worldWith(warned), targetOf("settle"), applied, moment);
  assert.deepEqual(
    back.conditions.map(({ type }) => type),
    ["Ready", "UpToDate"],
  );
});

const records: readonly FluxInstanceStatus[] = [
  { conditions: [] },
  appliedRecord,
  { conditions: [condition(unready), condition(retrying)] },
  {
    conditions: [
      condition(says("Ready", "False", "BuildFailed", "x")),
      condition(says("Stalled", "True", "BuildFailed", "x")),
    ],
  },
];
for (const [name, statusOf] of [
  ["intentStatus()", (world) => intentStatus(world, targetOf("upgrade"), entries, now)],
  ["appliedStatus()", (world) => appliedStatus(world, targetOf("upgrade"), { ...applied, sync: synced }, moment)],
  ["failedStatus()", (world) => failedStatus(world, failure, moment)],
  [
    "a stalled failedStatus()",
    (world) => failedStatus(world, { ...failure, reason: "BuildFailed", stalled: true }, moment),
  ],
  ["outdatedStatus()", (world) => outdatedStatus(world, { ...failure, reason: "BuildFailed" }, moment)],
  ["suspendedStatus()", (world) => suspendedStatus(world, now)],
  ["elsewhereStatus()", (world) => elsewhereStatus(world, now)],
] satisfies readonly [string, (world: World) => FluxInstanceStatus][]) {
  test(`${name} is legal after whatever was there`, () =>
    assert.deepEqual(
      records.map((record) => conditionFaults(statusOf(worldWith(record)).conditions)),
      records.map(() => []),
    ));
}

for (const { given, want } of [
  { given: revision, want: "e197eca" },
  { given: "v2.2.3@sha256:0123456789", want: "0123456" },
]) {
  test(`shortRevision() is ${want}`, () => assert.equal(shortRevision(given), want));
}

test("appliedStatus() says what the preflight warns of beside an annotation that cannot be read", () => {
  const annotations = { [instanceAnnotations.reconcileEvery]: "soon" };
  const world = worldWith({ ...appliedRecord, warnings: ["one", "two"] }, annotations);
  const status = appliedStatus(
    world,
    targetOf("upgrade"),
    { inventory: entries, changed: false, sync: undefined, unattended: [] },
    moment,
  );
  const [warning] = status.conditions.slice(-1);
  assert.deepEqual([warning?.type, warning?.status, warning?.reason], ["Warning", "True", "PreflightWarning"]);
  assert.match(warning?.message ?? "", /^one; two; .*reconcileEvery is "soon"/);
  assert.deepEqual(status.warnings, ["one", "two"]);
});

test("intentStatus() says what the preflight warns of before the first write", () => {
  const world = worldWith({ conditions: [], warnings: ["one"] });
  const { conditions } = intentStatus(world, targetOf("install"), entries, now);
  const warning = conditions.find(({ type }) => type === "Warning");
  assert.deepEqual(warning, condition(says("Warning", "True", "PreflightWarning", "one")));
});

const said = { digest: "sha256:said", updated: "2026-06-30T12:00:00Z", statements: 3 };
const pointer = { source: "Embedded", ...said } as const;

for (const { name, recorded = {}, parts, want } of [
  { name: "points to the statements that are embedded", parts: { vex: { "2.9": said } }, want: pointer },
  {
    name: "points to those of the artifact",
    parts: { vex: { "2.9": said }, artifactRevision: digest },
    want: { source: "Artifact", ...said },
  },
  { name: "says nothing where there are none about this minor", parts: { vex: { "2.8": said } }, want: undefined },
  {
    name: "forgets those of another minor",
    recorded: { lastAppliedVersion: "2.8.8", vulnerabilities: pointer },
    parts: {},
    want: undefined,
  },
  {
    name: "keeps what it says while the release is that of the record",
    recorded: { lastAppliedVersion: "2.9.0", vulnerabilities: pointer },
    parts: {},
    want: pointer,
  },
] satisfies readonly {
  name: string;
  recorded?: Partial<FluxInstanceStatus>;
  parts: Partial<Target>;
  want: unknown;
}[]) {
  test(`appliedStatus() ${name}`, () => {
    const world = worldWith({ ...appliedRecord, ...recorded });
    const { vulnerabilities } = appliedStatus(world, { ...targetOf("settle"), ...parts }, applied, moment);
    assert.deepEqual(vulnerabilities, want);
  });
}
