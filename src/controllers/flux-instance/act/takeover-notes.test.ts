import assert from "node:assert/strict";
import { test } from "node:test";
import type { PlannedObject } from "../../../apply/planned-object.ts";
import type { KubeObject } from "../../../kube/object.ts";
import { remainderNotes, takeoverNotes } from "./takeover-notes.ts";

function object(name: string): KubeObject {
  return { apiVersion: "v1", kind: "ServiceAccount", metadata: { name, namespace: "a" } };
}

function taken(
  name: string,
  managers: readonly string[],
  removed: readonly string[] = [],
  refusal?: string,
): PlannedObject {
  const adoption = { operations: [], managers, removed, after: object(name), remaining: () => [], shared: false };
  return {
    object: object(name),
    action: "configure",
    live: object(name),
    adoption: { ...adoption, ...(refusal !== undefined && { refusal }) },
  };
}

test("takeoverNotes() says nothing about what was ours", () =>
  assert.deepEqual(
    takeoverNotes([{ object: object("x"), action: "configure", live: object("x") }, taken("y", [])]),
    [],
  ));

test("takeoverNotes() tells whose objects are taken, what goes, what stays and what is created anew", () =>
  assert.deepEqual(
    takeoverNotes([
      taken("z", ["kubectl-edit", "helm"], ["metadata.labels.old", "spec.b"]),
      taken("y", ["helm"], [], "spec is immutable"),
      { object: object("x"), action: "recreate", live: object("x") },
    ]),
    [
      { type: "Normal", reason: "TakenOver", message: "Taking over 2 objects from helm, kubectl-edit" },
      {
        type: "Warning",
        reason: "TakenOver",
        message: "Removing fields that only previous owners had set: ServiceAccount/a/z (metadata.labels.old, spec.b)",
      },
      {
        type: "Warning",
        reason: "TakenOver",
        message:
          "Fields of previous owners stay, since the API server refuses to remove them: ServiceAccount/a/y (spec is immutable)",
      },
      {
        type: "Warning",
        reason: "TakenOver",
        message: "Recreating objects whose immutable fields differ: ServiceAccount/a/x",
      },
    ],
  ));

test("remainderNotes() names the fields that should have gone", () => {
  const id = { group: "", kind: "ServiceAccount", namespace: "a", name: "x" };
  const takeover = { managers: ["helm"], removed: [], remaining: ["spec.a"] };
  assert.deepEqual(
    remainderNotes([
      { id, action: "configured", takeover },
      { id, action: "created" },
    ]),
    [
      {
        type: "Warning",
        reason: "TakenOver",
        message:
          "Fields of previous owners are still there after the apply; remove them by hand: ServiceAccount/a/x (spec.a)",
      },
    ],
  );
});
