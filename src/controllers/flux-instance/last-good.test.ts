import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { test } from "node:test";
import { officialAbsent, readOfficialArtifact } from "../../../test/support/official-artifact.ts";
import { releaseOf } from "../../../test/support/small-release.ts";
import { fluxInstance } from "../../api/names.ts";
import { openArtifact } from "../../distribution/from-artifact.ts";
import { loadRelease } from "../../distribution/load.ts";
import type { Release } from "../../distribution/release.ts";
import { fieldsOf, textOf } from "../../kube/fields.ts";
import type { JsonObject, KubeObject } from "../../kube/object.ts";
import {
  decodeLastGood,
  encodeLastGood,
  LastGoodError,
  sameRecord,
  type FailedAttempt,
  type LastGood,
  type LastGoodRecord,
} from "./last-good.ts";

const instance: KubeObject = {
  apiVersion: fluxInstance.storageApiVersion,
  kind: fluxInstance.kind,
  metadata: { name: "flux", namespace: "flux-system", uid: "one", generation: 3 },
};
const spec = { distribution: { version: "2.9.x", registry: "ghcr.io/fluxcd" } };
const good: LastGood = {
  spec,
  release: releaseOf("2.9.0"),
  version: "2.9.0",
  revision: "v2.9.0@sha256:0",
  generation: 3,
};
const digests = { "mirror.example/source-controller:v1.0.0": `sha256:${"0".repeat(64)}` };
const failed: FailedAttempt = {
  generation: 4,
  operatorVersion: "0.1.0",
  version: "2.9.1",
  revision: "v2.9.1@sha256:1",
  reason: "HealthCheckFailed",
  message: "1 object will not become ready",
  attempts: 1,
  retryAt: "2026-01-01T00:15:00Z",
};

for (const [name, record] of [
  ["a success", { good }],
  ["a success from an artifact", { good: { ...good, artifactRevision: "latest@sha256:a" } }],
  ["a success with digests of the registry", { good: { ...good, digests } }],
  ["a failure after a success", { good, failed }],
  ["a failure of rebuilt images", { good, failed: { ...failed, rebuilt: ["source-controller"] } }],
  ["a failure from an artifact", { good, failed: { ...failed, artifactRevision: "latest@sha256:b" } }],
  ["a whole release", { good: { ...good, release: loadRelease("2.9.4") } }],
] satisfies readonly (readonly [string, LastGoodRecord])[]) {
  test(`decodeLastGood() reads ${name} as encodeLastGood() wrote it`, () => {
    assert.deepEqual(decodeLastGood(encodeLastGood(instance, record), instance), { kind: "known", ...record });
  });
}

test("encodeLastGood() writes a ConfigMap that goes with the instance", () => {
  const { metadata } = encodeLastGood(instance, { good });
  assert.deepEqual(metadata, {
    name: "flux-operator-last-good",
    namespace: "flux-system",
    labels: {
      "app.kubernetes.io/managed-by": "flux-operator",
      "app.kubernetes.io/part-of": "flux",
      "fluxcd.controlplane.io/name": "flux",
      "fluxcd.controlplane.io/namespace": "flux-system",
    },
    ownerReferences: [{ apiVersion: "fluxcd.controlplane.io/v1", kind: "FluxInstance", name: "flux", uid: "one" }],
  });
});

test("encodeLastGood() refuses what no ConfigMap can hold", () => {
  const record = { good: { ...good, spec: { note: "x".repeat(950_000) } } };
  assert.throws(() => encodeLastGood(instance, record), LastGoodError);
});

const written = encodeLastGood(instance, { good, failed });
const kept = textOf(fieldsOf(written["data"])["lastGood.json"]);
const packed = textOf(fieldsOf(written["binaryData"])["release.json.gz"]);

function withData(data: JsonObject): KubeObject {
  return { ...written, data: { ...fieldsOf(written["data"]), ...data } };
}

function withRelease(base64: string): KubeObject {
  return { ...written, binaryData: { "release.json.gz": base64 } };
}

for (const { name, configMap, says } of [
  { name: "without data", configMap: { ...written, data: {} }, says: "lastGood.json is missing" },
  { name: "cut in the text", configMap: withData({ "lastGood.json": kept.slice(0, 40) }), says: "is no JSON" },
  { name: "with a list", configMap: withData({ "lastGood.json": "[]" }), says: "is no JSON object" },
  { name: "without a spec", configMap: withData({ "lastGood.json": "{}" }), says: "lastGood.json has no spec" },
  {
    name: "without a revision",
    configMap: withData({ "lastGood.json": kept.replace('"revision"', '"other"') }),
    says: "lastGood.json has no revision",
  },
  {
    name: "with a generation in words",
    configMap: withData({ "lastGood.json": kept.replace('"generation":3', '"generation":"3"') }),
    says: "lastGood.json has no generation",
  },
  {
    name: "with a digest that is none",
    configMap: withData({ "lastGood.json": kept.replace('"generation"', '"digests":{"a:v1":1},"generation"') }),
    says: "lastGood.json has no a:v1",
  },
  {
    name: "with half a failure",
    configMap: withData({ "failedAttempt.json": "{}" }),
    says: "failedAttempt.json has no generation",
  },
  {
    name: "without a release",
    configMap: { ...written, binaryData: null },
    says: "release.json.gz is missing",
  },
  {
    name: "cut in the release",
    configMap: withRelease(packed.slice(0, packed.length / 2)),
    says: "release.json.gz cannot be unpacked",
  },
  {
    name: "with another release",
    configMap: withRelease(gzipSync("{}").toString("base64")),
    says: "release.json.gz is not the release that was kept",
  },
]) {
  test(`decodeLastGood() says what is wrong with a ConfigMap ${name}`, () => {
    const state = decodeLastGood(configMap, instance);
    assert.equal(state.kind, "damaged");
    const message = state.kind === "damaged" ? state.message : "";
    assert.match(message, /^Cannot use ConfigMap flux-system\/flux-operator-last-good, .* is not rolled back$/);
    assert.ok(message.includes(says), message);
  });
}

test("decodeLastGood() takes nothing from the ConfigMap of an instance that is gone", () => {
  const anew = { ...instance, metadata: { ...instance.metadata, uid: "two" } };
  assert.deepEqual(decodeLastGood(written, anew), { kind: "absent" });
});

const again: Release = structuredClone(good.release);
for (const { name, other, want } of [
  { name: "is true of a release that was read anew", other: { good: { ...good, release: again } }, want: true },
  { name: "is false of another release", other: { good: { ...good, release: releaseOf("2.9.1") } }, want: false },
  { name: "is true of the same at a later generation", other: { good: { ...good, generation: 4 } }, want: true },
  { name: "is false of another spec", other: { good: { ...good, spec: { ...spec, wait: false } } }, want: false },
  { name: "is false of other digests", other: { good: { ...good, digests } }, want: false },
  { name: "is false after a failure", other: { good, failed }, want: false },
] satisfies readonly { name: string; other: LastGoodRecord; want: boolean }[]) {
  test(`sameRecord() ${name}`, () => assert.equal(sameRecord({ good }, other), want));
}

test("encodeLastGood() takes less than 32 KiB for a release of the official artifact", { skip: officialAbsent }, () => {
  const release = openArtifact(readOfficialArtifact()).release("2.9.4");
  const configMap = encodeLastGood(instance, { good: { ...good, release }, failed });
  assert.ok(JSON.stringify(configMap).length < 32 * 1024);
});
