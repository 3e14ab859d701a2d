import assert from "node:assert/strict";
import { test } from "node:test";
import { fluxInstance } from "../../../api/names.ts";
import { conditionFaults } from "../../../api/reasons.ts";
import { worldOf } from "../world.ts";
import { unattendedCondition, warnings, withConditions } from "./status-parts.ts";

const { storageApiVersion: apiVersion, kind } = fluxInstance;
const metadata = { namespace: "flux-system", name: "flux", generation: 1 };
const world = worldOf({ apiVersion, kind, metadata }, new Map(), "flux-system");

test("unattendedCondition() joins the sentences, and is legal", () => {
  const condition = unattendedCondition(["1 a (x/y): why", "2 b (x/z): why"]);
  assert.deepEqual(condition, {
    type: "Unattended",
    status: "True",
    reason: "NoController",
    message: "No controller reconciles 1 a (x/y): why; 2 b (x/z): why",
  });
  const [dated] = withConditions(world, "2026-01-01T00:00:00Z", [condition]);
  assert.deepEqual(conditionFaults(dated === undefined ? [] : [dated]), []);
});

test("unattendedCondition() is none when all are attended to", () =>
  assert.deepEqual(unattendedCondition([]), { type: "Unattended" }));

for (const { name, parts, want } of [
  { name: "is none without a warning", parts: {}, want: { type: "Warning" } },
  {
    name: "tells that pods run other images",
    parts: { otherImages: "pods run other images" },
    want: { type: "Warning", status: "True", reason: "ImageDiffers", message: "pods run other images" },
  },
  {
    name: "joins warnings, and has the reason of the first",
    parts: { otherImages: "pods run other images", unwatched: ["Cannot watch Deployments"] },
    want: {
      type: "Warning",
      status: "True",
      reason: "ImageDiffers",
      message: "pods run other images; Cannot watch Deployments",
    },
  },
]) {
  test(`warnings() ${name}`, () => {
    const condition = warnings({ ...world, ...parts });
    assert.deepEqual(condition, want);
    assert.deepEqual(conditionFaults(withConditions(world, "2026-01-01T00:00:00Z", [condition])), []);
  });
}

for (const { name, message, want } of [
  { name: "shows a message as it is", message: "x".repeat(500), want: "x".repeat(500) },
  {
    name: "cuts what is longer by one",
    message: "x".repeat(501),
    want: `${"x".repeat(300)}… (81 more characters; the operator's log has them all) …${"x".repeat(120)}`,
  },
  {
    name: "cuts a message that the API server would refuse with the whole status",
    message: "x".repeat(40_000),
    want: `${"x".repeat(300)}… (39580 more characters; the operator's log has them all) …${"x".repeat(120)}`,
  },
]) {
  test(`withConditions() ${name}`, () => {
    const change = { type: "Ready", status: "False", reason: "BuildFailed", message } as const;
    const [condition] = withConditions(world, "2026-01-01T00:00:00Z", [change]);
    assert.equal(condition?.message, want);
  });
}
