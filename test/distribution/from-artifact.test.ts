import assert from "node:assert/strict";
import { test } from "node:test";
import { canonicalSpec } from "../../src/api/canonical.ts";
import { parseFluxInstance } from "../../src/api/flux-instance.ts";
import type { CanonicalSpec } from "../../src/api/spec.ts";
import { type Artifact, openArtifact } from "../../src/distribution/from-artifact.ts";
import { embeddedVersions, loadRelease } from "../../src/distribution/load.ts";
import type { Release } from "../../src/distribution/release.ts";
import type { JsonValue } from "../../src/kube/object.ts";
import { RenderError } from "../../src/render/errors.ts";
import { renderInstance } from "../../src/render/render-instance.ts";
import { parseKubeYaml } from "../../src/std/yaml.ts";
import { firstDifference, goldenAbsent, readGoldenCases } from "../support/golden-cases.ts";
import { officialAbsent, readOfficialArtifact } from "../support/official-artifact.ts";

const skip = officialAbsent ?? false;
const artifact: Artifact =
  skip === false ? openArtifact(readOfficialArtifact()) : { versions: [], release: loadRelease };
const { versions } = artifact;
const instance = { name: "flux", namespace: "flux-system" };

test("openArtifact() finds the 15 releases with manifests, all of them embedded too", { skip }, () => {
  assert.equal(versions.length, 15);
  assert.deepEqual(
    versions,
    embeddedVersions.filter((version) => versions.includes(version)),
  );
});

/** Reference instances that reach every stage; which release they were written for does not count here. */
const caseNames = [
  "min",
  "p-rfc",
  "watcher",
  "shards-pvc",
  "multitenant",
  "openshift",
  "mtwi",
  "size",
  "sync-bucket",
  "fips",
];
const goldenCases = readGoldenCases();
const specs = caseNames.flatMap((name) => {
  const golden = goldenCases.find((entry) => entry.name.startsWith(name) && entry.want !== undefined);
  return golden === undefined ? [] : [{ name: golden.name, spec: specIn(golden.instanceYaml) }];
});

test("a reference instance is there for every stage", { skip: skip || (goldenAbsent ?? false) }, () => {
  assert.equal(specs.length, caseNames.length);
});

for (const version of versions) {
  test(`openArtifact().release(${version}) equals the embedded release`, () => {
    assert.equal(firstDifference(plain(artifact.release(version)), plain(loadRelease(version))), undefined);
  });

  for (const { name, spec } of specs) {
    test(`openArtifact().release(${version}) renders as the embedded one: ${name}`, () => {
      const want = outcome(spec, loadRelease(version));
      assert.equal(firstDifference(outcome(spec, artifact.release(version)), want), undefined);
    });
  }
}

function specIn(instanceYaml: string): CanonicalSpec {
  return canonicalSpec(parseFluxInstance(parseKubeYaml(instanceYaml)).spec, instance.namespace);
}

/** The rendering, or why a release is too old for the spec. */
function outcome(spec: CanonicalSpec, release: Release): JsonValue {
  try {
    const { objects, revision, images } = renderInstance(spec, release, instance);
    return { revision, images, objects: [...objects] };
  } catch (error) {
    if (error instanceof RenderError) return { refused: error.message };
    throw error;
  }
}

function plain({ version, components, rbac, policies, images }: Release): JsonValue {
  return { version, components: { ...components }, rbac, policies, images: { ...images } };
}
