import assert from "node:assert/strict";
import { test } from "node:test";

import type { CrdGenerator } from "../../scripts/distribution-crds.ts";
import { findStandIn } from "../../scripts/distribution-stand-ins.ts";

const query = { component: "helm-controller", release: "2.7.4", tag: "v1.4.4" } as const;

/** Module versions that can be had, each with the scope that tells its CRD from others. */
function generatorOf(versions: { readonly [tag: string]: string }): CrdGenerator {
  return {
    generate: (_component, _release, tag) => {
      const scope = versions[tag];
      if (scope === undefined) return Promise.resolve({ kind: "refused", message: "404 Not Found" });
      return Promise.resolve({
        kind: "crds",
        crds: [{ name: "helmreleases.helm.toolkit.fluxcd.io", spec: { scope } }],
      });
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

for (const { name, versions, want } of [
  { name: "is not needed where the version itself can be had", versions: { "v1.4.4": "A" }, want: undefined },
  {
    name: "is the older neighbour where the newer one is the same",
    versions: { "v1.4.3": "A", "v1.4.5": "A" },
    want: "v1.4.3",
  },
  {
    name: "is looked for beyond refused neighbours",
    versions: { "v1.4.1": "A", "v1.4.6": "A" },
    want: "v1.4.1",
  },
]) {
  test(`findStandIn() ${name}`, async () => assert.equal(await findStandIn(generatorOf(versions), query), want));
}

for (const { name, versions, message } of [
  {
    name: "neighbours that differ",
    versions: { "v1.4.3": "A", "v1.4.5": "B" },
    message: /v1\.4\.3 and v1\.4\.5 differ/,
  },
  { name: "one neighbour only", versions: { "v1.4.5": "B" }, message: /only v1\.4\.5 is near/ },
  { name: "neighbours of another minor", versions: { "v1.3.9": "A", "v1.5.0": "A" }, message: /only none is near/ },
]) {
  test(`findStandIn() asks for --api with ${name}`, () =>
    assert.rejects(findStandIn(generatorOf(versions), query), { message }));
}
