import assert from "node:assert/strict";
import { test } from "node:test";
import { apiError, tableClient } from "../../../test/support/table-client.ts";
import { TestClock } from "../../../test/support/test-clock.ts";
import { NoSuchKindError } from "../../client/api-error.ts";
import { formatObjectId } from "../../kube/object-id.ts";
import type { JsonObject, KubeObject } from "../../kube/object.ts";
import type { ManagedObject } from "../inventory.ts";
import { isKept, isOwned } from "../ownership.ts";
import { prune } from "./prune.ts";
import { StillThereError, waitUntilGone } from "./wait-until-gone.ts";

const clock = { sleep: async () => undefined };
const signal = new AbortController().signal;
const ownerLabels = { owner: "flux", "owner/ns": "a" };
const owner = { labels: ownerLabels, namespace: "a" };
const options = { owner, keepAnnotation: "keep" };

function service(name: string, metadata: JsonObject = {}): KubeObject {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace: "a", uid: `uid-${name}`, labels: ownerLabels, ...metadata },
  };
}

function managed(name: string, kind = "Service"): ManagedObject {
  return { group: "", version: "v1", kind, namespace: "a", name };
}

for (const { name, live, action, writes } of [
  {
    name: "deletes what is ours, by its uid and in the background",
    live: [service("x")],
    action: "deleted",
    writes: ['delete Service/a/x {"propagationPolicy":"Background","uid":"uid-x"}'],
  },
  { name: "counts what is gone as deleted", live: [], action: "deleted", writes: [] },
  { name: "keeps what carries none of our labels", live: [service("x", { labels: {} })], action: "kept", writes: [] },
  {
    name: "keeps what carries the labels of another instance",
    live: [service("x", { labels: { ...ownerLabels, "owner/ns": "other" } })],
    action: "kept",
    writes: [],
  },
  {
    name: "keeps what is annotated, in any case",
    live: [service("x", { annotations: { keep: "Disabled" } })],
    action: "kept",
    writes: [],
  },
  {
    name: "deletes what is annotated otherwise",
    live: [service("x", { annotations: { keep: "enabled" } })],
    action: "deleted",
    writes: ['delete Service/a/x {"propagationPolicy":"Background","uid":"uid-x"}'],
  },
]) {
  test(`prune() ${name}`, async () => {
    const client = tableClient(live);
    const id = managed("x");
    const changes = await prune([id], options, { client, clock }, signal);
    assert.deepEqual({ changes, writes: client.writes }, { changes: [{ id, action }], writes });
  });
}

const exactly = 'delete Service/a/x {"propagationPolicy":"Background","uid":"uid-x","resourceVersion":"7"}';
for (const { name, live, action, writes, asked } of [
  {
    name: "deletes what a watch has seen without asking, and only as it was seen",
    live: service("x", { resourceVersion: "7" }),
    action: "deleted",
    writes: [exactly],
    asked: 0,
  },
  {
    name: "asks again about what is different by now, and keeps it if it is to stay",
    live: service("x", { resourceVersion: "8", annotations: { keep: "disabled" } }),
    action: "kept",
    writes: [exactly],
    asked: 1,
  },
  {
    name: "asks again about what was created anew",
    live: service("x", { resourceVersion: "8", uid: "other" }),
    action: "deleted",
    writes: [exactly, exactly.replace("uid-x", "other").replace('"7"', '"8"')],
    asked: 1,
  },
]) {
  test(`prune() ${name}`, async () => {
    let gets = 0;
    const refuse = (verb: string): undefined => void (gets += Number(verb === "get"));
    const client = tableClient([live], { refuse });
    const id = managed("x");
    const seen = new Map([[formatObjectId(id), service("x", { resourceVersion: "7" }).metadata]]);
    const changes = await prune([id], { ...options, live: seen }, { client, clock }, signal);
    assert.deepEqual({ changes, writes: client.writes, gets }, { changes: [{ id, action }], writes, gets: asked });
  });
}

