import assert from "node:assert/strict";
import { test } from "node:test";
import { formatApiVersion, groupKindKey, gvkOf, parseApiVersion } from "./gvk.ts";

for (const { apiVersion, group, version, key } of [
  { apiVersion: "v1", group: "", version: "v1", key: "Thing" },
  { apiVersion: "apps/v1", group: "apps", version: "v1", key: "Thing.apps" },
  {
    apiVersion: "source.toolkit.fluxcd.io/v1beta2",
    group: "source.toolkit.fluxcd.io",
    version: "v1beta2",
    key: "Thing.source.toolkit.fluxcd.io",
  },
]) {
  test(`parseApiVersion() splits ${apiVersion}`, () =>
    assert.deepEqual(parseApiVersion(apiVersion), { group, version }));
  test(`formatApiVersion() puts ${apiVersion} together again`, () =>
    assert.equal(formatApiVersion({ group, version }), apiVersion));
  test(`gvkOf() reads a Thing of ${apiVersion}`, () =>
    assert.deepEqual(gvkOf({ apiVersion, kind: "Thing" }), { group, version, kind: "Thing" }));
  test(`groupKindKey() names a Thing of ${apiVersion} without its version`, () =>
    assert.equal(groupKindKey({ group, kind: "Thing" }), key));
}
