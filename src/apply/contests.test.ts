import assert from "node:assert/strict";
import { test } from "node:test";
import { objectIdOf } from "../kube/object-id.ts";
import type { JsonObject, KubeObject, ManagedFieldsEntry } from "../kube/object.ts";
import { Contests } from "./contests.ts";

const own = "flux-operator";
const minute = 60_000;

function deployment(spec: JsonObject, managedFields: readonly ManagedFieldsEntry[] = []): KubeObject {
  const metadata = { name: "a", namespace: "b", managedFields };
  return { apiVersion: "apps/v1", kind: "Deployment", metadata, spec };
}

const wanted = deployment({ replicas: 1 });
const found = deployment({ replicas: 3 });
const id = objectIdOf(wanted);

/** Repairs it as often as that is allowed, looking every second, for `ms`; resolves to when that was, in seconds. */
function fight(contests: Contests, ms: number, from = 0): readonly number[] {
  const at: number[] = [];
  for (let nowMs = from; nowMs < from + ms; nowMs += 1_000) {
    if (contests.isPaused(id, nowMs)) continue;
    contests.repaired(wanted, found, { nowMs, own });
    at.push((nowMs - from) / 1_000);
  }
  return at;
}

test("Contests repairs 10 times at once, and then ever more seldom", () =>
  assert.deepEqual(
    fight(new Contests(), 60 * minute),
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 24, 54, 114, 234, 474, 954, 1554, 2154, 2754, 3354],
  ));

test("Contests tells who fights, and when the object is due, while it does", () => {
  const contests = new Contests();
  const text = "Deployment/b/a: another client changes spec.replicas";
  fight(contests, 9_000);
  assert.deepEqual(contests.told(8_000), { texts: [] });
  contests.repaired(wanted, found, { nowMs: 9_000, own });
  assert.deepEqual(contests.told(9_000), { texts: [text], dueMs: 15_000 });
  assert.deepEqual(contests.told(24_000), { texts: [text], dueMs: minute });
  assert.deepEqual(contests.told(24_001 + minute), { texts: [] });
});

test("Contests begins anew with an object that was left in peace", () => {
  const contests = new Contests();
  fight(contests, 10_000);
  assert.deepEqual(fight(contests, 30_000, 10 * minute), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 24]);
});

test("Contests lets an object be repaired once when the user asks for it", () => {
  const contests = new Contests();
  fight(contests, 10_000);
  assert.equal(contests.isPaused(id, 10_000), true);
  contests.resume(10_000);
  assert.deepEqual(fight(contests, 40_000, 10_000), [0, 30]);
});

test("Contests forgets what is no longer managed", () => {
  const contests = new Contests();
  fight(contests, 10_000);
  contests.forgetOthers(new Set());
  assert.deepEqual([contests.isPaused(id, 10_000), contests.told(10_000)], [false, { texts: [] }]);
});

function writes(manager: string, fieldsV1: JsonObject, time: string): ManagedFieldsEntry {
  return { manager, operation: "Update", time, fieldsV1 };
}

const replicas = { "f:spec": { "f:replicas": {} } };
const paused = { "f:spec": { "f:paused": {} } };
for (const { name, live, want } of [
  { name: "nobody of whom nothing is known", live: found, want: "another client changes spec.replicas" },
  { name: "nobody when it was deleted", live: undefined, want: "another client deletes it" },
  {
    name: "who holds the field",
    live: deployment({ replicas: 3 }, [writes("argocd", replicas, "1"), writes("helm", paused, "2")]),
    want: "argocd changes spec.replicas",
  },
  {
    name: "who wrote last when nobody holds it",
    live: deployment({}, [writes("helm", paused, "2"), writes("argocd", paused, "3"), writes(own, replicas, "4")]),
    want: "argocd changes spec.replicas",
  },
  {
    name: "nobody who only writes status",
    live: deployment({ replicas: 3 }, [{ ...writes("kcm", replicas, "3"), subresource: "status" }]),
    want: "another client changes spec.replicas",
  },
  {
    name: "a field that was added",
    live: deployment({ replicas: 1, paused: true }, [writes("kubectl-edit", paused, "1")]),
    want: "kubectl-edit changes spec.paused",
  },
]) {
  test(`Contests names ${name}`, () => {
    const contests = new Contests();
    for (let nowMs = 0; nowMs < 10; nowMs += 1) contests.repaired(wanted, live, { nowMs, own });
    assert.deepEqual(contests.told(10).texts, [`Deployment/b/a: ${want}`]);
  });
}
