import assert from "node:assert/strict";
import { test } from "node:test";
import { tableClient } from "../../../../test/support/table-client.ts";
import { canonicalInstance } from "../../../api/canonical.ts";
import { parseStoredFluxInstance } from "../../../api/flux-instance.ts";
import { fluxInstance, ownerLabels } from "../../../api/names.ts";
import { conditionTypes } from "../../../api/reasons.ts";
import type { ManagedObject } from "../../../apply/inventory.ts";
import { embeddedVersions, loadRelease } from "../../../distribution/load.ts";
import { isDefinition } from "../../../kube/definition.ts";
import { gvkOf } from "../../../kube/gvk.ts";
import type { JsonObject, KubeObject } from "../../../kube/object.ts";
import { targetOf } from "../../../render/target.ts";
import { worldOf, type World } from "../world.ts";
import { mayHaveUnattended, readUnattended, scaledToNothing } from "./unattended.ts";

const signal = new AbortController().signal;
const key = { namespace: "flux-system", name: "flux" };

function instance(spec: JsonObject, status: JsonObject = {}): KubeObject {
  const { storageApiVersion: apiVersion, kind } = fluxInstance;
  const distribution = { version: "2.9.4", registry: "ghcr.io/fluxcd" };
  return { apiVersion, kind, metadata: { ...key, generation: 1 }, spec: { distribution, ...spec }, status };
}

function worldWith(status: JsonObject): World {
  return worldOf(instance({}, status), new Map(), "flux-system");
}

const world = worldWith({});
const catalogue = { versions: embeddedVersions, load: loadRelease };
const target = targetOf(
  canonicalInstance(parseStoredFluxInstance(instance({ sharding: { shards: ["a", "b"] } }))),
  catalogue,
);
const plain = targetOf(canonicalInstance(parseStoredFluxInstance(instance({}))), catalogue);

function resource(apiVersion: string, kind: string, name: string, shard?: string): KubeObject {
  const labels = shard === undefined ? {} : { "sharding.fluxcd.io/key": shard };
  return { apiVersion, kind, metadata: { name, namespace: "apps", labels } };
}

function release(name: string, shard?: string): KubeObject {
  return resource("helm.toolkit.fluxcd.io/v2", "HelmRelease", name, shard);
}

const definition = target.rendering.objects.find(
  (object) => isDefinition(object) && object.metadata.name.startsWith("helmreleases."),
);
assert.ok(definition !== undefined);
const live = { ...definition, metadata: { ...definition.metadata, labels: ownerLabels(key) } };
const managed: ManagedObject = { ...gvkOf(live), namespace: "", name: live.metadata.name };

for (const { name, given, want } of [
  {
    name: "names the resources of a component that is not installed, a few of them",
    given: {
      target: plain,
      retained: [managed],
      strays: false,
      objects: ["g", "f", "e", "d", "c", "b", "a"].map((n) => release(n)),
    },
    want: ["7 helmreleases (apps/a, apps/b, apps/c, apps/d, apps/e and 2 more): their component is not installed"],
  },
  {
    name: "names the resources of shards that do not exist",
    given: { target, retained: [], strays: true, objects: [release("x", "c"), release("y", "a"), release("z")] },
    want: ["1 helmreleases (apps/x): they are labelled for a shard that does not exist"],
  },
  {
    name: "leaves kinds alone whose component has no shards",
    given: {
      target,
      retained: [],
      strays: true,
      objects: [resource("notification.toolkit.fluxcd.io/v1beta3", "Alert", "x", "c")],
    },
    want: [],
  },
  {
    name: "finds no strays without shards",
    given: { target: plain, retained: [], strays: true, objects: [release("x", "c")] },
    want: [],
  },
  {
    name: "looks for strays only when asked",
    given: { target, retained: [], strays: false, objects: [release("x", "c")] },
    want: [],
  },
]) {
  test(`readUnattended() ${name}`, async () => {
    const client = tableClient([live, ...given.objects]);
    assert.deepEqual(await readUnattended(given, world, { client }, signal), want);
  });
}

const gone: ManagedObject = { group: "apps", version: "v1", kind: "Deployment", ...key };
const told = {
  conditions: [{ type: conditionTypes.unattended, status: "True", reason: "NoController", message: "x" }],
};
for (const { name, stale, status, want } of [
  { name: "after a controller went", stale: [gone], status: {}, want: true },
  { name: "while the last status tells of them", stale: [], status: told, want: true },
  { name: "not otherwise", stale: [managed], status: {}, want: false },
]) {
  test(`mayHaveUnattended() ${name}`, () => assert.equal(mayHaveUnattended(stale, worldWith(status)), want));
}

function deployment(name: string, replicas: number): KubeObject {
  const metadata = { name, namespace: "flux-system" };
  return { apiVersion: "apps/v1", kind: "Deployment", metadata, spec: { replicas } };
}

for (const { name, wanted, live: found, want } of [
  { name: "nothing of controllers that run", wanted: [deployment("a", 1)], live: [deployment("a", 2)], want: [] },
  {
    name: "what somebody has scaled to 0",
    wanted: [deployment("b", 1), deployment("a", 1), deployment("c", 1)],
    live: [deployment("a", 0), deployment("b", 0), deployment("c", 1)],
    want: [
      "the resources of Deployment/flux-system/a: it is scaled to 0",
      "the resources of Deployment/flux-system/b: it is scaled to 0",
    ],
  },
  {
    name: "what the spec itself scales to 0 and no watch knows",
    wanted: [deployment("a", 0)],
    live: [],
    want: ["the resources of Deployment/flux-system/a: it is scaled to 0"],
  },
]) {
  test(`scaledToNothing() names ${name}`, () => {
    const scaled = { ...target, rendering: { ...target.rendering, objects: wanted } };
    assert.deepEqual(
      scaledToNothing(scaled, (at) => found.find(({ metadata }) => metadata.name === at.name)),
      want,
    );
  });
}
