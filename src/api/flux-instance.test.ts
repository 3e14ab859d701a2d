import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject, KubeObject } from "../kube/object.ts";
import { absentCases } from "../../test/support/absent-cases.ts";
import { canonicalInstance } from "./canonical.ts";
import { InvalidInstanceError, describeProblem, parseFluxInstance, parseStoredFluxInstance } from "./flux-instance.ts";

const distribution = { version: "2.x", registry: "ghcr.io/fluxcd" };
const metadata = { name: "flux", namespace: "flux-system" };
const instance = { apiVersion: "fluxcd.controlplane.io/v1", kind: "FluxInstance", metadata, spec: { distribution } };

function withSpec(spec: JsonObject): JsonObject {
  return { ...instance, spec: { distribution, ...spec } };
}

function problemsOf(parse: typeof parseFluxInstance, value: unknown): readonly string[] {
  try {
    parse(value);
    return [];
  } catch (error) {
    if (error instanceof InvalidInstanceError) return error.problems.map(describeProblem);
    throw error;
  }
}

test("parseFluxInstance() gives back what it was given, as an object of Kubernetes", () => {
  const parsed: KubeObject = parseFluxInstance(instance);
  assert.equal(parsed, instance);
});

for (const { name, value, want } of [
  { name: "text", value: "x", want: ['must be a map, not the string "x"'] },
  { name: "nothing", value: undefined, want: ["must be a map, not nothing"] },
  {
    name: "another kind",
    value: { ...instance, kind: "FluxReport" },
    want: ['kind is "FluxReport", which is none of those allowed: use FluxInstance'],
  },
  {
    name: "another version",
    value: { ...instance, apiVersion: "fluxcd.controlplane.io/v2" },
    want: [
      'apiVersion is "fluxcd.controlplane.io/v2", which is none of those allowed: use fluxcd.controlplane.io/v1, fluxcd.controlplane.io/v1alpha1',
    ],
  },
  {
    name: "no metadata",
    value: { apiVersion: instance.apiVersion, kind: instance.kind, spec: instance.spec },
    want: ["metadata is required: add it"],
  },
  {
    name: "an annotation that is no text",
    value: { ...instance, metadata: { ...metadata, annotations: { a: true } } },
    want: ["metadata.annotations.a must be text, not the boolean true: put it in quotes"],
  },
  {
    name: "a field beside spec",
    value: { ...instance, specs: {} },
    want: ["specs is no field of FluxInstance: did you mean spec?"],
  },
  {
    name: "an unknown field",
    value: withSpec({ interval: "1m" }),
    want: [
      "spec.interval is no field of FluxInstance in this version of the operator: remove it, or use a version that has it",
    ],
  },
  {
    name: "a map for a list",
    value: withSpec({ components: {} }),
    want: ["spec.components must be a list, not a map"],
  },
  {
    name: "a very long value",
    value: withSpec({ shards: ["X".repeat(41)] }),
    want: [
      "spec.shards[0] has more than the 40 characters allowed: shorten it",
      `spec.shards[0] is "${"X".repeat(41)}", which is not a DNS label: lower-case letters, digits and -, a letter or digit at both ends`,
    ],
  },
  {
    name: "several things at once, all of them",
    value: {
      ...instance,
      metadata: { name: "other" },
      spec: {
        distribution: { registry: "ghcr.io/fluxcd", vesion: "2.x", pullSecret: "a", imagePullSecret: "b" },
        components: ["foo-controller", 3],
        wait: "yes",
        cluster: { type: 1, size: 2, domain: 3, networkPolicy: 4, multitenant: 5, identities: 6, proxy: 7 },
      },
    },
    want: [
      "spec.distribution.version is required: add it",
      "spec.distribution.vesion is no field of FluxInstance: did you mean version?",
      'spec.components[0] is "foo-controller", which is none of those allowed: use source-controller, kustomize-controller, helm-controller, notification-controller, image-reflector-controller, image-automation-controller, source-watcher',
      "spec.components[1] must be text, not the number 3: put it in quotes",
      "spec.cluster.type must be text, not the number 1: put it in quotes",
      "spec.cluster.domain must be text, not the number 3: put it in quotes",
      "spec.cluster.size must be text, not the number 2: put it in quotes",
      "spec.cluster.networkPolicy must be true or false, not the number 4",
      "spec.cluster.multitenant must be true or false, not the number 5",
      "spec.cluster.identities must be a list, not the number 6",
      "spec.cluster.proxy must be a map, not the number 7",
      'spec.wait must be true or false, not the string "yes"',
      "metadata.name must be flux: a cluster has one FluxInstance, rename this one",
      "spec.distribution.imagePullSecret: distribution.pullSecret and distribution.imagePullSecret are two names of one field and have different values: keep one of them",
    ],
  },
]) {
  test(`parseFluxInstance() refuses ${name}`, () => assert.deepEqual(problemsOf(parseFluxInstance, value), want));
}

test("parseFluxInstance() throws one error that names the instance and every problem", () => {
  assert.throws(() => parseFluxInstance(withSpec({ wait: 1, sharding: {} })), {
    name: "InvalidInstanceError",
    reason: "BuildFailed",
    retry: "on-change",
    message:
      "Cannot use FluxInstance flux-system/flux: spec.wait must be true or false, not the number 1; spec.sharding: sharding names no shards: list them in sharding.shards, or remove sharding",
  });
});

const outOfBounds = withSpec({ shards: ["a".repeat(41), "a".repeat(41)], cluster: { domain: "Corp.Internal." } });

test("parseStoredFluxInstance() takes what was stored before a bound was tightened", () => {
  assert.equal(problemsOf(parseFluxInstance, outOfBounds).length, 4);
  assert.equal(parseStoredFluxInstance(outOfBounds), outOfBounds);
});

for (const { name, value, want } of [
  {
    name: "another type",
    value: withSpec({ wait: "yes" }),
    want: ['spec.wait must be true or false, not the string "yes"'],
  },
  {
    name: "a broken rule",
    value: withSpec({ sharding: {} }),
    want: ["spec.sharding: sharding names no shards: list them in sharding.shards, or remove sharding"],
  },
  {
    name: "a rule that cannot be evaluated",
    value: withSpec({ upgrade: { windows: [{ schedule: "0 2 * * *", duration: "a fortnight" }] } }),
    want: [
      "spec.upgrade.windows[0].duration: duration of an item of upgrade.windows must be more than 0: write for example 2h",
    ],
  },
]) {
  test(`parseStoredFluxInstance() refuses ${name}`, () =>
    assert.deepEqual(problemsOf(parseStoredFluxInstance, value), want));
}

function meaningOf(parse: typeof parseFluxInstance, value: JsonObject): unknown {
  const problems = problemsOf(parse, value);
  return problems.length > 0 ? problems : canonicalInstance(parse(value));
}

for (const { name, written, without } of absentCases) {
  test(`parseFluxInstance() takes ${name} as absent`, () =>
    assert.deepEqual(meaningOf(parseFluxInstance, written), meaningOf(parseFluxInstance, without)));
}

test("parseFluxInstance() refuses a null in a list, as the API server does", () =>
  assert.deepEqual(problemsOf(parseFluxInstance, withSpec({ components: [null] })), [
    "spec.components[0] must be text, not null",
  ]));
