import assert from "node:assert/strict";
import { test } from "node:test";
import type { PlannedObject } from "../../../apply/planned-object.ts";
import type { KubeObject } from "../../../kube/object.ts";
import { afterEnding, endingOf } from "./ending.ts";

const object: KubeObject = { apiVersion: "v1", kind: "Service", metadata: { namespace: "a", name: "b" } };
const ends = { ...object, metadata: { ...object.metadata, deletionTimestamp: "2026-01-01T00:00:00Z" } };
const ending: PlannedObject = { object, action: "unchanged", live: ends };
const lasting: PlannedObject = { object, action: "unchanged", live: object };

test("endingOf() are those that are being deleted", () =>
  assert.deepEqual(endingOf([lasting, ending]), [
    { group: "", version: "v1", kind: "Service", namespace: "a", name: "b" },
  ]));

test("afterEnding() creates those anew", () =>
  assert.deepEqual(afterEnding([lasting, ending]), [lasting, { object, action: "create" }]));
