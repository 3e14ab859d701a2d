import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { KubeObject } from "../../src/kube/object.ts";
import { fieldsOf, listOf, textOf } from "../../src/kube/fields.ts";
import { managerOf } from "../../src/render/deployment.ts";
import { readRenderInput, render } from "../support/build-from-yaml.ts";

const example = readFileSync(join(import.meta.dirname, "../../examples/flux-instance-rfc.yaml"), "utf8");
const rendering = render(readRenderInput(example));
const deployments = rendering.objects.filter(({ kind }) => kind === "Deployment");

const sharded = [
  "source-controller",
  "kustomize-controller",
  "helm-controller",
  "image-reflector-controller",
  "image-automation-controller",
];
const withShards = (name: string) => [name, `${name}-shard1`, `${name}-shard2`];
const names = (objects: readonly KubeObject[]) => objects.map(({ metadata }) => metadata.name).toSorted();
const argsOf = (object: KubeObject) => listOf(managerOf(object)?.["args"]).map(textOf);
const carrying = (flag: string) => names(deployments.filter((object) => argsOf(object).includes(flag)));

test("the RFC's example renders a main Deployment and two shards of every sharded component", () => {
  assert.deepEqual(names(deployments), [...sharded.flatMap(withShards), "notification-controller"].toSorted());
});

const patched = ["kustomize-controller", "helm-controller"].flatMap(withShards).toSorted();
for (const { flag, want } of [
  { flag: "--concurrent=10", want: patched },
  { flag: "--requeue-dependency=10s", want: patched },
  { flag: "--default-service-account=default", want: patched },
  {
    flag: "--no-cross-namespace-refs=true",
    want: [...sharded.slice(1).flatMap(withShards), "notification-controller"].toSorted(),
  },
  { flag: "--watch-label-selector=!sharding.fluxcd.io/key", want: sharded.toSorted() },
  {
    flag: "--watch-label-selector=sharding.fluxcd.io/key=shard1",
    want: sharded.map((name) => `${name}-shard1`).toSorted(),
  },
]) {
  test(`the RFC's example puts ${flag} where it belongs and nowhere else`, () => {
    assert.deepEqual(carrying(flag), want);
  });
}

test("the RFC's example reports what its patch matched", () => {
  assert.deepEqual(
    rendering.patches.map(({ index, matched }) => ({ index, matched: matched.map(({ name }) => name).toSorted() })),
    [{ index: 0, matched: patched }],
  );
});

test("the RFC's example runs the distroless images of Flux 2.2.3 by their digests", () => {
  const registry = "ghcr.io/controlplaneio-fluxcd/distroless";
  assert.equal(rendering.version, "2.2.3");
  assert.equal(rendering.unpinned, undefined);
  assert.deepEqual(rendering.images, [
    {
      name: "source-controller",
      repository: `${registry}/source-controller`,
      tag: "v1.2.5",
      digest: "sha256:afd50536255535b6d35d788b1f89d75c94425d50a11e66c15682bede7daf6cb7",
    },
    {
      name: "kustomize-controller",
      repository: `${registry}/kustomize-controller`,
      tag: "v1.2.2",
      digest: "sha256:1fce72172b5ef7b31c5b26bdcc146c3b45281b93a43c5b2cbec4729e1f1622fb",
    },
    {
      name: "helm-controller",
      repository: `${registry}/helm-controller`,
      tag: "v0.37.4",
      digest: "sha256:2ed8583845d069de4eee96eb3f3346ff414fd6554d80029da4c382d144255276",
    },
    {
      name: "notification-controller",
      repository: `${registry}/notification-controller`,
      tag: "v1.2.4",
      digest: "sha256:ef79170e2fa9be550b6e39ea95121058dfea47b36274a46165f7543890620ab2",
    },
    {
      name: "image-reflector-controller",
      repository: `${registry}/image-reflector-controller`,
      tag: "v0.31.2",
      digest: "sha256:813c3ec28a8bee973964c3ebe4e9f26e3de62ab153b1d03b39270d6efc031f57",
    },
    {
      name: "image-automation-controller",
      repository: `${registry}/image-automation-controller`,
      tag: "v0.37.1",
      digest: "sha256:36164f29b1e8ede8bd9ee45ddc494e5dabda1f5ab4d48ec72928a28e25292fac",
    },
  ]);
});

test("the RFC's example claims storage for source-controller and uses the pull secret everywhere", () => {
  const claims = rendering.objects.filter(({ kind }) => kind === "PersistentVolumeClaim");
  assert.deepEqual(
    claims.map(({ metadata, spec }) => ({ name: metadata.name, spec })),
    [
      {
        name: "source-controller",
        spec: {
          accessModes: ["ReadWriteOnce"],
          resources: { requests: { storage: "10Gi" } },
          storageClassName: "standard",
        },
      },
    ],
  );
  const secrets = deployments.map(({ spec }) => fieldsOf(fieldsOf(fieldsOf(spec)["template"])["spec"]));
  assert.deepEqual(
    secrets.map((pod) => pod["imagePullSecrets"]),
    deployments.map(() => [{ name: "enterprise-flux-auth" }]),
  );
});
