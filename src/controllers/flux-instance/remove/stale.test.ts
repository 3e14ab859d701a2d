import assert from "node:assert/strict";
import { test } from "node:test";
import { managed, owned, world } from "../../../../test/support/removable.ts";
import { tableClient } from "../../../../test/support/table-client.ts";
import { TestClock } from "../../../../test/support/test-clock.ts";
import { labels, objectAnnotations } from "../../../api/names.ts";
import { nameObject } from "../../../kube/object-id.ts";
import type { KubeObject } from "../../../kube/object.ts";
import { pruneStale } from "./stale.ts";

const signal = new AbortController().signal;

function definition(kind: string): KubeObject {
  const plural = `${kind.toLowerCase()}s`;
  const versions = [{ name: "v2", served: true, storage: true }];
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.helm.toolkit.fluxcd.io`, labels: { ...owned, [labels.component]: "helm-controller" } },
    spec: { group: "helm.toolkit.fluxcd.io", names: { kind, plural }, versions },
  };
}

function resource(kind: string, metadata: KubeObject["metadata"]): KubeObject {
  return {
    apiVersion: "helm.toolkit.fluxcd.io/v2",
    kind,
    metadata: { namespace: "apps", resourceVersion: "1", ...metadata },
  };
}

const [releases, tests] = [definition("HelmRelease"), definition("HelmTest")];
const controller: KubeObject = {
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "helm-controller", namespace: "flux-system", labels: owned },
};
const release = resource("HelmRelease", { name: "a", finalizers: ["finalizers.fluxcd.io", "example.com/x"] });
const released = resource("HelmRelease", { name: "a", finalizers: ["example.com/x"] });
const own = resource("HelmTest", { name: "own", namespace: "flux-system", labels: owned });
const keptOwn = resource("HelmTest", { ...own.metadata, annotations: { [objectAnnotations.prune]: "Disabled" } });
const takenOwn = resource("HelmTest", { ...own.metadata, labels: {} });
function foreignWith(...args: readonly string[]): KubeObject {
  const spec = { template: { spec: { containers: [{ image: "ghcr.io/fluxcd/helm-controller:1", args }] } } };
  return { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "other", namespace: "other" }, spec };
}

const foreign = foreignWith();
const confined = foreignWith("--watch-all-namespaces=false");
const shard = foreignWith("--watch-label-selector=team=b");
const ofShard = resource("HelmRelease", { ...release.metadata, name: "b", labels: { team: "b" } });

for (const { name, live, left } of [
  { name: "removes definitions without resources", live: [controller, releases, tests], left: [] },
  {
    name: "retains a definition with resources, and frees these of Flux's finalizer",
    live: [controller, releases, tests, release],
    left: [releases, released],
  },
  { name: "retains no definition for what goes itself", live: [controller, tests, own], left: [] },
  {
    name: "retains a definition with a resource of the instance that a user keeps",
    live: [controller, tests, keptOwn],
    left: [tests, keptOwn],
  },
  {
    name: "retains a definition with a resource of the instance that a user has taken over",
    live: [controller, tests, takenOwn],
    left: [tests, takenOwn],
  },
  {
    name: "leaves Flux's finalizer to another Flux",
    live: [controller, releases, tests, release, foreign],
    left: [releases, tests, release, foreign],
  },
  {
    name: "frees what another Flux does not reconcile, in other namespaces",
    live: [controller, releases, tests, release, confined],
    left: [releases, tests, released, confined],
  },
  {
    name: "frees what another Flux does not reconcile, of other shards",
    live: [controller, releases, tests, release, ofShard, shard],
    left: [releases, tests, released, ofShard, shard],
  },
  {
    name: "retains definitions that another Flux may be using",
    live: [controller, tests, foreign],
    left: [tests, foreign],
  },
]) {
  test(`pruneStale() ${name}`, async () => {
    const client = tableClient(live);
    const stale = [controller, own, releases, tests].map(managed);
    const { retained } = await pruneStale(stale, world, { client, clock: new TestClock() }, signal);
    assert.deepEqual(client.objects(), left);
    const definitions = left.filter(({ kind }) => kind === "CustomResourceDefinition");
    assert.deepEqual(
      retained.map(({ name: id }) => `CustomResourceDefinition/${id}`),
      definitions.map(nameObject),
    );
  });
}
