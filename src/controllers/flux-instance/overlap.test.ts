import assert from "node:assert/strict";
import { test } from "node:test";
import { apiError, tableClient } from "../../../test/support/table-client.ts";
import { labels } from "../../api/names.ts";
import type { ManagedObject } from "../../apply/inventory.ts";
import type { KubeObject } from "../../kube/object.ts";
import { overlaps, parkOverlapping } from "./overlap.ts";

const signal = new AbortController().signal;
const owner = { [labels.ownerName]: "flux", [labels.ownerNamespace]: "flux-system" };
const key = "sharding.fluxcd.io/key";

function controller(name: string, selector: string | undefined, component = "source-controller"): KubeObject {
  const flag = selector === undefined ? [] : [`--watch-label-selector=${selector}`];
  const args = ["--log-level=info", ...flag];
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace: "flux-system", labels: { [labels.component]: component, ...owner } },
    spec: { replicas: 1, template: { spec: { containers: [{ name: "manager", args }] } } },
  };
}

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

function managed(name: string, kind = "Deployment"): ManagedObject {
  return { group: kind === "Deployment" ? "apps" : "", version: "v1", kind, namespace: "flux-system", name };
}

test("parkOverlapping() scales to 0 those whose objects a wanted controller takes over", async () => {
  const client = tableClient([
    controller("source-controller-a", `${key}=a`),
    controller("source-controller-b", `${key}=b`),
    controller("helm-controller-a", `${key}=a`, "helm-controller"),
  ]);
  const stale = [
    managed("source-controller-a", "Service"),
    ...["source-controller-a", "source-controller-b", "helm-controller-a", "gone"].map((name) => managed(name)),
  ];
  await parkOverlapping(stale, { wanted: [controller("source-controller-x", `${key}=a`)], owner }, { client }, signal);
  assert.deepEqual(client.writes, ['patch Deployment/flux-system/source-controller-a {"spec":{"replicas":0}}']);
});

test("parkOverlapping() leaves a controller alone that is somebody else's", async () => {
  const foreign = controller("a", undefined);
  const client = tableClient([{ ...foreign, metadata: { ...foreign.metadata, labels: { [labels.component]: "x" } } }]);
  const wanted = [controller("b", undefined, "x")];
  await parkOverlapping([managed("a")], { wanted, owner }, { client }, signal);
  assert.deepEqual(client.writes, []);
});

test("parkOverlapping() throws when it may not look: a controller that might overlap must not be passed over", async () => {
  const forbidden = apiError(403, "Forbidden");
  const client = tableClient([], { refuse: () => forbidden });
  await assert.rejects(
    parkOverlapping([managed("a")], { wanted: [controller("b", undefined)], owner }, { client }, signal),
    forbidden,
  );
});
