import assert from "node:assert/strict";
import { test } from "node:test";
import { controller } from "../../../test/support/watching-controller.ts";
import { overlaps } from "./flux-controllers.ts";

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
