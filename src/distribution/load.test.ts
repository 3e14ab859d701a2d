import { readFileSync } from "node:fs";
import assert from "node:assert/strict";
import { test } from "node:test";

import { compare } from "semver";

import { minimumKubernetesFor, testedKubernetes } from "./kubernetes-versions.ts";
import { UnknownReleaseError, embeddedVersions, loadRelease } from "./load.ts";
import { componentNames } from "./release.ts";

test("embeddedVersions are the official releases from 2.2.3 on, oldest first", () => {
  assert.deepEqual(embeddedVersions, embeddedVersions.toSorted(compare));
  assert.equal(embeddedVersions.filter((version) => compare(version, "2.9.4") <= 0).length, 29);
  assert.equal(embeddedVersions[0], "2.2.3");
  assert.ok(embeddedVersions.includes("2.9.4"));
  // Its images were published, its manifests never.
  assert.equal(embeddedVersions.includes("2.8.4"), false);
});

for (const version of embeddedVersions) {
  const hasWatcher = compare(version, "2.7.0") >= 0;
  const names = componentNames.filter((name) => hasWatcher || name !== "source-watcher");

  test(`loadRelease(${version}) has every component with its CRDs, account and Deployment`, () => {
    const release = loadRelease(version);
    assert.equal(release.version, version);
    assert.deepEqual(Object.keys(release.components), names);
    for (const name of names) {
      const kinds = new Set(release.components[name]?.map(({ kind }) => kind));
      kinds.delete("Service");
      assert.deepEqual([...kinds], ["CustomResourceDefinition", "ServiceAccount", "Deployment"], name);
    }
  });

  test(`loadRelease(${version}) has upstream and enterprise images of every component`, () => {
    const { images } = loadRelease(version);
    for (const variant of ["upstream-alpine", "enterprise-alpine", "enterprise-distroless"] as const) {
      assert.deepEqual(Object.keys(images[variant] ?? {}), names, variant);
    }
  });

  test(`minimumKubernetesFor(${version}) is known`, () =>
    assert.match(minimumKubernetesFor(version) ?? "", /^1\.\d\d$/));
}

test("loadRelease() answers the same value again", () => assert.equal(loadRelease("2.9.4"), loadRelease("2.9.4")));

test("loadRelease() refuses a release that is not embedded", () =>
  assert.throws(() => loadRelease("2.8.4"), UnknownReleaseError));

test("minimumKubernetesFor() does not guess about minors to come", () =>
  assert.equal(minimumKubernetesFor("2.10.0"), undefined));

test("testedKubernetes is the minor under the tests", () => {
  const goMod = readFileSync(new URL("../../tools/kubernetes/go.mod", import.meta.url), "utf8");
  assert.equal(testedKubernetes, /k8s\.io\/kubernetes v(\d+\.\d+)\./.exec(goMod)?.[1]);
});
