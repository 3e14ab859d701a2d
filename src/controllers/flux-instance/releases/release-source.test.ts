import assert from "node:assert/strict";
import { test } from "node:test";
import { artifactFiles } from "../../../../test/support/artifact-of.ts";
import { base as nextMinor } from "../../../../test/support/next-minor.ts";
import { tarGzOf } from "../../../../test/support/tarball.ts";
import { createTestLog } from "../../../../test/support/test-log.ts";
import { canonicalInstance } from "../../../api/canonical.ts";
import { parseStoredFluxInstance } from "../../../api/flux-instance.ts";
import { fluxInstance, instanceAnnotations } from "../../../api/names.ts";
import type { JsonObject } from "../../../kube/object.ts";
import { RegistryError } from "../../../oci/registry-error.ts";
import { targetOf } from "../../../render/target.ts";
import { ReasonedError } from "../../../std/errors.ts";
import { worldOf, type World } from "../world.ts";
import { ReleaseSource } from "./release-source.ts";
import type { Releases } from "./releases.ts";

const never = new AbortController().signal;
const key = { namespace: "flux-system", name: "flux" };
const reference = "oci://example.com/manifests:latest";
const embedded = { versions: ["2.9.4"], load: () => ({ ...nextMinor, version: "2.9.4" }) };

const [one, two, broken] = await Promise.all(
  [
    artifactFiles(nextMinor),
    artifactFiles(nextMinor, { ...nextMinor, version: "2.10.1" }),
    new Map([...artifactFiles({ ...nextMinor, version: "2.10.1" })].filter(([path]) => !path.endsWith("rbac.yaml"))),
  ].map((files) => tarGzOf(Object.fromEntries(files))),
);

type Spec = { readonly distribution?: JsonObject; readonly annotations?: { readonly [name: string]: string } };

function worldWith({ distribution = {}, annotations = {} }: Spec = {}): World {
  const instance = {
    apiVersion: fluxInstance.storageApiVersion,
    kind: fluxInstance.kind,
    metadata: { ...key, generation: 1, annotations },
    spec: {
      distribution: { version: "2.10.x", registry: "ghcr.io/fluxcd", artifact: reference, ...distribution },
      components: ["source-controller"],
    },
  };
  return worldOf(instance, new Map(), key.namespace);
}

const { log } = createTestLog();

/** A registry of one tag, and a source that reads it. */
function sourceOf(content: { digest: string; tarball: Uint8Array | undefined }) {
  const registry = { ...content, failure: undefined as ReasonedError | undefined, opened: Promise.resolve() };
  const said: string[] = [];
  const answer = (verb: string): { digest: string; mediaType: string } => {
    said.push(verb);
    if (registry.failure !== undefined) throw registry.failure;
    return { digest: registry.digest, mediaType: "application/vnd.oci.image.manifest.v1+json" };
  };
  const source = new ReleaseSource({
    embedded,
    jitter: 0.05,
    registry: {
      resolve: async () => {
        const answered = answer("resolve");
        await registry.opened;
        return answered;
      },
      fetch: async () => {
        const { tarball = new Uint8Array() } = registry;
        return { ...answer("fetch"), tarball, layer: { digest: "sha256:layer", sizeBytes: tarball.length } };
      },
    },
    client: { getOrUndefined: async () => undefined },
    polls: {
      addAfter: (_, ms) => void said.push(`poll in ${ms} ms`),
      retry: (_, atLeastMs) => {
        said.push(`try again after ${atLeastMs} ms`);
        return 0;
      },
      forget: () => undefined,
    },
    random: () => 0.5,
    onChange: (_, moved) => void said.push(moved ? "moved" : "changed"),
  });
  return { registry, source, heard: () => said.splice(0) };
}

/** What a finding says, short enough to compare. */
function shortOf(releases: Releases): JsonObject {
  const problem = releases.problem === undefined ? {} : { problem: releases.problem.reason };
  const good = releases.good === undefined ? {} : { good: releases.good.artifactRevision ?? "embedded" };
  if (releases.kind === "none") return { kind: "none", ...problem, ...good };
  const { versions, artifactRevision } = releases.catalogue;
  return { versions: [...versions], from: artifactRevision ?? "embedded", ...problem, ...good };
}

const unreachable = new RegistryError({ kind: "unreachable", message: "Cannot resolve: nobody listens" });
const limited = new RegistryError({ kind: "rate-limited", message: "Cannot resolve: limits", retryAfterMs: 90_000 });

test("find() gives the embedded releases where there is no artifact, and asks nobody", async () => {
  const { source, heard } = sourceOf({ digest: "sha256:1", tarball: one });
  for (const distribution of [{ artifact: "" }, { artifact: "", source: "Embedded" }]) {
    assert.deepEqual(shortOf(await source.find(worldWith({ distribution }), never)), {
      versions: ["2.9.4"],
      from: "embedded",
    });
  }
  assert.deepEqual(heard(), []);
});