test("prune() asks about what a watch has seen to be kept or going", async () => {
  for (const metadata of [{ labels: {} }, { deletionTimestamp: "2026-01-01T00:00:00Z" }]) {
    const now = service("x", { resourceVersion: "7", ...metadata });
    const client = tableClient([now]);
    const id = managed("x");
    await prune([id], { ...options, live: new Map([[formatObjectId(id), now.metadata]]) }, { client, clock }, signal);
    assert.deepEqual(client.writes, []);
  }
});

for (const { name, now, action } of [
  { name: "keeps what has lost our labels since it was looked at", now: { labels: {} }, action: "kept" },
  {
    name: "keeps what is annotated since it was looked at",
    now: { annotations: { keep: "disabled" } },
    action: "kept",
  },
  { name: "keeps what another client has created anew since", now: { uid: "other", labels: {} }, action: "kept" },
  { name: "deletes what has changed otherwise since", now: { annotations: { colour: "blue" } }, action: "deleted" },
]) {
  test(`prune() ${name}`, async () => {
    const live = service("x", { resourceVersion: "8", ...now });
    const client = tableClient([live]);
    const looks = [service("x", { resourceVersion: "7" }), live];
    const changes = await prune(
      [managed("x")],
      options,
      { client: { ...client, getOrUndefined: async () => looks.shift() }, clock },
      signal,
    );
    assert.deepEqual(
      { changes, left: client.objects() },
      { changes: [{ id: managed("x"), action }], left: action === "kept" ? [live] : [] },
    );
  });
}

test("prune() throws, after ever longer pauses, when an object is another one at each look", async () => {
  const client = tableClient([service("x", { resourceVersion: "other" })]);
  let version = 0;
  const changing = { ...client, getOrUndefined: async () => service("x", { resourceVersion: `${(version += 1)}` }) };
  const pausesMs: number[] = [];
  const deps = { client: changing, clock: { sleep: async (ms: number) => void pausesMs.push(ms) } };
  await assert.rejects(prune([managed("x")], options, deps, signal), apiError(409, "Conflict"));
  assert.equal(client.writes.length, 10);
  assert.deepEqual(pausesMs, [10, 20, 40, 80, 160, 320, 640, 1_000, 1_000]);
});

test("prune() deletes in the foreground where it is asked to", async () => {
  const client = tableClient([service("x")]);
  await prune([managed("x")], { ...options, propagationPolicy: "Foreground" }, { client, clock }, signal);
  assert.deepEqual(client.writes, ['delete Service/a/x {"propagationPolicy":"Foreground","uid":"uid-x"}']);
});

test("prune() deletes kind after kind in the given order", async () => {
  const account: KubeObject = { ...service("y"), kind: "ServiceAccount" };
  const client = tableClient([service("x"), account, service("z")]);
  await prune([managed("y", "ServiceAccount"), managed("z"), managed("x")], options, { client, clock }, signal);
  assert.deepEqual(
    client.writes.map((write) => write.split(" ")[1]),
    ["ServiceAccount/a/y", "Service/a/z", "Service/a/x"],
  );
});

test("prune() tries the others of a kind when one cannot be deleted, and then throws", async () => {
  const forbidden = apiError(403, "Forbidden");
  const client = tableClient([service("x"), service("y")], {
    refuse: (verb, what) => (verb === "delete" && what === "Service/a/x" ? forbidden : undefined),
  });
  await assert.rejects(prune([managed("x"), managed("y")], options, { client, clock }, signal), forbidden);
  assert.deepEqual(client.objects(), [service("x")]);
});

test("prune() throws when it may not look", async () => {
  const forbidden = apiError(403, "Forbidden");
  const client = tableClient([service("x")], { refuse: (verb) => (verb === "get" ? forbidden : undefined) });
  await assert.rejects(prune([managed("x")], options, { client, clock }, signal), forbidden);
});

