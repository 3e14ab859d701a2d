import assert from "node:assert/strict";
import { test } from "node:test";
import { controller } from "../../../test/support/watching-controller.ts";
import { embeddedVersions, loadRelease } from "../../distribution/load.ts";
import { isDefinition, kindDefinedBy } from "../../kube/definition.ts";
import type { KubeObject } from "../../kube/object.ts";
import { componentOf, isFluxController, overlaps, reconciles } from "./flux-controllers.ts";

const key = "sharding.fluxcd.io/key";

for (const { name, stale, wanted, want } of [
  { name: "the same shard", stale: `${key}=a`, wanted: `${key}=a`, want: true },
  { name: "two shards", stale: `${key}=a`, wanted: `${key}=b`, want: false },
  { name: "a shard and what belongs to none", stale: `${key}=a`, wanted: `!${key}`, want: false },
  { name: "what belongs to no shard, twice", stale: `!${key}`, wanted: `!${key}`, want: true },
  { name: "a shard and everything", stale: `${key}=a`, wanted: undefined, want: true },
  { name: "everything and a shard", stale: undefined, wanted: `${key}=a`, want: true },
  { name: "shards of two keys", stale: `${key}=a`, wanted: "tenant=b", want: true },
  { name: "a shard and a selector of another form", stale: `${key} in (a,b)`, wanted: `${key}=c`, want: true },
  { name: "a shard and the lack of another key", stale: `${key}=a`, wanted: "!tenant", want: true },
]) {
  test(`overlaps() says ${want} to ${name}`, () =>
    assert.equal(overlaps(controller("old", stale), controller("new", wanted)), want));
}

test("overlaps() says false to another controller", () =>
  assert.equal(overlaps(controller("old", undefined), controller("new", undefined, "helm-controller")), false));

test("overlaps() says false to what is no Deployment", () =>
  assert.equal(overlaps(controller("old", undefined), { ...controller("new", undefined), kind: "Service" }), false));

test("overlaps() reads the last of several selectors, as the controller does", () => {
  const stale = controller("old", `${key}=a`);
  const args = [`--watch-label-selector=${key}=a`, `--watch-label-selector=${key}=b`];
  const spec = { template: { spec: { containers: [{ name: "manager", args }] } } };
  assert.equal(overlaps(stale, { ...controller("new", undefined), spec }), false);
});

type Given = {
  readonly image?: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly labels?: { readonly [key: string]: string };
  readonly namespace?: string;
};

function deployment({ image = "x", command = [], args = [], labels = {}, namespace = "apps" }: Given): KubeObject {
  const spec = { template: { spec: { containers: [{ name: "manager", image, command, args }] } } };
  return { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "x", namespace, labels }, spec };
}

const component = "app.kubernetes.io/component";
const partOf = { "app.kubernetes.io/part-of": "flux" };
const official = "ghcr.io/fluxcd/helm-controller:v1.5.0@sha256:0123";
const mirrored = "registry.corp:5000/helm-controller:v1.5.0";

for (const { name, given, want } of [
  { name: "Flux's image under any name", given: { image: official }, want: true },
  { name: "a mirror that keeps Flux's path", given: { image: "r:5000/x/fluxcd/helm-controller" }, want: true },
  { name: "an image of that name alone", given: { image: mirrored }, want: false },
  { name: "an image of that name, part of Flux", given: { image: mirrored, labels: partOf }, want: true },
  {
    name: "an image of that name that an instance owns",
    given: { image: mirrored, labels: { "fluxcd.controlplane.io/name": "flux" } },
    want: true,
  },
  {
    name: "an image of that name with a flag of Flux",
    given: { image: mirrored, args: ["--events-addr=x"] },
    want: true,
  },
  {
    name: "an image of that name with a flag of Flux in its command",
    given: { image: mirrored, command: ["helm-controller", "--watch-all-namespaces=false"] },
    want: true,
  },
  {
    name: "k3s-io/helm-controller",
    given: { image: "ghcr.io/k3s-io/helm-controller:v0.16.6", args: ["--namespace=x", "--threadiness=2"] },
    want: false,
  },
  {
    name: "k3s-io/helm-controller with its component label",
    given: { image: "rancher/helm-controller", labels: { [component]: "helm-controller" } },
    want: false,
  },
  {
    name: "an image of another name, labelled as Flux's",
    given: { labels: { ...partOf, [component]: "helm-controller" } },
    want: true,
  },
  {
    name: "a controller whose component label the user has written over",
    given: { image: official, labels: { ...partOf, [component]: "gitops" } },
    want: true,
  },
  { name: "what is part of Flux and no controller", given: { labels: { ...partOf, [component]: "ui" } }, want: false },
  { name: "what only has such a name", given: { image: "fluxcd/helm-controller-ui:1", labels: partOf }, want: false },
]) {
  test(`isFluxController() says ${want} to ${name}`, () => assert.equal(isFluxController(deployment(given)), want));
}

function definition(group: string, kind: string): KubeObject {
  const metadata = { name: "x", labels: { [component]: "gitops" } };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata,
    spec: { group, names: { kind } },
  };
}

test("componentOf() knows the controllers of all kinds that the releases define, whatever their labels say", () => {
  const found = embeddedVersions.flatMap((version) =>
    Object.entries(loadRelease(version).components).flatMap(([name, objects]) =>
      objects.filter(isDefinition).flatMap((crd) => {
        const { group, kind } = kindDefinedBy(crd);
        const got = componentOf(definition(group, kind));
        return got === name ? [] : [`${version} ${kind}.${group}: ${got} and not ${name}`];
      }),
    ),
  );
  assert.deepEqual(found, []);
});

const releaseKind = { group: "helm.toolkit.fluxcd.io", kind: "HelmRelease" };
const release = { metadata: { name: "a", namespace: "team-b", labels: { [key]: "a" } } };
for (const { name, given, kind = releaseKind, want } of [
  { name: "of its kind", given: { image: official }, want: true },
  {
    name: "of another kind",
    given: { image: official },
    kind: { group: "source.toolkit.fluxcd.io", kind: "Bucket" },
    want: false,
  },
  { name: "in its namespace", given: { namespace: "team-b", args: ["--watch-all-namespaces=false"] }, want: true },
  { name: "in another namespace", given: { args: ["--watch-all-namespaces=false"] }, want: false },
  { name: "in another namespace, as Go reads false", given: { args: ["--watch-all-namespaces=F"] }, want: false },
  {
    name: "in another namespace, where the flag takes no value",
    given: { args: ["--watch-all-namespaces", "false"] },
    want: true,
  },
  { name: "of its shard", given: { args: [`--watch-label-selector=${key}=a`] }, want: true },
  { name: "of another shard", given: { args: [`--watch-label-selector=${key}=b`] }, want: false },
  { name: "of another shard, in two words", given: { args: ["--watch-label-selector", `${key}=b`] }, want: false },
  { name: "of a shard, which it leaves alone", given: { args: [`--watch-label-selector=!${key}`] }, want: false },
  {
    name: "that a selector of another form selects",
    given: { args: [`--watch-label-selector=${key} in (a,b)`] },
    want: true,
  },
  { name: "while its selector cannot be read", given: { args: ["--watch-label-selector=="] }, want: true },
]) {
  test(`reconciles() says ${want} to a resource ${name}`, () =>
    assert.equal(reconciles(deployment({ image: official, ...given }), kind, release), want));
}
