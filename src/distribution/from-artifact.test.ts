import assert from "node:assert/strict";
import { test } from "node:test";
import { ArtifactError } from "./artifact-error.ts";
import { artifactCatalogue, isReleaseFile, openArtifact } from "./from-artifact.ts";

type Texts = { readonly [path: string]: string | Uint8Array | undefined };

const crd = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: buckets.example.com
  creationTimestamp: null
  annotations: {controller-gen.kubebuilder.io/version: v0.19.0}
spec:
  versions:
  - name: v1
    additionalPrinterColumns: [{name: Age, description: kept}]
    schema:
      openAPIV3Schema:
        description: dropped
        type: object
        properties:
          description: {type: string, description: dropped, default: {description: kept}}
          list: {items: {description: dropped, anyOf: [{description: dropped, minLength: 1}]}}
status: {conditions: []}
`;
const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: source-controller}
spec: {template: {spec: {containers: [{name: manager, image: "fluxcd/source-controller:v1.0.0"}]}}}
`;
const role = "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: crd-controller}}";
const policy = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: allow-egress}}";
const digest = `sha256:${"0".repeat(64)}`;
const table = (component: string) => `images: [{name: r/${component}, newTag: v1.0.1, digest: "${digest}"}]`;
const whole: Texts = {
  "flux/v2.9.4/source-controller.yaml": `---\n${crd}---\n${deployment}`,
  "flux/v2.9.4/rbac.yaml": role,
  "flux/v2.9.4/policies.yaml": policy,
  "flux-images/v2.9.4/upstream-alpine.yaml": table("source-controller"),
};

function open(texts: Texts) {
  const files = Object.entries(texts).flatMap(([path, text]) =>
    text === undefined ? [] : [[path, typeof text === "string" ? new TextEncoder().encode(text) : text] as const],
  );
  return openArtifact(new Map(files));
}

test("openArtifact() lists the releases with manifests, oldest first", () => {
  const { versions } = open({
    ...whole,
    "flux/v2.10.0/rbac.yaml": role,
    "flux/v2.10.0-rc.1/rbac.yaml": role,
    "flux/latest/rbac.yaml": role,
    "flux/v2/rbac.yaml": role,
    "flux/v2.8.0/README.md": "",
    "flux-images/v2.8.4/upstream-alpine.yaml": table("source-controller"),
  });
  assert.deepEqual(versions, ["2.9.4", "2.10.0-rc.1", "2.10.0"]);
});

test("openArtifact().release() reads objects without what the embedded ones do not have", () => {
  const release = open(whole).release("2.9.4");
  assert.deepEqual(release.images, { "upstream-alpine": { "source-controller": { tag: "v1.0.1", digest } } });
  assert.deepEqual(release.components["source-controller"]?.[0], {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: "buckets.example.com" },
    spec: {
      versions: [
        {
          name: "v1",
          additionalPrinterColumns: [{ name: "Age", description: "kept" }],
          schema: {
            openAPIV3Schema: {
              type: "object",
              properties: {
                description: { type: "string", default: { description: "kept" } },
                list: { items: { anyOf: [{ minLength: 1 }] } },
              },
            },
          },
        },
      ],
    },
  });
});

test("openArtifact().release() does not read the files of other releases, components and variants", () => {
  const release = open({
    ...whole,
    "flux/v2.9.5/rbac.yaml": "no YAML: [",
    "flux/v2.9.4/artifact-foo.yaml": "no YAML: [",
    "flux-images/v2.9.4/upstream-debian.yaml": "no YAML: [",
    "flux-operator/install.yaml": "no YAML: [",
  }).release("2.9.4");
  assert.deepEqual(Object.keys(release.components), ["source-controller"]);
});

test("openArtifact().release() answers the same release again, and lets go of the fifth last", () => {
  const minors = [0, 1, 2, 3, 4];
  const artifact = open(
    Object.fromEntries(
      minors.flatMap((minor) =>
        Object.entries(whole).map(([path, text]) => [path.replace("v2.9.4", `v2.${minor}.0`), text]),
      ),
    ),
  );
  const [first, ...others] = minors.map((minor) => artifact.release(`2.${minor}.0`));
  assert.deepEqual(
    others.map((release) => artifact.release(release.version) === release),
    [true, true, true, true],
  );
  assert.notEqual(artifact.release("2.0.0"), first);
});

test("artifactCatalogue() loads the artifact's releases and knows of the embedded ones", () => {
  const artifact = open(whole);
  const catalogue = artifactCatalogue(artifact, ["2.9.3"]);
  assert.deepEqual([catalogue.versions, catalogue.known], [["2.9.4"], ["2.9.3"]]);
  assert.equal(catalogue.load("2.9.4"), artifact.release("2.9.4"));
});

const component = "flux/v2.9.4/source-controller.yaml";
const rbac = "flux/v2.9.4/rbac.yaml";
const images = "flux-images/v2.9.4/upstream-alpine.yaml";
const object = (kind: string, metadata: string) => `{apiVersion: v1, kind: ${kind}, metadata: {${metadata}}}`;