for (const { name, metadata, want } of [
  { name: "one with both labels", metadata: { labels: ownerLabels }, want: true },
  { name: "one with more labels", metadata: { labels: { ...ownerLabels, more: "1" } }, want: true },
  { name: "one with one of the labels", metadata: { labels: { owner: "flux" } }, want: false },
  { name: "one without labels", metadata: { labels: {} }, want: false },
  { name: "one of a tenant with copied labels", metadata: { namespace: "b", labels: ownerLabels }, want: false },
] satisfies readonly { name: string; metadata: Partial<KubeObject["metadata"]>; want: boolean }[]) {
  test(`isOwned() says ${want} to ${name}`, () => assert.equal(isOwned(service("x", metadata), owner), want));
}

test("isOwned() says true to what has no namespace", () =>
  assert.equal(isOwned({ metadata: { name: "x", labels: ownerLabels } }, owner), true));

for (const { annotations, want } of [
  { annotations: { keep: "disabled" }, want: true },
  { annotations: { keep: "DISABLED" }, want: true },
  { annotations: { keep: "true" }, want: false },
  { annotations: {}, want: false },
]) {
  test(`isKept() says ${want} to annotations ${JSON.stringify(annotations)}`, () =>
    assert.equal(isKept(service("x", { annotations }), "keep"), want));
}

const gone = { owner, timeoutMs: 1_000 };

for (const { name, objects, client } of [
  {
    name: "asks nothing about nothing",
    objects: [],
    client: tableClient([], { refuse: () => apiError(500, "Asked") }),
  },
  { name: "is done when nothing is listed", objects: [managed("x")], client: tableClient([service("y")]) },
  {
    name: "takes a kind that is not served any more for gone",
    objects: [managed("x", "Gone")],
    client: tableClient([], { refuse: () => new NoSuchKindError("Gone") }),
  },
  {
    name: "takes a kind whose definition goes (404) for gone",
    objects: [managed("x")],
    client: tableClient([], { refuse: () => apiError(404, "NotFound") }),
  },
]) {
  test(`waitUntilGone() ${name}`, async () => {
    const clock = new TestClock();
    await waitUntilGone(objects, gone, { client, clock }, signal);
    assert.deepEqual(clock.sleepingMs(), []);
  });
}

test("waitUntilGone() looks again until all are gone", async () => {
  const clock = new TestClock();
  const client = tableClient([service("x"), service("y")]);
  let isDone = false;
  const wait = waitUntilGone([managed("x"), managed("y")], gone, { client, clock }, signal).then(() => (isDone = true));
  await client.delete({ gvk: managed("x"), key: managed("x") }, {}, signal);
  await clock.advance(500);
  assert.equal(isDone, false);
  await client.delete({ gvk: managed("y"), key: managed("y") }, {}, signal);
  await clock.advance(150);
  await wait;
  assert.equal(isDone, true);
});

test("waitUntilGone() names what is still there and the finalizers that hold it, sorted, when the time is over", async () => {
  const clock = new TestClock();
  const client = tableClient([service("z"), service("x", { finalizers: ["example.com/a", "example.com/b"] })]);
  const wait = waitUntilGone([managed("z"), managed("x")], gone, { client, clock }, signal);
  const refused = assert.rejects(
    wait,
    (thrown) =>
      thrown instanceof StillThereError &&
      thrown.retry === "backoff" &&
      thrown.message ===
        "Waiting for these objects to be deleted: Service/a/x (held by finalizer example.com/a, example.com/b), Service/a/z",
  );
  await clock.advance(2_000);
  await refused;
});

test("waitUntilGone() throws when it may not list", async () => {
  const forbidden = apiError(403, "Forbidden");
  const client = tableClient([], { refuse: () => forbidden });
  await assert.rejects(waitUntilGone([managed("x")], gone, { client, clock: new TestClock() }, signal), forbidden);
});

test("waitUntilGone() ends with the signal's reason", async () => {
  const stop = new AbortController();
  const reason = new Error("stop");
  const wait = waitUntilGone(
    [managed("x")],
    gone,
    { client: tableClient([service("x")]), clock: new TestClock() },
    stop.signal,
  );
  stop.abort(reason);
  await assert.rejects(wait, reason);
});
