import assert from "node:assert/strict";
import { test } from "node:test";
import { releaseOf, specOf } from "../../test/support/small-release.ts";
import type { CanonicalSpec } from "../api/spec.ts";
import type { Release } from "../distribution/release.ts";
import { renderInstance } from "./render-instance.ts";

const flux = { name: "flux", namespace: "gitops" };
const digest = `sha256:${"0".repeat(64)}`;
const pinned: Release = {
  ...releaseOf("2.9.4"),
  images: { "upstream-alpine": { "source-controller": { tag: "v1.9.4", digest } } },
};

function metadataOf(spec: CanonicalSpec, kind: string) {
  return renderInstance(spec, pinned, flux).objects.find((object) => object.kind === kind)?.metadata;
}
const managed = {
  "app.kubernetes.io/managed-by": "flux-operator",
  "app.kubernetes.io/instance": "gitops",
  "app.kubernetes.io/version": "v2.9.4",
  "app.kubernetes.io/part-of": "flux",
  "fluxcd.controlplane.io/name": "flux",
  "fluxcd.controlplane.io/namespace": "gitops",
};
const unmanagedByFlux = {
  "kustomize.toolkit.fluxcd.io/ssa": "Ignore",
  "kustomize.toolkit.fluxcd.io/prune": "Disabled",
};

for (const { name, kind, commonMetadata, want } of [
  {
    name: "puts namespaced objects into the instance's namespace, with the operator's labels",
    kind: "ServiceAccount",
    commonMetadata: { labels: {}, annotations: {} },
    want: { name: "source-controller", namespace: "gitops", labels: managed, annotations: unmanagedByFlux },
  },
  {
    name: "keeps the Namespace from being pruned",
    kind: "Namespace",
    commonMetadata: { labels: {}, annotations: {} },
    want: {
      name: "gitops",
      labels: {
        "pod-security.kubernetes.io/warn": "restricted",
        "pod-security.kubernetes.io/warn-version": "latest",
        ...managed,
      },
      annotations: { "fluxcd.controlplane.io/prune": "disabled", ...unmanagedByFlux },
    },
  },
  {
    name: "lets common metadata win, but for the labels that name the owner",
    kind: "ServiceAccount",
    commonMetadata: {
      labels: { team: "a", "app.kubernetes.io/part-of": "platform", "fluxcd.controlplane.io/name": "other" },
      annotations: { note: "n" },
    },
    want: {
      name: "source-controller",
      namespace: "gitops",
      labels: { ...managed, team: "a", "app.kubernetes.io/part-of": "platform" },
      annotations: { ...unmanagedByFlux, note: "n" },
    },
  },
]) {
  test(`renderInstance() ${name}`, () => assert.deepEqual(metadataOf(specOf({ commonMetadata }), kind), want));
}

const revision = (spec: CanonicalSpec) => renderInstance(spec, pinned, flux).revision;

test("renderInstance() names a revision that common metadata does not change and the spec does", () => {
  const plain = revision(specOf());
  assert.match(plain, /^v2\.9\.4@sha256:[0-9a-f]{64}$/);
  assert.equal(revision(specOf({ commonMetadata: { labels: { team: "a" }, annotations: {} } })), plain);
  assert.notEqual(revision(specOf({ cluster: { domain: "corp.internal" } })), plain);
});

for (const { name, distribution, want } of [
  {
    name: "pins images by the registry's variant",
    distribution: { registry: "ghcr.io/fluxcd" },
    want: [{ name: "source-controller", repository: "ghcr.io/fluxcd/source-controller", tag: "v1.9.4", digest }],
  },
  {
    name: "pins the images of a mirror by the variant that it names",
    distribution: { registry: "mirror.example", variant: "upstream-alpine" as const },
    want: [{ name: "source-controller", repository: "mirror.example/source-controller", tag: "v1.9.4", digest }],
  },
  {
    name: "takes the manifests' tag where no variant is known",
    distribution: { registry: "mirror.example" },
    want: [{ name: "source-controller", repository: "mirror.example/source-controller", tag: "v1.0.0" }],
  },
]) {
  test(`renderInstance() ${name}`, () => {
    assert.deepEqual(renderInstance(specOf({ distribution }), pinned, flux).images, want);
  });
}

const patches = [
  { patch: '[{"op": "add", "path": "/spec/replicas", "value": 2}]', target: { kind: "StatefulSet" } },
  {
    patch: '[{"op": "add", "path": "/spec/replicas", "value": 2}]',
    target: { name: "source-controller", kind: "Deployment" },
  },
];

test("renderInstance() reports what every patch matched", () => {
  const { patches: reports } = renderInstance(specOf({ kustomize: { patches, strict: false } }), pinned, flux);
  const matched = { group: "apps", kind: "Deployment", namespace: "gitops", name: "source-controller" };
  assert.deepEqual(reports, [
    { index: 0, matched: [] },
    { index: 1, matched: [matched] },
  ]);
});

test("renderInstance() refuses a patch that matches nothing where kustomize is strict", () => {
  assert.throws(() => renderInstance(specOf({ kustomize: { patches, strict: true } }), pinned, flux), {
    reason: "BuildFailed",
    message:
      "Cannot build the instance: spec.kustomize.patches[0].target matches no object; correct the target, remove the " +
      "patch, or set spec.kustomize.strict to false",
  });
});

const patchOf = (apiVersion: string, kind: string, name: string) => ({
  patch: JSON.stringify({ apiVersion, kind, metadata: { name }, spec: {} }),
});

