import assert from "node:assert/strict";
import { test } from "node:test";
import { installer } from "../../../test/support/installer.ts";
import { apiError } from "../../../test/support/table-client.ts";
import { TestClock } from "../../../test/support/test-clock.ts";
import { ConnectionError, NoSuchKindError } from "../../client/api-error.ts";
import { formatObjectId, objectIdOf } from "../../kube/object-id.ts";
import type { KubeObject } from "../../kube/object.ts";
import { Ledger } from "../ledger.ts";
import type { PlannedObject } from "../planned-object.ts";
import { planApply, planBlind, PlanError, type PlanDeps } from "./plan-apply.ts";

const signal = new AbortController().signal;

function wanted(name: string): KubeObject {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace: "a" }, data: { of: name } };
}

function asLive(object: KubeObject, data = object["data"]): KubeObject {
  return { ...object, metadata: { ...object.metadata, uid: "1", resourceVersion: "5" }, data: data ?? {} };
}

type Server = {
  readonly live?: readonly KubeObject[];
  /** What is thrown at the dry-run of the object of that name. */
  readonly refuse?: { readonly [name: string]: Error };
};

/** Answers a dry-run as server-side apply does: what it would store, with a resourceVersion if there is an object already. */
function depsOf({ live = [], refuse = {} }: Server): PlanDeps & { readonly asked: string[] } {
  const asked: string[] = [];
  const find = (name: string): KubeObject | undefined => live.find((object) => object.metadata.name === name);
  return {
    asked,
    installer,
    ledger: new Ledger(),
    client: {
      getOrUndefined: async (_gvk, { name }) => find(name),
      patch: () => Promise.reject(new Error("nothing is taken from others")),
      apply: async (object, options) => {
        assert.equal(options.dryRun, true, "a plan writes nothing");
        const { name } = object.metadata;
        asked.push(name);
        const error = refuse[name];
        if (error !== undefined) throw error;
        const found = find(name);
        if (found === undefined) return { ...object, metadata: { ...object.metadata, uid: "new" } };
        return { ...found, data: object["data"] ?? {} };
      },
    },
  };
}

function metadataOf(objects: readonly KubeObject[]): ReadonlyMap<string, KubeObject["metadata"]> {
  return new Map(objects.map((object) => [formatObjectId(objectIdOf(object)), object.metadata]));
}

async function plan(objects: readonly KubeObject[], server: Server, isKnown: boolean): Promise<readonly string[]> {
  const live = metadataOf(isKnown ? (server.live ?? []) : []);
  const planned = await planApply({ objects }, live, depsOf(server), signal);
  return planned.map(({ object, action }) => `${object.metadata.name} ${action}`);
}

/** What the plan brings itself, so that something may be missing without it. */
const brought: readonly KubeObject[] = [
  {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: "configmaps" },
    spec: { group: "", names: { kind: "ConfigMap" }, versions: [{ name: "v1", served: true, storage: true }] },
  },
  { apiVersion: "v1", kind: "Namespace", metadata: { name: "a" } },
];
const edited = asLive(wanted("x"), { of: "somebody" });
for (const { name, server, want } of [
  { name: "creates what is not there", server: {}, want: "create" },
  { name: "configures what would change", server: { live: [edited] }, want: "configure" },
  { name: "leaves alone what would not", server: { live: [asLive(wanted("x"))] }, want: "unchanged" },
  {
    name: "is blind to a kind that is not served yet",
    server: { refuse: { x: new NoSuchKindError("ConfigMap") } },
    want: "blind",
  },
  {
    name: "is blind to a namespace that does not exist yet",
    server: { refuse: { x: apiError(404, "NotFound", 'namespaces "a" not found') } },
    want: "blind",
  },
]) {
  for (const isKnown of [true, false]) {
    test(`planApply() ${name}, ${isKnown ? "as the watches know" : "unknown to the watches"}`, async () =>
      assert.equal((await plan([wanted("x"), ...brought], server, isKnown))[0], `x ${want}`));
  }
}

test("planApply() keeps the order of the objects", async () => {
  const server = { live: [asLive(wanted("b")), asLive(wanted("c"), { of: "somebody" })] };
  const objects = ["c", "a", "b"].map(wanted);
  assert.deepEqual(await plan(objects, server, false), ["c configure", "a create", "b unchanged"]);
});

test("planApply() does not ask about what the ledger vouches for, also after it has found it unchanged itself", async () => {
  const live = asLive(wanted("x"));
  const deps = depsOf({ live: [live] });
  const object = wanted("x");
  await planApply({ objects: [object] }, metadataOf([live]), deps, signal);
  const again = await planApply({ objects: [object] }, metadataOf([live]), deps, signal);
  assert.deepEqual({ action: again[0]?.action, asked: deps.asked }, { action: "unchanged", asked: ["x"] });
});

test("planApply() asks again about what somebody has written since", async () => {
  const live = asLive(wanted("x"));
  const deps = depsOf({ live: [live] });
  await planApply({ objects: [wanted("x")] }, metadataOf([live]), deps, signal);
  const moved = { ...live, metadata: { ...live.metadata, resourceVersion: "6" } };
  await planApply({ objects: [wanted("x")] }, metadataOf([moved]), deps, signal);
  assert.deepEqual(deps.asked, ["x", "x"]);
});

test("planApply() does not vouch for what it would change", async () => {
  const deps = depsOf({ live: [edited] });
  const object = wanted("x");
  await planApply({ objects: [object] }, metadataOf([edited]), deps, signal);
  assert.equal(deps.ledger.isUnchanged(object, edited.metadata), false);
});

