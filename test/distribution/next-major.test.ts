import assert from "node:assert/strict";
import { test } from "node:test";
import { major } from "semver";
import { canonicalInstance } from "../../src/api/canonical.ts";
import { parseFluxInstance } from "../../src/api/flux-instance.ts";
import { type FindOptions, findRelease } from "../../src/distribution/catalog.ts";
import { artifactCatalogue, openArtifact } from "../../src/distribution/from-artifact.ts";
import { embeddedVersions } from "../../src/distribution/load.ts";
import { nameObject } from "../../src/kube/object-id.ts";
import { renderInstance } from "../../src/render/render-instance.ts";
import { targetOf } from "../../src/render/target.ts";
import { artifactFiles } from "../support/artifact-of.ts";
import { base, build, newest, spec } from "../support/next-minor.ts";

const beside = openArtifact(artifactFiles(newest, base, { ...base, version: "3.0.0" }));
const older = (version: string) => major(version) < 3;

for (const { range, options = {}, want } of [
  { range: "2.x", want: "2.10.0" },
  { range: "2.9.x", want: "2.9.4" },
  { range: "*", want: "2.10.0" },
  { range: ">=2", want: "2.10.0" },
  { range: ">=2.9 <4", want: "2.10.0" },
  { range: "3.x", want: "3.0.0" },
  { range: "2.x || 3.x", want: "3.0.0" },
  { range: "2.x || 3.x", options: { supports: older }, want: "2.10.0" },
  { range: "3.x", options: { supports: older }, want: "needs-newer-operator" },
  { range: "2.8.x", options: { known: embeddedVersions }, want: "not-in-artifact" },
  { range: "2.11.x", options: { known: embeddedVersions }, want: "no-such-version" },
  { range: "2.1.x", options: { known: embeddedVersions }, want: "no-such-version" },
  { range: "4.x", options: { known: embeddedVersions }, want: "needs-newer-operator" },
] satisfies readonly { range: string; options?: FindOptions; want: string }[]) {
  test(`findRelease() takes of 2.9.4, 2.10.0 and 3.0.0 in an artifact for ${range}: ${want}`, () => {
    const found = findRelease(range, beside.versions, options);
    assert.equal(found.kind === "found" ? found.version : found.kind === "none" && found.why, want);
  });
}

test("artifactCatalogue() is what targets are chosen from", () => {
  const distribution = { version: "2.x", registry: "ghcr.io/fluxcd" };
  const metadata = { name: "flux", namespace: "flux-system" };
  const apiVersion = "fluxcd.controlplane.io/v1";
  const written = { apiVersion, kind: "FluxInstance", metadata, spec: { distribution, components: spec.components } };
  const { rendering, latestVersion } = targetOf(
    canonicalInstance(parseFluxInstance(written)),
    artifactCatalogue(beside, embeddedVersions),
  );
  assert.deepEqual([rendering.version, latestVersion], ["2.10.0", "2.10.0"]);
});

test("a next major is built like a next minor where the range names it", () => {
  const { objects } = renderInstance(spec, beside.release("3.0.0"), { name: "flux", namespace: "flux-system" });
  assert.deepEqual(objects.map(nameObject).toSorted(), Object.keys(build(base)).toSorted());
});
