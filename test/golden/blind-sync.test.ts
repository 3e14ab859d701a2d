import assert from "node:assert/strict";
import { test } from "node:test";
import { schemaProblems } from "../../src/apply/plan/validate-blind.ts";
import { embeddedVersions, loadRelease } from "../../src/distribution/load.ts";
import { isDefinition } from "../../src/kube/definition.ts";
import { fieldsOf } from "../../src/kube/fields.ts";
import { isBuiltInGroup, nameObject } from "../../src/kube/object-id.ts";
import type { KubeObject } from "../../src/kube/object.ts";
import { renderInstance } from "../../src/render/render-instance.ts";
import { specOf } from "../support/small-release.ts";

const sources = [
  { kind: "GitRepository", url: "https://git.example.com/fleet", ref: "refs/heads/main" },
  { kind: "OCIRepository", url: "oci://registry.example.com/fleet", ref: "latest" },
  { kind: "Bucket", url: "minio.example.com", ref: "fleet" },
  {
    kind: "GitRepository",
    url: "https://git.example.com/fleet",
    ref: { branch: "main", commit: "0123" },
    verify: { mode: "TagAndHEAD", secretRef: { name: "keys" } },
  },
  {
    kind: "OCIRepository",
    url: "oci://registry.example.com/fleet",
    ref: { semver: "1.x" },
    verify: { matchOIDCIdentity: [{ issuer: "^https://i$", subject: ".*" }] },
  },
] as const;

/** "Kind/name: problem" of the custom resources that an installation brings together with their definitions. */
function problems(version: string, source: (typeof sources)[number], patch?: string): readonly string[] {
  const sync = { ...source, path: "clusters/a", interval: "1m", pullSecret: "login" };
  const patches = patch === undefined ? [] : [{ patch, target: { kind: source.kind } }];
  const components = ["source-controller", "kustomize-controller"] as const;
  const spec = specOf({ sync, components: [...components], kustomize: { patches, strict: true } });
  const { objects } = renderInstance(spec, loadRelease(version), { name: "flux", namespace: "flux-system" });
  const definitionOf = ({ kind }: KubeObject): KubeObject | undefined =>
    objects.find((one) => isDefinition(one) && fieldsOf(fieldsOf(one["spec"])["names"])["kind"] === kind);
  return objects
    .filter(({ apiVersion }) => !isBuiltInGroup(apiVersion))
    .flatMap((object) => {
      const definition = definitionOf(object);
      const found = definition === undefined ? ["has no definition"] : schemaProblems(object, definition);
      return found.map((problem) => `${nameObject(object)}: ${problem}`);
    });
}

for (const version of embeddedVersions) {
  test(`the sync objects of Flux ${version} fit the definitions that come with them`, () =>
    assert.deepEqual(
      sources.flatMap((source) => problems(version, source)),
      [],
    ));
}

test("a patch that the definition refuses is found before anything is written", () =>
  assert.deepEqual(
    problems(
      "2.9.4",
      sources[0],
      '[{"op":"replace","path":"/spec/interval","value":"soon"},{"op":"add","path":"/spec/branch","value":"main"}]',
    ),
    [
      "GitRepository/flux-system/flux-system: spec.branch is no field of this version",
      'GitRepository/flux-system/flux-system: spec.interval must match pattern "^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"',
    ],
  ));

test("a patch that breaks a rule of the definition is found before anything is written", () =>
  assert.deepEqual(problems("2.9.4", sources[0], '[{"op":"add","path":"/spec/serviceAccountName","value":"a"}]'), [
    "GitRepository/flux-system/flux-system: spec is refused: serviceAccountName can only be set when provider is 'azure' or 'aws'",
  ]));
