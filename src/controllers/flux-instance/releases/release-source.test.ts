import assert from "node:assert/strict";
import { test } from "node:test";
import { artifactFiles } from "../../../../test/support/artifact-of.ts";
import { base as nextMinor } from "../../../../test/support/next-minor.ts";
import { releaseOf } from "../../../../test/support/small-release.ts";
import { tarGzOf } from "../../../../test/support/tarball.ts";
import { createTestLog } from "../../../../test/support/test-log.ts";
import { canonicalInstance } from "../../../api/canonical.ts";
import { parseStoredFluxInstance } from "../../../api/flux-instance.ts";
import { fluxInstance, instanceAnnotations } from "../../../api/names.ts";
import type { JsonObject, KubeObject } from "../../../kube/object.ts";
import { parseReference } from "../../../oci/reference.ts";
import { RegistryError } from "../../../oci/registry-error.ts";
import { SignatureError } from "../../../oci/signatures/signature-error.ts";
import { targetOf, type Catalogue } from "../../../render/target.ts";
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

const secrets: { readonly [name: string]: KubeObject } = {
  keys: {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "keys" },
    data: { "a.pub": Buffer.from("a key").toString("base64") },
  },
};

/** A registry of one tag, and a source that reads it. */
function sourceOf(content: { digest: string; tarball: Uint8Array | undefined }) {
  const registry = {
    ...content,
    failure: undefined as ReasonedError | undefined,
    opened: Promise.resolve(),
    /** The address that was pulled last. */
    fetched: "",
    /** The digests with a good signature. */
    signed: [] as readonly string[],
  };
  const said: string[] = [];
  const answer = (verb: string): { digest: string; mediaType: string } => {
    said.push(verb);
    if (registry.failure !== undefined) throw registry.failure;
    return { digest: registry.digest, mediaType: "application/vnd.oci.image.manifest.v1+json" };
  };
  const source = new ReleaseSource({
    embedded,
    jitter: 0.05,
    signatures: {
      check: async ({ digest }, trust) => {
        said.push("verify");
        if (!registry.signed.includes(digest)) throw new SignatureError(`Cannot trust ${digest}: ${trust.remedy}`);
      },
      isGood: (digest) => registry.signed.includes(digest),
    },
    registry: {
      resolve: async () => {
        const answered = answer("resolve");
        await registry.opened;
        return answered;
      },
      fetch: async (address) => {
        const { tarball = new Uint8Array() } = registry;
        registry.fetched = address;
        return { ...answer("fetch"), tarball, layer: { digest: "sha256:layer", sizeBytes: tarball.length } };
      },
    },
    client: { getOrUndefined: async (_, { name }) => secrets[name] },
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
  { name: "when the registry wants it", failure: limited, want: "try again after 120000 ms" },
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
  const failed = { kind: "failed", retry: { kind: "backoff", atLeastMs: 120_000, atMostMs: 600_000 } } as const;
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

const verify = { provider: "cosign", secretRef: { name: "keys" } };

test("find() verifies the signature of the digest before it pulls it", async () => {
  const digest = `sha256:${"1".repeat(64)}`;
  const { source, registry, heard } = sourceOf({ digest, tarball: one });
  const unsigned = await source.find(worldWith({ distribution: { verify } }), never);
  assert.deepEqual(shortOf(unsigned), { kind: "none", problem: "VerificationFailed" });
  assert.equal(
    unsigned.problem?.message,
    `Cannot trust ${digest}: sign it with a key of Secret flux-system/keys, copy its signatures along with it, or change spec.distribution.verify`,
  );
  assert.deepEqual(heard(), ["resolve", "verify", "try again after 0 ms"]);
  registry.signed = [digest];
  await source.poll(key, log, never);
  assert.deepEqual(heard(), ["resolve", "verify", "fetch", "moved"]);
  assert.equal(registry.fetched, `oci://example.com/manifests@${digest}`);
  const found = await source.find(worldWith({ distribution: { verify } }), never);
  assert.deepEqual(shortOf(found), { versions: ["2.10.0"], from: digest });
});

test("poll() keeps a signed artifact when an unsigned one comes under the same tag", async () => {
  const [first, second] = ["1", "2"].map((digit) => `sha256:${digit.repeat(64)}`);
  const { source, registry } = sourceOf({ digest: first ?? "", tarball: one });
  registry.signed = [first ?? ""];
  await source.find(worldWith({ distribution: { verify } }), never);
  Object.assign(registry, { digest: second, tarball: two });
  await source.poll(key, log, never);
  const found = await source.find(worldWith({ distribution: { verify } }), never);
  assert.deepEqual(shortOf(found), { versions: ["2.10.0"], from: first, problem: "VerificationFailed" });
});

for (const { name, distribution } of [
  { name: "was never verified", distribution: { verify } },
  { name: "cannot be verified", distribution: { verify: { provider: "cosign", secretRef: { name: "absent" } } } },
]) {
  test(`find() takes nothing from memory that ${name}`, async () => {
    const { source } = sourceOf({ digest: `sha256:${"1".repeat(64)}`, tarball: one });
    await source.find(worldWith(), never);
    const found = await source.find(worldWith({ distribution }), never);
    assert.deepEqual(shortOf(found), { kind: "none", problem: "VerificationFailed" });
  });
}

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

const mirror = "mirror.example/flux/source-controller:v1.0.0";
const small: Catalogue = { versions: ["2.10.0"], load: releaseOf };
const [digestA, digestB] = ["a", "b"].map((digit) => `sha256:${digit.repeat(64)}`);
const fromRegistry = { artifact: "", registry: "mirror.example/flux", digests: "Registry" };

/** A registry of images by digest or failure, and a source of embedded releases with images in it. */
function imagesOf(answer: string | ReasonedError | undefined, embeddedReleases = small) {
  const registry = { answer };
  const said: string[] = [];
  const source = new ReleaseSource({
    embedded: embeddedReleases,
    jitter: 0.05,
    registry: {
      resolve: async (asked, { timeoutMs }) => {
        parseReference(asked);
        said.push(`${asked.replace("oci://", "")} within ${timeoutMs} ms`);
        if (registry.answer instanceof ReasonedError) throw registry.answer;
        return { digest: registry.answer ?? "", mediaType: "application/vnd.oci.image.index.v1+json" };
      },
      fetch: () => Promise.reject(new Error("there is no artifact")),
    },
    signatures: { check: () => Promise.reject(new Error("there is no artifact")), isGood: () => false },
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

/** What is known of the images, and what is not. */
function digestsIn(releases: Releases): JsonObject {
  const problem = releases.problem === undefined ? {} : { problem: releases.problem.reason };
  if (releases.kind === "none") return { kind: "none", ...problem, resolved: { ...releases.live?.resolved } };
  const { resolved = {}, trouble } = releases.catalogue.live ?? {};
  return { resolved: { ...resolved }, ...problem, ...(trouble === undefined ? {} : { trouble }) };
}

const running = (world: World): World => {
  const [repository = "", tag = ""] = mirror.split(":");
  const components = [{ name: "source-controller", repository, tag, digest: digestA ?? "" }];
  return { ...world, recorded: { ...world.recorded, lastAppliedVersion: "2.10.0", components } };
};

for (const { name, distribution, want } of [
  {
    name: "of every image where the user asks for it",
    distribution: fromRegistry,
    want: { found: { resolved: { [mirror]: digestA } }, heard: [`${mirror} within 30000 ms`, "poll in 600000 ms"] },
  },
  {
    name: "of a mirror whose variant is not known, and waits less for it",
    distribution: { ...fromRegistry, digests: null },
    want: { found: { resolved: { [mirror]: digestA } }, heard: [`${mirror} within 5000 ms`, "poll in 600000 ms"] },
  },
  {
    name: "of nothing where the release's digests are wanted",
    distribution: { ...fromRegistry, digests: "Catalog" },
    want: { found: { resolved: {} }, heard: [] },
  },
  {
    name: "of nothing where nothing may be downloaded",
    distribution: { registry: fromRegistry.registry, artifact: "", source: "Embedded" },
    want: { found: { resolved: {} }, heard: [] },
  },
  {
    name: "of nothing where the variant is known",
    distribution: { ...fromRegistry, digests: null, variant: "upstream-alpine" },
    want: { found: { resolved: {} }, heard: [] },
  },
]) {
  test(`find() asks for the digest ${name}`, async () => {
    const { source, heard } = imagesOf(digestA);
    const { digests, ...others } = { digests: null, ...distribution };
    const world = worldWith({ distribution: digests === null ? others : { ...others, digests } });
    assert.deepEqual(digestsIn(await source.find(world, never)), want.found);
    assert.deepEqual(heard(), want.heard);
    assert.deepEqual(digestsIn(await source.find(world, never)), want.found);
    assert.deepEqual(heard(), []);
  });
}

for (const { name, world, want } of [
  {
    name: "has no releases where the user asks for it and nothing is known",
    world: worldWith({ distribution: fromRegistry }),
    want: { kind: "none", problem: "ArtifactFailed", resolved: {} },
  },
  {
    name: "has the digests that run where the user asks for it",
    world: running(worldWith({ distribution: fromRegistry })),
    want: {
      resolved: { [mirror]: digestA },
      problem: "ArtifactFailed",
      trouble: "Cannot resolve: nobody listens; see spec.distribution.registry, and artifactCertSecretRef for a CA",
    },
  },
  {
    name: "goes on without digests where nobody asks for it",
    world: worldWith({ distribution: { artifact: "", registry: fromRegistry.registry } }),
    want: {
      resolved: {},
      trouble: "Cannot resolve: nobody listens; see spec.distribution.registry, and artifactCertSecretRef for a CA",
    },
  },
]) {
  test(`find() ${name} while the registry is away, and tries again`, async () => {
    const { source, heard } = imagesOf(unreachable);
    assert.deepEqual(digestsIn(await source.find(world, never)), want);
    assert.deepEqual(heard().slice(1), ["try again after 0 ms"]);
  });
}

test("poll() asks once while nothing is new, and wakes the instance when a tag has another digest", async () => {
  const { source, registry, heard } = imagesOf(digestA);
  const world = worldWith({ distribution: fromRegistry });
  await source.find(world, never);
  heard();
  assert.deepEqual(await source.poll(key, log, never), { kind: "settled", recheckMs: 600_000 });
  assert.deepEqual(heard(), [`${mirror} within 30000 ms`]);
  registry.answer = digestB;
  assert.deepEqual(await source.poll(key, log, never), { kind: "settled", recheckMs: 600_000 });
  assert.deepEqual(heard(), [`${mirror} within 30000 ms`, "moved"]);
  assert.deepEqual(digestsIn(await source.find(world, never)), { resolved: { [mirror]: digestB } });
});

test("poll() keeps the digests while the registry is away, and tells once that it is and once that it is back", async () => {
  const { source, registry, heard } = imagesOf(digestA);
  const world = worldWith({ distribution: fromRegistry });
  await source.find(world, never);
  registry.answer = limited;
  const failed = { kind: "failed", retry: { kind: "backoff", atLeastMs: 120_000, atMostMs: 600_000 } } as const;
  heard();
  assert.deepEqual([await source.poll(key, log, never), await source.poll(key, log, never)], [failed, failed]);
  assert.deepEqual(
    heard().filter((said) => !said.includes("within")),
    ["changed"],
  );
  const trouble = "Cannot resolve: limits";
  const kept = { resolved: { [mirror]: digestA }, problem: "ArtifactFailed", trouble };
  assert.deepEqual(digestsIn(await source.find(world, never)), kept);
  registry.answer = digestA;
  await source.poll(key, log, never);
  assert.deepEqual(heard().at(-1), "changed");
  assert.deepEqual(digestsIn(await source.find(world, never)), { resolved: { [mirror]: digestA } });
});

const imageOf = (tag: string) => `mirror.example/flux/source-controller:${tag}`;

/** Releases whose images have the version as tag. */
const tagged: Catalogue = {
  versions: ["2.10.0", "2.10.1"],
  load: (version) => JSON.parse(JSON.stringify(releaseOf(version)).replace(":v1.0.0", `:${version}`)),
};

test("find() asks also for the images of the version that runs, so that the upgrade policy can stay with it", async () => {
  const { source } = imagesOf(digestA, tagged);
  const world = worldWith({ distribution: fromRegistry });
  const recorded = { ...world.recorded, lastAppliedVersion: "2.10.0" };
  const releases = await source.find({ ...world, recorded }, never);
  assert.deepEqual(digestsIn(releases), { resolved: { [imageOf("2.10.1")]: digestA, [imageOf("2.10.0")]: digestA } });
});

test("find() has no releases while the registry lacks an image of the version that is wanted, and the digests of the others", async () => {
  const { source, registry } = imagesOf(digestA, tagged);
  registry.answer = new RegistryError({ kind: "not-found", message: "Cannot resolve: not there" });
  const world = worldWith({ distribution: fromRegistry });
  const components = [{ repository: imageOf("").slice(0, -1), tag: "2.10.0", digest: digestA ?? "" }];
  const recorded = { ...world.recorded, lastAppliedVersion: "2.10.0", components };
  assert.deepEqual(digestsIn(await source.find({ ...world, recorded }, never)), {
    kind: "none",
    problem: "ArtifactFailed",
    resolved: { [imageOf("2.10.0")]: digestA },
  });
});

test("find() says that an image name which is none cannot work, and names the field", async () => {
  const { source, heard } = imagesOf(digestA);
  const releases = await source.find(worldWith({ distribution: { ...fromRegistry, registry: "MIRROR/Flux" } }), never);
  assert.deepEqual(digestsIn(releases), { kind: "none", problem: "BuildFailed", resolved: {} });
  assert.match(releases.problem?.message ?? "", /MIRROR\/Flux.*; correct spec\.distribution\.registry$/);
  assert.deepEqual(heard(), []);
});