for (const { name, change, finding } of [
  {
    name: "no release",
    change: Object.fromEntries(Object.keys(whole).map((path) => [path, undefined])),
    finding: "it has no manifests of Flux at flux/v<version>/<component>.yaml",
  },
  {
    name: "another release only",
    change: {
      [component]: undefined,
      [rbac]: undefined,
      "flux/v2.9.4/policies.yaml": undefined,
      "flux/v2.9.3/x.yaml": "",
    },
    finding: "it has no Flux 2.9.4, only 2.9.3",
  },
  { name: "no rbac.yaml", change: { [rbac]: undefined }, finding: `${rbac} is missing` },
  {
    name: "no policies.yaml",
    change: { "flux/v2.9.4/policies.yaml": undefined },
    finding: "flux/v2.9.4/policies.yaml is missing",
  },
  {
    name: "images of a component without manifest",
    change: { "flux-images/v2.9.4/enterprise-alpine.yaml": table("helm-controller") },
    finding: "flux/v2.9.4/helm-controller.yaml is missing, and there are images of it",
  },
  { name: "an empty file", change: { [rbac]: "---\n" }, finding: `${rbac} has no objects` },
  { name: "files exchanged", change: { [rbac]: policy }, finding: `${rbac} has no ClusterRole` },
  {
    name: "a component without Deployment",
    change: { [component]: crd },
    finding: `${component} has no Deployment source-controller`,
  },
  {
    name: "broken YAML",
    change: { [rbac]: "a: 1\na: 2" },
    finding: `${rbac}: Cannot read YAML: line 2, column 1: a key stands twice in one map: remove one`,
  },
  {
    name: "bytes that are no text",
    change: { [rbac]: new Uint8Array([0xff, 0xfe]) },
    finding: `${rbac}: The encoded data was not valid for encoding utf-8`,
  },
  { name: "a document that is a list", change: { [rbac]: "[]" }, finding: `${rbac}, document 1 is not an object` },
  {
    name: "an object without kind",
    change: { [rbac]: `${role}\n---\n{apiVersion: v1, metadata: {name: a}}` },
    finding: `${rbac}, document 2 has no apiVersion and kind`,
  },
  {
    name: "an object without metadata",
    change: { [rbac]: "{apiVersion: v1, kind: List, items: []}" },
    finding: `${rbac}, document 1 has no metadata`,
  },
  {
    name: "an object without a name",
    change: { [rbac]: object("Role", "name: 1") },
    finding: `${rbac}, document 1 has no metadata.name`,
  },
  {
    name: "labels that are not text",
    change: { [rbac]: object("Role", "name: a, labels: {a: 1}") },
    finding: `${rbac}, document 1 has metadata.labels that are not text`,
  },
  {
    name: "an object for another namespace",
    change: { [rbac]: `${role}\n---\n${object("Secret", "name: a, namespace: kube-system")}` },
    finding: `${rbac}: Secret/kube-system/a has a namespace of its own`,
  },
  {
    name: "a namespace on what has none",
    change: { [rbac]: object("ClusterRole", "name: a, namespace: flux-system") },
    finding: `${rbac}: ClusterRole/flux-system/a has a namespace of its own`,
  },
  {
    name: "an object in two files",
    change: { "flux/v2.9.4/policies.yaml": `${policy}\n---\n${role}` },
    finding: "flux/v2.9.4 has ClusterRole/crd-controller twice",
  },
  {
    name: "the image of another controller",
    change: { [component]: deployment.replace("fluxcd/source", "fluxcd/helm") },
    finding: `${component}: Deployment/source-controller runs "fluxcd/helm-controller:v1.0.0", which is not an image of source-controller`,
  },
  { name: "no list of images", change: { [images]: "images: {}" }, finding: `${images} is not one list of images` },
  {
    name: "an image that is text",
    change: { [images]: "images: [a]" },
    finding: `${images} has an image that is not an object`,
  },
  {
    name: "an image without name",
    change: { [images]: "images: [{newTag: v1}]" },
    finding: `${images} has an image without a name`,
  },
  {
    name: "a cut digest",
    change: { [images]: table("source-controller").replace('0"', '"') },
    finding: `${images}: image r/source-controller has no digest of the form ^sha256:[0-9a-f]{64}$`,
  },
  {
    name: "two images of one component",
    change: { [images]: table("source-controller").replace(/\[(.*)\]/, "[$1, $1]") },
    finding: `${images} has two images for source-controller`,
  },
]) {
  test(`openArtifact() refuses ${name}`, () => {
    const message = `Cannot read the artifact: ${finding}; push a whole artifact, or choose another one`;
    assert.throws(
      () => open({ ...whole, ...change }).release("2.9.4"),
      (error) => {
        assert.ok(error instanceof ArtifactError);
        const { reason, retry } = error;
        assert.deepEqual(
          { reason, retry, message: error.message },
          { reason: "ArtifactFailed", retry: "backoff", message },
        );
        return true;
      },
    );
  });
}

const ten = (item: string) => `[${Array.from({ length: 10 }, () => item).join(", ")}]`;
const doubled = Array.from({ length: 9 }, (_, index) => `a${index + 1}: &a${index + 1} ${ten(`*a${index}`)}\n`);

for (const { name, text } of [
  { name: "nested beyond what can be read", text: "[".repeat(5_000) },
  { name: "of aliases that grow tenfold nine times", text: `a0: &a0 ${ten("x")}\n${doubled.join("")}` },
  { name: "larger than a manifest ever was", text: " ".repeat(1024 * 1024 + 1) },
]) {
  test(`openArtifact() refuses YAML ${name}`, () => {
    assert.throws(() => open({ ...whole, [rbac]: text }).release("2.9.4"), ArtifactError);
  });
}

for (const { path, want } of [
  { path: "flux/v2.9.4/rbac.yaml", want: true },
  { path: "flux-images/v2.9.4/upstream-alpine.yaml", want: true },
  { path: "flux-operator/install.yaml", want: false },
  { path: "flux-vex/v2.9.json", want: false },
  { path: "flux/v2.9.4/old/rbac.yaml", want: false },
]) {
  test(`isReleaseFile() is ${want} for ${path}`, () => assert.equal(isReleaseFile(path), want));
}
