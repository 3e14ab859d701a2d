import assert from "node:assert/strict";
import { test } from "node:test";
import { isJsonObject } from "../std/json.ts";
import { fluxInstanceCrd } from "./crd.ts";
import { rules } from "./rules.ts";

type Node = { readonly path: string; readonly schema: { readonly [keyword: string]: unknown } };

/** Keywords that a structural schema may have and that we use. */
const structural = new Set(
  (
    "type description properties required items additionalProperties enum default format pattern minLength maxLength " +
    "minItems maxItems maxProperties minimum x-kubernetes-validations x-kubernetes-list-type x-kubernetes-list-map-keys x-kubernetes-preserve-unknown-fields"
  ).split(" "),
);

function nodesOf(path: string, schema: unknown): readonly Node[] {
  if (!isJsonObject(schema)) return [];
  const { properties, items, additionalProperties } = schema;
  const below = isJsonObject(properties) ? Object.entries(properties) : [];
  return [
    { path, schema },
    ...below.flatMap(([name, node]) => nodesOf(`${path}.${name}`, node)),
    ...nodesOf(`${path}[]`, items),
    ...nodesOf(`${path}{}`, additionalProperties),
  ];
}

function versionsOf(): readonly { readonly [field: string]: unknown }[] {
  const spec = fluxInstanceCrd()["spec"];
  return isJsonObject(spec) && Array.isArray(spec["versions"]) ? spec["versions"] : [];
}

function rootOf(version: { readonly [field: string]: unknown } | undefined): unknown {
  return isJsonObject(version?.["schema"]) ? version["schema"]["openAPIV3Schema"] : undefined;
}

const nodes = nodesOf("", rootOf(versionsOf()[0]));

test("fluxInstanceCrd() names the kind as users know it", () => {
  const { versions: _, ...spec } = Object(fluxInstanceCrd()["spec"]);
  assert.deepEqual(spec, {
    group: "fluxcd.controlplane.io",
    names: {
      kind: "FluxInstance",
      listKind: "FluxInstanceList",
      plural: "fluxinstances",
      singular: "fluxinstance",
      categories: ["fluxcd", "fluxcd-appliers"],
    },
    scope: "Namespaced",
    conversion: { strategy: "None" },
  });
});

test("fluxInstanceCrd() serves v1, which is stored, and v1alpha1, with one schema", () => {
  const versions = versionsOf();
  assert.deepEqual(
    versions.map(({ name, served, storage }) => ({ name, served, storage })),
    [
      { name: "v1", served: true, storage: true },
      { name: "v1alpha1", served: true, storage: false },
    ],
  );
  assert.deepEqual(rootOf(versions[0]), rootOf(versions[1]));
});

test("fluxInstanceCrd() has only keywords of structural schemas", () => {
  const strange = nodes.flatMap(({ path, schema }) =>
    Object.keys(schema)
      .filter((keyword) => !structural.has(keyword))
      .map((keyword) => `${path}: ${keyword}`),
  );
  assert.deepEqual(strange, []);
});

test("fluxInstanceCrd() stores the defaults of the Go operator and no default of a field with two names", () => {
  const defaults = nodes
    .filter(({ schema }) => "default" in schema)
    .map(({ path, schema }) => [path, schema["default"]]);
  assert.deepEqual(Object.fromEntries(defaults), {
    ".spec.cluster.type": "kubernetes",
    ".spec.cluster.domain": "cluster.local",
    ".spec.cluster.networkPolicy": true,
    ".spec.sync.interval": "1m",
    ".spec.wait": true,
    ".status": { observedGeneration: -1 },
    ".spec.migrateResources": true,
  });
});

test("fluxInstanceCrd() carries every rule once", () => {
  const placed = nodes.flatMap(({ schema }) => {
    const validations = schema["x-kubernetes-validations"];
    return Array.isArray(validations)
      ? validations.map((validation: unknown) => Reflect.get(Object(validation), "rule"))
      : [];
  });
  assert.equal(placed.length, rules.length);
  assert.deepEqual(new Set(placed), new Set(rules.map(({ rule }) => rule)));
});

test("fluxInstanceCrd() describes and bounds every field of the spec", () => {
  const spec = nodes.filter(({ path }) => path.startsWith(".spec"));
  const bare = spec.filter(({ path, schema }) => !("description" in schema) && !path.endsWith("{}"));
  const open = spec.filter(
    ({ schema }) =>
      (schema["type"] === "string" && !("enum" in schema) && !("maxLength" in schema)) ||
      (schema["type"] === "array" && !("maxItems" in schema)),
  );
  assert.deepEqual(
    [...bare, ...open].map(({ path }) => path),
    [],
  );
});