const invalid = apiError(422, "Invalid", "data: Invalid value");
for (const { name, refuse, message } of [
  {
    name: "names the object that is refused",
    refuse: { x: invalid },
    message: "Cannot apply ConfigMap/a/x: the API server refuses it: data: Invalid value; nothing was changed",
  },
  {
    name: "says what the server answered when it gave no message",
    refuse: { x: apiError(422, "Invalid", "") },
    message:
      "Cannot apply ConfigMap/a/x: the API server refuses it: Cannot ask: API server answered 422; nothing was changed",
  },
]) {
  test(`planApply() ${name}`, async () =>
    await assert.rejects(
      plan(["w", "x", "y", "z"].map(wanted), { refuse }, false),
      (thrown) =>
        thrown instanceof PlanError &&
        thrown.message === message &&
        thrown.reason === "ReconciliationFailed" &&
        thrown.retry === "backoff",
    ));
}

for (const { name, error } of [
  { name: "kind", error: new NoSuchKindError("ConfigMap") },
  { name: "namespace", error: apiError(404, "NotFound", 'namespaces "a" not found') },
]) {
  test(`planApply() refuses an object whose ${name} is neither there nor in the plan`, async () => {
    const deps = depsOf({ refuse: { x: error } });
    await assert.rejects(
      planApply({ objects: [wanted("x")] }, new Map(), deps, signal),
      /^PlanError: Cannot apply ConfigMap\/a\/x/,
    );
  });
}

test("planApply() asks about all objects, and tells the first refusal by name and how many more there are", async () => {
  const deps = depsOf({
    refuse: { z: apiError(400, "BadRequest", "z is bad"), b: invalid, y: apiError(409, "Conflict", "y is taken") },
  });
  await assert.rejects(
    planApply({ objects: ["z", "y", "b", "a"].map(wanted) }, new Map(), deps, signal),
    (thrown) =>
      thrown instanceof PlanError &&
      thrown.cause === invalid &&
      thrown.message ===
        "Cannot apply ConfigMap/a/b: the API server refuses it: data: Invalid value (and 2 more); nothing was changed",
  );
  assert.deepEqual(deps.asked.toSorted(), ["a", "b", "y", "z"]);
});

for (const { name, error } of [
  { name: "a permission that we lack", error: apiError(403, "Forbidden") },
  { name: "credentials that are not accepted", error: apiError(401, "Unauthorized") },
  { name: "too many requests", error: apiError(429, "TooManyRequests") },
  { name: "a server that is slow", error: apiError(408, "Timeout") },
  { name: "a webhook that does not answer", error: apiError(500, "InternalError") },
  { name: "a server that is away", error: new ConnectionError("apply", "refused") },
]) {
  test(`planApply() takes ${name} for no verdict about the object`, async () =>
    await assert.rejects(plan([wanted("x"), wanted("y")], { refuse: { x: error } }, false), error));
}

test("planApply() throws when it may not read", async () => {
  const forbidden = apiError(403, "Forbidden");
  const live = asLive(wanted("x"));
  const deps = depsOf({ live: [live] });
  const client = { ...deps.client, getOrUndefined: () => Promise.reject(forbidden) };
  await assert.rejects(
    planApply({ objects: [wanted("x")] }, metadataOf([live]), { ...deps, client }, signal),
    forbidden,
  );
});

const custom: KubeObject = {
  apiVersion: "example.com/v1",
  kind: "Thing",
  metadata: { name: "x", namespace: "a" },
  spec: { b: 1 },
};
const definesThing: KubeObject = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "things.example.com" },
  spec: {
    group: "example.com",
    names: { kind: "Thing" },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: "object", properties: { spec: { type: "object" } } } },
      },
    ],
  },
};

test("planApply() holds what it is blind to to the definition that the plan brings", async () => {
  const server = { refuse: { x: new NoSuchKindError("Thing") } };
  await assert.rejects(plan([definesThing, custom], server, false), {
    name: "PlanError",
    message:
      "Cannot apply Thing/a/x: its CRD in this version of Flux refuses it: spec.b is no field of this version; nothing was changed",
  });
});

const blind: readonly PlannedObject[] = [{ object: custom, action: "blind" }];
for (const { name, planned = blind, answers, want } of [
  { name: "asks about custom resources that were blind", answers: [], want: 1 },
  {
    name: "leaves built-in kinds, whose namespace is still to come",
    planned: [{ object: wanted("x"), action: "blind" }] as const,
    answers: [],
    want: 0,
  },
  {
    name: "asks again until the kind is served",
    answers: [new NoSuchKindError("Thing"), new NoSuchKindError("Thing")],
    want: 3,
  },
  { name: "stays blind where the namespace is still to come", answers: [apiError(404, "NotFound")], want: 1 },
  {
    name: "stops where the API server refuses one",
    answers: [apiError(422, "Invalid", "spec: wrong")],
    want: "Cannot apply Thing/a/x: the API server refuses it: spec: wrong; only CRDs were changed",
  },
]) {
  test(`planBlind() ${name}`, async () => {
    const clock = new TestClock();
    const left = [...answers];
    let asked = 0;
    const apply: PlanDeps["client"]["apply"] = async (object, options) => {
      assert.equal(options.dryRun, true);
      asked += 1;
      const error = left.shift();
      if (error !== undefined) throw error;
      return object;
    };
    const client = { ...depsOf({}).client, apply };
    const run = planBlind(planned, { client, clock, installer }, signal);
    if (typeof want === "string") {
      await assert.rejects(run, { name: "LatePlanError", message: want });
      return;
    }
    await clock.advance(1_000);
    await run;
    assert.equal(asked, want);
  });
}