for (const { name, spec, patch, want } of [
  {
    name: "a controller that is not wanted",
    spec: {},
    patch: patchOf("apps/v1", "Deployment", "image-reflector-controller"),
    want: "there is no apps/v1 Deployment image-reflector-controller: image-reflector-controller is not among spec.components",
  },
  {
    name: "an object of a controller that is not wanted",
    spec: {},
    patch: patchOf("v1", "ServiceAccount", "helm-controller"),
    want: "there is no v1 ServiceAccount helm-controller: helm-controller is not among spec.components",
  },
  {
    name: "a policy without network policies",
    spec: { cluster: { networkPolicy: false } },
    patch: patchOf("networking.k8s.io/v1", "NetworkPolicy", "allow-egress"),
    want: "there is no networking.k8s.io/v1 NetworkPolicy allow-egress: spec.cluster.networkPolicy is false",
  },
  {
    name: "a claim without storage",
    spec: {},
    patch: patchOf("v1", "PersistentVolumeClaim", "source-controller"),
    want: "there is no v1 PersistentVolumeClaim source-controller: there is no spec.storage",
  },
  {
    name: "a source without sync",
    spec: {},
    patch: patchOf("source.toolkit.fluxcd.io/v1", "GitRepository", "flux-system"),
    want: "there is no source.toolkit.fluxcd.io/v1 GitRepository flux-system: there is no spec.sync",
  },
  {
    name: "a shard that is not there",
    spec: {},
    patch: patchOf("apps/v1", "Deployment", "source-controller-shard2"),
    want: "there is no apps/v1 Deployment source-controller-shard2: shard2 is not among spec.sharding.shards",
  },
  {
    name: "an object by another version",
    spec: {},
    patch: patchOf("extensions/v1beta1", "Deployment", "source-controller"),
    want: "there is no extensions/v1beta1 Deployment source-controller: Deployment/gitops/source-controller is of apps/v1",
  },
] as const) {
  const policy = { apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata: { name: "allow-egress" } };
  const release = {
    ...releaseOf("2.9.4", ["source-controller", "kustomize-controller", "helm-controller"]),
    policies: [policy],
  };
  test(`renderInstance() says why there is not what a patch names: ${name}`, () =>
    assert.throws(
      () => renderInstance(specOf({ ...spec, kustomize: { patches: [patch], strict: false } }), release, flux),
      {
        message: `Cannot apply spec.kustomize.patches[0]: ${want}; change that, correct apiVersion, kind, name and namespace, or remove the patch`,
      },
    ));
}

test("renderInstance() says why a target matches nothing", () => {
  const target = { kind: "Deployment", name: "helm-controller" };
  const idle = [{ patch: '[{"op": "add", "path": "/spec/replicas", "value": 2}]', target }];
  assert.deepEqual(renderInstance(specOf({ kustomize: { patches: idle, strict: false } }), pinned, flux).patches, [
    { index: 0, matched: [], why: "helm-controller is not among spec.components" },
  ]);
  assert.throws(() => renderInstance(specOf({ kustomize: { patches: idle, strict: true } }), pinned, flux), {
    message:
      "Cannot build the instance: spec.kustomize.patches[0].target matches no object, because helm-controller is not among " +
      "spec.components; correct the target, remove the patch, or set spec.kustomize.strict to false",
  });
});

for (const patch of [
  "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: source-controller}\nspec: {template: {metadata: {labels: {use: true}}}}",
  '[{"op": "add", "path": "/spec/template/metadata/labels/use", "value": true}]',
])
  test(`renderInstance() refuses a label that is no text, and names patch, object and field: ${patch.slice(0, 5)}`, () =>
    assert.throws(
      () =>
        renderInstance(
          specOf({ kustomize: { patches: [{ patch, target: { kind: "Deployment" } }], strict: false } }),
          pinned,
          flux,
        ),
      {
        message:
          "Cannot apply spec.kustomize.patches[0] to Deployment/gitops/source-controller: it sets " +
          "spec.template.metadata.labels.use to true, which must be text: put it in quotes",
      },
    ));

const podPatch = (value: string) => ({ patch: value, target: { kind: "Deployment" } });
const addTo = (path: string, value: unknown) =>
  podPatch(JSON.stringify([{ op: "add", path: `/spec/template/spec/${path}`, value }]));
const refused = (image: string) =>
  "Cannot build the instance: spec.distribution.requireDigests true cannot be kept, a patch sets an image without a digest, " +
  `${image} of Deployment/gitops/source-controller; write NAME:TAG@sha256:... in spec.kustomize.patches`;

for (const { name, patch, want } of [
  { name: "no patch", patch: addTo("priorityClassName", "high"), want: undefined },
  { name: "a sidecar by digest", patch: addTo("containers/-", { name: "s", image: `s@${digest}` }), want: undefined },
  { name: "a sidecar by tag", patch: addTo("containers/-", { name: "s", image: "s:1" }), want: refused("s:1") },
  { name: "an init container by tag", patch: addTo("initContainers", [{ name: "i", image: "i" }]), want: refused("i") },
  {
    name: "an image volume by tag",
    patch: addTo("volumes/-", { name: "v", image: { reference: "v:1" } }),
    want: refused("v:1"),
  },
  { name: "another manager by tag", patch: addTo("containers/0/image", "mine:1"), want: refused("mine:1") },
  {
    name: "the release's own image, which is pinned",
    patch: addTo("containers/0/image", "fluxcd/source-controller:v9"),
    want: undefined,
  },
]) {
  test(`renderInstance() where digests are required ${want === undefined ? "takes" : "refuses"} ${name}`, () => {
    const distribution = { registry: "ghcr.io/fluxcd", requireDigests: true };
    const spec = specOf({ distribution, kustomize: { patches: [patch], strict: true } });
    const build = () => renderInstance(spec, pinned, flux);
    if (want === undefined) assert.ok(build());
    else assert.throws(build, { reason: "BuildFailed", message: want });
  });
}