test("find() pulls the artifact once, and answers the same wish from memory", async () => {
  const { source, heard } = sourceOf({ digest: "sha256:1", tarball: one });
  const releases = await source.find(worldWith(), never);
  assert.deepEqual(shortOf(releases), { versions: ["2.10.0"], from: "sha256:1" });
  assert.equal(releases.kind === "found" && releases.catalogue.load("2.10.0").version, "2.10.0");
  assert.deepEqual(heard(), ["resolve", "fetch", "poll in 600000 ms"]);
  assert.deepEqual(shortOf(await source.find(worldWith(), never)), { versions: ["2.10.0"], from: "sha256:1" });
  assert.deepEqual(heard(), []);
});

for (const { name, spec } of [
  { name: "a request", spec: { annotations: { [instanceAnnotations.requestedAt]: "now" } } },
  { name: "another range", spec: { distribution: { version: "2.x" } } },
]) {
  test(`find() asks for the digest anew upon ${name}, and pulls nothing it has`, async () => {
    const { source, heard } = sourceOf({ digest: "sha256:1", tarball: one });
    await source.find(worldWith(), never);
    heard();
    await source.find(worldWith(spec), never);
    assert.deepEqual(heard(), ["resolve", "poll in 600000 ms"]);
  });
}

test("find() never asks for the digest of what is pinned by digest and held", async () => {
  const { source, heard } = sourceOf({ digest: `sha256:${"1".repeat(64)}`, tarball: one });
  const distribution = { artifact: `oci://example.com/manifests@sha256:${"1".repeat(64)}` };
  await source.find(worldWith({ distribution }), never);
  assert.deepEqual(heard(), ["resolve", "fetch", "poll in 600000 ms"]);
  await source.poll(key, log, never);
  assert.deepEqual(heard(), []);
});

for (const { name, failure, want } of [
  { name: "soon", failure: unreachable, want: "try again after 0 ms" },
  { name: "when the registry wants it", failure: limited, want: "try again after 90000 ms" },
]) {
  test(`find() has no releases while the registry is away, and tries again ${name}`, async () => {
    const { source, registry, heard } = sourceOf({ digest: "sha256:1", tarball: one });
    registry.failure = failure;
    assert.deepEqual(shortOf(await source.find(worldWith(), never)), { kind: "none", problem: "ArtifactFailed" });
    assert.deepEqual(heard(), ["resolve", want]);
  });
}

test("find() gives what it holds for another range while the registry is away", async () => {
  const { source, registry } = sourceOf({ digest: "sha256:2", tarball: two });
  await source.find(worldWith(), never);
  registry.failure = unreachable;
  const releases = await source.find(worldWith({ distribution: { version: "2.10.0" } }), never);
  assert.deepEqual(shortOf(releases), { versions: ["2.10.0", "2.10.1"], from: "sha256:2", problem: "ArtifactFailed" });
  assert.equal(releases.kind === "found" && releases.catalogue.load("2.10.0").version, "2.10.0");
});

test("find() takes nothing of one artifact for another", async () => {
  const { source, registry } = sourceOf({ digest: "sha256:1", tarball: one });
  await source.find(worldWith(), never);
  registry.failure = unreachable;
  const distribution = { artifact: "oci://example.com/others" };
  assert.deepEqual(shortOf(await source.find(worldWith({ distribution }), never)), {
    kind: "none",
    problem: "ArtifactFailed",
  });
});

test("find() says that an address which is none cannot work, and does not try again", async () => {
  const { source, heard } = sourceOf({ digest: "sha256:1", tarball: one });
  const releases = await source.find(worldWith({ distribution: { artifact: "oci://nowhere" } }), never);
  assert.equal(releases.problem?.reason, "BuildFailed");
  assert.equal(releases.problem.retry, "on-change");
  assert.match(releases.problem.message, /; correct spec\.distribution\.artifact$/);
  assert.deepEqual(heard(), []);
});

test("poll() takes in another digest and wakes the instance", async () => {
  const { source, registry, heard } = sourceOf({ digest: "sha256:1", tarball: one });
  await source.find(worldWith(), never);
  heard();
  assert.deepEqual(await source.poll(key, log, never), { kind: "settled", recheckMs: 600_000 });
  assert.deepEqual(heard(), ["resolve"]);
  Object.assign(registry, { digest: "sha256:2", tarball: two });
  assert.deepEqual(await source.poll(key, log, never), { kind: "settled", recheckMs: 600_000 });
  assert.deepEqual(heard(), ["resolve", "fetch", "moved"]);
  assert.deepEqual(shortOf(await source.find(worldWith(), never)), {
    versions: ["2.10.0", "2.10.1"],
    from: "sha256:2",
  });
});

test("poll() keeps what it holds while the registry is away, and tells once that it is and once that it is back", async () => {
  const { source, registry, heard } = sourceOf({ digest: "sha256:1", tarball: one });
  await source.find(worldWith(), never);
  heard();
  registry.failure = limited;
  const failed = { kind: "failed", retry: { kind: "backoff", atLeastMs: 90_000, atMostMs: 600_000 } } as const;
  assert.deepEqual([await source.poll(key, log, never), await source.poll(key, log, never)], [failed, failed]);
  assert.deepEqual(heard(), ["resolve", "changed", "resolve"]);
  const held = { versions: ["2.10.0"], from: "sha256:1" };
  assert.deepEqual(shortOf(await source.find(worldWith(), never)), { ...held, problem: "ArtifactFailed" });
  registry.failure = undefined;
  await source.poll(key, log, never);
  assert.deepEqual(heard(), ["resolve", "changed"]);
  assert.deepEqual(shortOf(await source.find(worldWith(), never)), held);
});

