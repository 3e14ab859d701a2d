import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { compare } from "semver";
import { parseAllDocuments } from "yaml";

import { embeddedVersions, loadRelease } from "../../src/distribution/load.ts";
import { componentNames, imageVariants } from "../../src/distribution/release.ts";
import { nameObject } from "../../src/kube/object-id.ts";
import type { JsonValue, KubeObject } from "../../src/kube/object.ts";
import { isJsonObject } from "../../src/std/json.ts";

const shared = join(import.meta.dirname, "../../../shared/distribution");
const skip = existsSync(shared) ? false : `no official manifests at ${shared}`;
const official = skip === false ? readdirSync(join(shared, "flux")).map(withoutV).toSorted(compare) : [];

test("official manifests are there for 15 releases", { skip }, () => assert.equal(official.length, 15));

for (const version of official) {
  const folder = join(shared, "flux", `v${version}`);

  test(`loadRelease(${version}) has the official files`, () => {
    const release = loadRelease(version);
    const files = [...Object.keys(release.components), "rbac", "policies"].map((name) => `${name}.yaml`);
    assert.deepEqual(files.toSorted(), readdirSync(folder).toSorted());
  });

  for (const file of readdirSync(folder).toSorted()) {
    const theirs = parseAllDocuments(readFileSync(join(folder, file), "utf8")).map((document) =>
      normalise(asObject(document.toJS())),
    );

    test(`loadRelease(${version}) ${file}: equal objects in equal order`, () => {
      const ours = objectsOf(version, file).map(normalise);
      assert.deepEqual(ours.map(nameObject), theirs.map(nameObject));
    });

    for (const [index, object] of theirs.entries()) {
      test(`loadRelease(${version}) ${file} ${nameObject(object)} equals the official object`, () => {
        assert.deepEqual(normalise(asObject(objectsOf(version, file)[index])), object);
      });
    }
  }
}

test("releases x objects compared with the official ones", { skip }, (context) => {
  let total = 0;
  for (const version of official) {
    const { components, rbac, policies } = loadRelease(version);
    const count = Object.values(components).flat().length + rbac.length + policies.length;
    total += count;
    context.diagnostic(`${version}: ${count} objects`);
  }
  context.diagnostic(`${official.length} releases, ${total} objects`);
  assert.ok(total > 0);
});

for (const version of embeddedVersions) {
  test(`loadRelease(${version}).images equals the official image tables`, { skip }, () => {
    const folder = join(shared, "flux-images", `v${version}`);
    const tables = imageVariants.filter((variant) => existsSync(join(folder, `${variant}.yaml`)));
    const theirs = tables.map((variant) => [variant, officialImages(join(folder, `${variant}.yaml`))]);
    assert.deepEqual(loadRelease(version).images, Object.fromEntries(theirs));
  });
}

/** Component -> tag and digest of an official image table. */
function officialImages(path: string): { readonly [component: string]: JsonValue } {
  const table = asMap(parseAllDocuments(readFileSync(path, "utf8"))[0]?.toJS());
  assert.ok(Array.isArray(table["images"]));
  return Object.fromEntries(
    table["images"].map((entry: unknown) => {
      const { name, newTag, digest } = asMap(entry);
      assert.ok(typeof name === "string" && newTag !== undefined && digest !== undefined);
      return [name.slice(name.lastIndexOf("/") + 1), { tag: newTag, digest }];
    }),
  );
}

function objectsOf(version: string, file: string): readonly KubeObject[] {
  const release = loadRelease(version);
  const component = componentNames.find((name) => `${name}.yaml` === file);
  if (component !== undefined) return release.components[component] ?? [];
  return file === "rbac.yaml" ? release.rbac : release.policies;
}

function normalise(object: KubeObject): KubeObject {
  const { status: _, ...rest } = object;
  const { creationTimestamp: __, annotations, ...metadata } = object.metadata;
  const kept = Object.entries(annotations ?? {}).filter(([key]) => key !== "controller-gen.kubebuilder.io/version");
  const named = { ...metadata, ...(kept.length === 0 ? {} : { annotations: Object.fromEntries(kept) }) };
  const stripped = object.kind === "CustomResourceDefinition" ? withoutDescriptions({ ...rest }) : rest;
  return asObject({ ...asMap(stripped), metadata: named });
}

function withoutDescriptions(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(withoutDescriptions);
  if (!isJsonObject(value)) return value;
  const kept = Object.entries(value).filter(([key, member]) => key !== "description" || typeof member !== "string");
  return Object.fromEntries(kept.map(([key, member]) => [key, withoutDescriptions(member)]));
}

function asMap(value: unknown): { readonly [key: string]: JsonValue } {
  assert.ok(isJsonObject(value), "not an object");
  return value;
}

function asObject(value: unknown): KubeObject {
  const { apiVersion, kind, metadata, ...rest } = asMap(value);
  assert.ok(typeof apiVersion === "string" && typeof kind === "string" && isJsonObject(metadata));
  const { name } = metadata;
  assert.ok(typeof name === "string");
  return { ...rest, apiVersion, kind, metadata: { ...metadata, name } };
}

function withoutV(folder: string): string {
  return folder.slice(1);
}
