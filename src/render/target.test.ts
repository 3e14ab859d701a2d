import assert from "node:assert/strict";
import { test } from "node:test";
import { releaseOf } from "../../test/support/small-release.ts";
import { canonicalInstance } from "../api/canonical.ts";
import { parseFluxInstance } from "../api/flux-instance.ts";
import type { JsonObject } from "../kube/object.ts";
import { ReasonedError } from "../std/errors.ts";
import { targetOf, type Catalogue } from "./target.ts";

const catalogue: Catalogue = { versions: ["2.8.8", "2.9.3", "2.9.4"], load: (version) => releaseOf(version) };
const distribution = { version: "2.8.x", registry: "ghcr.io/fluxcd" };

function instanceOf(spec: JsonObject): JsonObject {
  return {
    apiVersion: "fluxcd.controlplane.io/v1",
    kind: "FluxInstance",
    metadata: { name: "flux", namespace: "gitops" },
    spec: { components: ["source-controller"], ...spec },
  };
}

test("targetOf() renders the newest release of the range into the instance's namespace", () => {
  const { spec, rendering, latestVersion } = targetOf(
    canonicalInstance(parseFluxInstance(instanceOf({ distribution }))),
    catalogue,
  );
  const account = rendering.objects.find(({ kind }) => kind === "ServiceAccount");
  assert.deepEqual(
    {
      range: spec.distribution.version,
      version: rendering.version,
      latestVersion,
      account: account?.metadata.namespace,
    },
    { range: "2.8.x", version: "2.8.8", latestVersion: "2.9.4", account: "gitops" },
  );
});

test("targetOf() says which artifact the release comes from", () => {
  const artifactRevision = `sha256:${"a".repeat(64)}`;
  const instance = canonicalInstance(parseFluxInstance(instanceOf({ distribution })));
  assert.equal(targetOf(instance, { ...catalogue, artifactRevision }).artifactRevision, artifactRevision);
  assert.ok(!("artifactRevision" in targetOf(instance, catalogue)));
});

for (const { name, spec, want } of [
  {
    name: "a field that the schema does not know",
    spec: { distribution, component: [] },
    want: "Cannot use FluxInstance gitops/flux: spec.component is no field of FluxInstance: did you mean components?",
  },
  {
    name: "an upgrade window that never opens",
    spec: { distribution, upgrade: { windows: [{ schedule: "0 0 31 2 *", duration: "2h" }] } },
    want: 'Cannot build the instance: spec.upgrade.windows[0].schedule "0 0 31 2 *" never comes: there is no such day',
  },
  {
    name: "a range that takes no release",
    spec: { distribution: { ...distribution, version: "2.7.x" } },
    want: 'Cannot find a release for version range "2.7.x": there are releases 2.8.8 to 2.9.4, and none that it takes; change spec.distribution.version',
  },
  {
    name: "images without a digest where digests are required",
    spec: { distribution: { ...distribution, registry: "mirror.example", requireDigests: true } },
    want: /^Cannot build the instance: spec.distribution.requireDigests true .*source-controller/,
  },
]) {
  test(`targetOf() refuses ${name}`, () => {
    assert.throws(
      () => targetOf(canonicalInstance(parseFluxInstance(instanceOf(spec))), catalogue),
      (error) => {
        assert.ok(error instanceof ReasonedError);
        assert.equal(error.reason, "BuildFailed");
        if (typeof want === "string") assert.equal(error.message, want);
        else assert.match(error.message, want);
        return true;
      },
    );
  });
}

for (const { name, range, want } of [
  {
    name: "a range that is none",
    range: "two",
    want: {
      reason: "BuildFailed",
      retry: "on-change",
      message: /^Cannot read version range "two": .*; change spec.distribution.version$/,
    },
  },
  {
    name: "a release that the artifact does not have yet, and looks again",
    range: "2.9.5",
    want: {
      reason: "ArtifactFailed",
      retry: "backoff",
      message:
        'Cannot find a release for version range "2.9.5": the artifact does not have Flux 2.9.5 yet, its newest is 2.9.4; ' +
        "use a newer artifact or the embedded releases",
    },
  },
  {
    name: "a release that nobody knows yet",
    range: "2.10.x",
    want: {
      reason: "NeedsNewerOperator",
      retry: "on-change",
      message:
        'Cannot find a release for version range "2.10.x": there are releases 2.8.8 to 2.9.4, and none that it takes; a later ' +
        "one needs a newer operator or a newer artifact",
    },
  },
]) {
  test(`targetOf() refuses ${name}`, () => {
    const instance = canonicalInstance(
      parseFluxInstance(instanceOf({ distribution: { ...distribution, version: range } })),
    );
    assert.throws(() => targetOf(instance, { ...catalogue, known: ["2.9.4", "2.9.5"] }), want);
  });
}