test("poll() pulls a broken artifact once, keeps what it holds, and takes in a repaired one", async () => {
  const { source, registry, heard } = sourceOf({ digest: "sha256:1", tarball: one });
  await source.find(worldWith(), never);
  heard();
  Object.assign(registry, { digest: "sha256:broken", tarball: broken });
  await source.poll(key, log, never);
  await source.poll(key, log, never);
  assert.deepEqual(heard(), ["resolve", "fetch", "changed", "resolve"]);
  const releases = await source.find(worldWith(), never);
  assert.deepEqual(shortOf(releases), { versions: ["2.10.0"], from: "sha256:1", problem: "ArtifactFailed" });
  assert.equal(
    releases.problem?.message,
    `Cannot read artifact ${reference} (sha256:broken): flux/v2.10.1/rbac.yaml is missing; push a whole artifact, or choose another one in spec.distribution.artifact`,
  );
  Object.assign(registry, { digest: "sha256:2", tarball: two });
  await source.poll(key, log, never);
  assert.deepEqual(heard(), ["resolve", "fetch", "moved"]);
});

test("find() keeps what was applied last beside what came after it", async () => {
  const { source, registry } = sourceOf({ digest: "sha256:1", tarball: one });
  const world = worldWith();
  const first = await source.find(world, never);
  assert.equal(first.kind, "found");
  source.applied(key, targetOf(canonicalInstance(parseStoredFluxInstance(world.instance)), first.catalogue));
  Object.assign(registry, { digest: "sha256:2", tarball: two });
  await source.poll(key, log, never);
  assert.deepEqual(shortOf(await source.find(world, never)), {
    versions: ["2.10.0", "2.10.1"],
    from: "sha256:2",
    good: "sha256:1",
  });
});

function othersRun(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

test("poll() that ends after the wish has changed takes nothing in", async () => {
  const { source, registry, heard } = sourceOf({ digest: "sha256:2", tarball: two });
  await source.find(worldWith(), never);
  const gate = Promise.withResolvers<void>();
  Object.assign(registry, { digest: "sha256:1", tarball: one, opened: gate.promise });
  heard();
  const late = source.poll(key, log, never);
  for (const said = heard(); !said.includes("resolve"); said.push(...heard())) await othersRun();
  Object.assign(registry, { digest: "sha256:2", opened: Promise.resolve() });
  const changed = worldWith({ distribution: { version: "2.x" } });
  await source.find(changed, never);
  heard();
  gate.resolve();
  assert.deepEqual(await late, { kind: "settled" });
  assert.ok(!heard().includes("moved"));
  const want = { versions: ["2.10.0", "2.10.1"], from: "sha256:2" };
  assert.deepEqual(shortOf(await source.find(changed, never)), want);
});

test("poll() leaves alone what is suspended, deleted or embedded by now", async () => {
  for (const spec of [
    { annotations: { [instanceAnnotations.reconcile]: "disabled" } },
    { distribution: { artifact: "" } },
  ]) {
    const { source, heard } = sourceOf({ digest: "sha256:1", tarball: one });
    await source.find(worldWith(), never);
    await source.find(worldWith(spec), never);
    heard();
    assert.deepEqual(await source.poll(key, log, never), { kind: "settled" });
    assert.deepEqual(heard(), []);
  }
});

test("find() reads the release that runs beside the one to come, and does without it where it is broken", async () => {
  const files = artifactFiles(nextMinor, { ...nextMinor, version: "2.10.1" });
  const halfBroken = new Map([...files].filter(([path]) => path !== "flux/v2.10.0/rbac.yaml"));
  for (const { tarball, loads } of [
    { tarball: two, loads: true },
    { tarball: await tarGzOf(Object.fromEntries(halfBroken)), loads: false },
  ]) {
    const { source } = sourceOf({ digest: "sha256:2", tarball });
    const world = worldWith();
    const running = { ...world, recorded: { ...world.recorded, lastAppliedVersion: "2.10.0" } };
    const releases = await source.find(running, never);
    assert.ok(releases.kind === "found" && releases.problem === undefined);
    assert.equal(releases.catalogue.load("2.10.1").version, "2.10.1");
    if (loads) assert.equal(releases.catalogue.load("2.10.0").version, "2.10.0");
    else assert.throws(() => releases.catalogue.load("2.10.0"), ReasonedError);
  }
});

test("find() says which release could not be read when somebody loads another one", async () => {
  const { source } = sourceOf({ digest: "sha256:2", tarball: two });
  const releases = await source.find(worldWith({ distribution: { version: "2.10.0" } }), never);
  assert.ok(releases.kind === "found");
  assert.throws(() => releases.catalogue.load("2.10.1"), ReasonedError);
});
