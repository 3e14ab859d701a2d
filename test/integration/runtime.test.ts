import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { Ledger } from "../../src/apply/ledger.ts";
import { waitUntilReady } from "../../src/apply/health/wait.ts";
import { createApiClient, type OwnedApiClient } from "../../src/client/create-client.ts";
import type { JsonObject, KubeObject, ObjectKey } from "../../src/kube/object.ts";
import { createEventRecorder } from "../../src/runtime/events.ts";
import { createInformer, type Informer, type InformerOptions, type ObjectChange } from "../../src/runtime/informer.ts";
import {
  LeadershipLostError,
  createLeaderElection,
  type LeaderElection,
  type LeaderElectionOptions,
} from "../../src/runtime/leader-election.ts";
import { systemClock } from "../../src/std/clock.ts";
import { installer } from "../support/installer.ts";
import { startControlPlane, type ControlPlane } from "../support/control-plane.ts";
import { TestClock } from "../support/test-clock.ts";
import { createTestLog, type LogLine } from "../support/test-log.ts";
import { startWireProxy, type SeenRequest, type WireProxy } from "../support/wire-proxy.ts";

const fieldManager = "flux-operator";
const namespace = "default";
const configMaps = { group: "", version: "v1", kind: "ConfigMap" };
const never = new AbortController().signal;
const watched = "watched=1";

let plane: ControlPlane;
let proxy: WireProxy;
/** Through the proxy: what is under test. */
let client: OwnedApiClient;
/** Straight to the API server: what the test does to the world. */
let world: OwnedApiClient;

before(async () => {
  plane = await startControlPlane({ variant: "light" });
  world = clientOf(plane.server, plane.caPem);
});
after(async () => {
  await world.close();
  await plane.stop();
});
beforeEach(async (context) => {
  await plane.reset();
  const fresh = await startWireProxy(plane);
  const through = clientOf(fresh.server);
  [proxy, client] = [fresh, through];
  if ("after" in context) context.after(async () => void (await Promise.all([through.close(), fresh.stop()])));
});

function clientOf(server: string, ca?: string): OwnedApiClient {
  const tls = { insecure: false, ...(ca === undefined ? {} : { ca }) };
  const connection = { server, namespace, tls: async () => tls, authorization: async () => `Bearer ${plane.token}` };
  return createApiClient({ connection, userAgent: "flux-operator/test", clock: systemClock });
}

async function put(name: string, n: number): Promise<void> {
  const metadata = { name, namespace, labels: { watched: "1" } };
  await world.apply({ apiVersion: "v1", kind: "ConfigMap", metadata, data: { n: `${n}` } }, { fieldManager }, never);
}

async function remove(name: string): Promise<void> {
  await world.delete({ gvk: configMaps, key: { namespace, name } }, {}, never);
}

async function eventually(holds: () => boolean | Promise<boolean>, what = "it"): Promise<void> {
  for (let left = 400; left > 0; left -= 1) {
    if (await holds()) return;
    await systemClock.sleep(25, never);
  }
  throw new Error(`${what} did not happen within 10 s`);
}

type Watching = AsyncDisposable & {
  readonly informer: Informer;
  readonly changes: string[];
  readonly keys: readonly ObjectKey[];
  readonly lines: readonly LogLine[];
  readonly corrections: readonly number[];
};

const quick = { backoff: { baseMs: 50, maxMs: 200 }, idleMs: 1_000, watchTimeoutMs: 60_000, goodWatchMs: 10_000 };

function watchConfigMaps(more: Partial<InformerOptions> = {}): Watching {
  const changes: string[] = [];
  const keys: ObjectKey[] = [];
  const corrections: number[] = [];
  const { log, lines } = createTestLog();
  const keysOf = (change: ObjectChange): readonly ObjectKey[] => {
    const { name, namespace: where = "" } = change.object.metadata;
    changes.push(`${change.kind} ${name}`);
    return [{ namespace: where, name }];
  };
  const informer = createInformer({
    client,
    gvk: configMaps,
    selection: { labelSelector: watched },
    routes: [{ queue: { add: (key) => void keys.push(key) }, keysOf }],
    onCorrections: (count) => void corrections.push(count),
    log,
    clock: systemClock,
    random: Math.random,
    limits: quick,
    ...more,
  });
  const abort = new AbortController();
  const ended = informer.run(abort.signal);
  const stop = async (): Promise<void> => {
    abort.abort(new Error("test is over"));
    await ended;
  };
  return { informer, changes, keys, lines, corrections, [Symbol.asyncDispose]: stop };
}

function contents({ informer }: Watching): readonly string[] {
  return informer
    .list()
    .map(({ metadata, data }) => `${metadata.name}=${JSON.stringify(data)}`)
    .toSorted();
}

test("informer follows the world and only hands out keys", async () => {
  await put("a", 1);
  await using watching = watchConfigMaps();
  await watching.informer.synced(AbortSignal.timeout(5_000));
  await put("b", 1);
  await put("a", 2);
  await remove("b");
  await eventually(() => watching.changes.length === 4);
  assert.deepEqual(watching.changes, ["added a", "added b", "updated a", "deleted b"]);
  assert.deepEqual(
    watching.keys,
    ["a", "b", "a", "b"].map((name) => ({ namespace, name })),
  );
  assert.deepEqual(contents(watching), ['a={"n":"2"}']);
  assert.equal(watching.informer.get({ namespace, name: "a" })?.metadata.managedFields, undefined);
  assert.ok(watching.informer.silentMs() < 5_000);
});

test("informer can hold metadata only", async () => {
  await put("a", 1);
  await using watching = watchConfigMaps({ selection: { labelSelector: watched, metadataOnly: true } });
  await watching.informer.synced(AbortSignal.timeout(5_000));
  await put("b", 1);
  await eventually(() => watching.changes.length === 2);
  assert.deepEqual(
    watching.informer.list().map(({ kind, metadata, data }) => [kind, metadata.name, data]),
    ["a", "b"].map((name) => ["ConfigMap", name, undefined]),
  );
});

for (const { name, fault, times } of [
  { name: "503 without a word", times: 3, fault: { kind: "answer", status: 503 } },
  {
    name: "403",
    times: 3,
    fault: {
      kind: "answer",
      status: 403,
      body: JSON.stringify({ kind: "Status", code: 403, reason: "Forbidden", message: "no" }),
    },
  },
  { name: "429 with Retry-After", times: 1, fault: { kind: "answer", status: 429, headers: { "retry-after": "1" } } },
  {
    name: "a page of HTML with status 200",
    times: 3,
    fault: { kind: "answer", status: 200, body: "<html>welcome</html>" },
  },
  { name: "a reset connection", times: 3, fault: { kind: "reset" } },
] as const) {
  test(`informer lists until it may, after ${name}`, async () => {
    await put("a", 1);
    proxy.inject({ path: "/configmaps", fault, times });
    await using watching = watchConfigMaps();
    await watching.informer.synced(AbortSignal.timeout(10_000));
    assert.deepEqual(contents(watching), ['a={"n":"1"}']);
  });

  test(`informer goes on watching after ${name}, and misses nothing`, async () => {
    await put("a", 1);
    proxy.inject({ path: "watch=true", fault, times });
    await using watching = watchConfigMaps();
    await watching.informer.synced(AbortSignal.timeout(5_000));
    await put("b", 1);
    await eventually(() => watching.changes.length === 2, "the event");
    assert.deepEqual(watching.changes, ["added a", "added b"]);
  });
}

test("informer whose watch is cut in the middle of an event gets that event whole", async () => {
  await using watching = watchConfigMaps({});
  proxy.inject({ path: "watch=true", fault: { kind: "cut", afterBytes: 700 } });
  await watching.informer.synced(AbortSignal.timeout(5_000));
  for (const n of [1, 2, 3]) await put(`c-${n}`, n);
  await eventually(() => watching.informer.list().length === 3, "the third object");
  assert.deepEqual(watching.changes, ["added c-1", "added c-2", "added c-3"]);
  // The new list may have the last of them before another watch is asked for.
  assert.equal(proxy.requests.filter(({ path }) => path.includes("limit=")).length, 2, "it was cut, and listed anew");
});

test("informer gives up a silent watch and opens another", async () => {
  proxy.inject({ path: "watch=true", fault: { kind: "stall", afterBytes: 0 } });
  await using watching = watchConfigMaps();
  await watching.informer.synced(AbortSignal.timeout(5_000));
  await put("a", 1);
  await eventually(() => watching.changes.length === 1, "the event");
  assert.ok(watching.lines.some(({ error }) => String(error).includes("nothing received for 1 s")));
});

test("informer lists anew when its version is gone, and tells what was deleted meanwhile", async () => {
  await put("stays", 1);
  await put("goes", 1);
  const later = { kind: "answer", status: 429 } as const;
  proxy.inject({ path: "watch=true", fault: later, times: Number.POSITIVE_INFINITY });
  await using watching = watchConfigMaps();
  await eventually(() => proxy.requests.some(({ path }) => path.includes("watch=true")), "the watch");
  await remove("goes");
  await put("comes", 1);
  await put("stays", 2);
  const gone = {
    type: "ERROR",
    object: { kind: "Status", code: 410, reason: "Expired", message: "too old resource version" },
  };
  proxy.heal();
  proxy.inject({ path: "watch=true", fault: { kind: "answer", status: 200, body: `${JSON.stringify(gone)}\n` } });
  await eventually(() => watching.corrections.length === 1, "the new list");
  assert.deepEqual(watching.changes.slice(2).toSorted(), ["added comes", "deleted goes", "updated stays"]);
  assert.deepEqual(watching.corrections, [3]);
  const lists = proxy.requests.filter(({ path }) => path.includes("limit=")).length;
  assert.equal(lists, 2, "it did not list because it had to wait");
  await put("later", 1);
  await eventually(() => watching.changes.at(-1) === "added later", "the next event");
});

test("informer that never gets an answer stays calm", async () => {
  proxy.inject({ fault: { kind: "answer", status: 503 }, times: 1_000 });
  await using watching = watchConfigMaps({ limits: { ...quick, backoff: { baseMs: 100, maxMs: 1_000 } } });
  await systemClock.sleep(2_000, never);
  assert.equal(watching.informer.hasSynced, false);
  assert.ok(proxy.requests.length >= 3 && proxy.requests.length <= 8, `${proxy.requests.length} requests in 2 s`);
  assert.ok(watching.informer.silentMs() < 2_000, "an answer of any kind is a sign of life");
});

for (const { name, body } of [
  { name: "end at once", body: "" },
  {
    name: "are told that their version is gone",
    body: `${JSON.stringify({ type: "ERROR", object: { kind: "Status", code: 410, reason: "Expired", message: "old" } })}\n`,
  },
  { name: "break", body: '{"type":' },
]) {
  test(`a wait for health stays calm while its watches ${name}`, async () => {
    proxy.inject({ path: "watch=true", fault: { kind: "answer", status: 200, body }, times: 10_000 });
    const labels = { watched: "1" };
    const template = { metadata: { labels }, spec: { containers: [{ name: "manager", image: "a:v1" }] } };
    const deployment: KubeObject = {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "a", namespace, labels },
      spec: { selector: { matchLabels: labels }, template },
    };
    await world.apply(deployment, { fieldManager }, never);
    const options = { timeoutMs: 2_500, labelSelector: watched, interrupt: never };
    const deps = { client, clock: systemClock, installer, ledger: new Ledger() };
    const result = await waitUntilReady([deployment], options, deps, never);
    const lists = seen(({ path }) => path.includes("limit="));
    assert.deepEqual(
      [result.kind, lists >= 6 && lists <= 12],
      ["timeout", true],
      `${lists} lists of three kinds in 2.5 s`,
    );
  });
}

test("informer of a kind that is not installed waits for it", async () => {
  const gvk = { group: "later.example.com", version: "v1", kind: "Thing" };
  await using watching = watchConfigMaps({ gvk, selection: {} });
  await eventually(() => proxy.requests.length >= 2);
  assert.equal(watching.informer.hasSynced, false);
  const schema = { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } };
  const names = { kind: "Thing", plural: "things", singular: "thing", listKind: "ThingList" };
  const versions = [{ name: "v1", served: true, storage: true, schema }];
  const crd: KubeObject = {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: "things.later.example.com" },
    spec: { group: gvk.group, scope: "Namespaced", names, versions },
  };
  await world.apply(crd, { fieldManager }, never);
  await watching.informer.synced(AbortSignal.timeout(10_000));
});

test("event recorder writes what happened, counts what repeats, and survives refusals", async () => {
  const { log, lines } = createTestLog();
  const recorder = createEventRecorder({
    client,
    component: "flux-operator",
    log,
    clock: systemClock,
    random: Math.random,
  });
  const abort = new AbortController();
  const ended = recorder.run(abort.signal);
  await put("subject", 1);
  const subject = await world.get(configMaps, { namespace, name: "subject" }, never);
  const note = {
    type: "Normal",
    reason: "Progressing",
    message: "Installing revision v2.2.3",
    annotations: { "a.b/revision": "v2.2.3" },
  } as const;
  const events = async (): Promise<readonly KubeObject[]> =>
    (
      await world.list(
        { group: "", version: "v1", kind: "Event" },
        { namespace, fieldSelector: "involvedObject.name=subject" },
        never,
      )
    ).items;
  recorder.record(subject, note);
  await eventually(async () => (await events()).length === 1, "the event");
  proxy.inject({ method: "PATCH", path: "/events/", fault: { kind: "answer", status: 500 } });
  recorder.record(subject, note);
  recorder.record(subject, note);
  recorder.record(subject, { ...note, type: "Warning", reason: "BuildFailed" });
  recorder.record({ ...subject, metadata: { ...subject.metadata, namespace: "absent" } }, note);
  await eventually(
    async () => (await events()).length === 2 && lines.some(({ message }) => message === "Event refused"),
    "the others",
  );
  recorder.record(subject, note);
  abort.abort();
  await ended;
  const ofType = async (type: string): Promise<KubeObject | undefined> =>
    (await events()).find((event) => event["type"] === type);
  const [first, second] = [await ofType("Normal"), await ofType("Warning")];
  assert.deepEqual(
    [first, second].map((event) => [
      event?.["type"],
      event?.["reason"],
      event?.["message"],
      event?.["count"],
      event?.["reportingComponent"],
    ]),
    [
      ["Normal", "Progressing", note.message, 4, "flux-operator"],
      ["Warning", "BuildFailed", note.message, 1, "flux-operator"],
    ],
  );
  assert.deepEqual(first?.metadata.annotations, note.annotations);
  assert.deepEqual(
    lines.filter(({ level }) => level === "error"),
    [],
  );
});

type Candidate = {
  readonly election: LeaderElection;
  readonly ended: Promise<void>;
  readonly abort: AbortController;
  readonly turns: boolean[];
};

const lease: ObjectKey = { namespace, name: "flux-operator" };
const leases = { group: "coordination.k8s.io", version: "v1", kind: "Lease" };

function candidate(identity: string, more: Partial<LeaderElectionOptions> = {}): Candidate {
  const turns: boolean[] = [];
  const { log } = createTestLog();
  const onChange = (leading: boolean): void => void turns.push(leading);
  const options = {
    client,
    lease,
    identity,
    fieldManager,
    clock: systemClock,
    log,
    onChange,
    leaseMs: 3_000,
    renewMs: 2_000,
    retryMs: 200,
  };
  const election = createLeaderElection({ ...options, ...more });
  const abort = new AbortController();
  const ended = election.run(abort.signal);
  ended.catch(() => undefined);
  return { election, ended, abort, turns };
}

/** Waits until the lease was renewed so many times. */
async function renewals(count: number): Promise<void> {
  const before = seen(isPut);
  await eventually(() => seen(isPut) >= before + count, "a renewal");
}

function seen(is: (request: SeenRequest) => boolean): number {
  return proxy.requests.filter(is).length;
}

function isPut({ method }: SeenRequest): boolean {
  return method === "PUT";
}

function isWatch({ path }: SeenRequest): boolean {
  return path.includes("watch=true");
}

/** Answered once, other than a watch. */
function isQuestion(request: SeenRequest): boolean {
  return !isWatch(request);
}

async function holder(): Promise<unknown> {
  const live = await world.getOrUndefined(leases, lease, never);
  return typeof live?.["spec"] === "object" && live["spec"] !== null && "holderIdentity" in live["spec"]
    ? live["spec"].holderIdentity
    : undefined;
}

test("leader election lets one lead, and the next at once when that one leaves", async () => {
  const one = candidate("one");
  await one.election.elected(AbortSignal.timeout(5_000));
  const two = candidate("two");
  await systemClock.sleep(1_000, never);
  assert.deepEqual([one.election.isLeading(), two.election.isLeading(), await holder()], [true, false, "one"]);
  one.abort.abort(new Error("leaving"));
  await one.ended;
  assert.equal(one.election.isLeading(), false);
  await two.election.elected(AbortSignal.timeout(20_000));
  assert.deepEqual([await holder(), one.turns, two.turns], ["two", [true, false], [true]]);
  two.abort.abort(new Error("leaving"));
  await two.ended;
  assert.equal(await holder(), "");
});

test("leader election keeps the lease at its end when it is not to be given up", async () => {
  const one = candidate("one", { releaseOnCancel: false });
  await one.election.elected(AbortSignal.timeout(5_000));
  one.abort.abort(new Error("leaving"));
  await one.ended;
  assert.deepEqual([await holder(), one.turns], ["one", [true, false]]);
  await world.delete({ gvk: leases, key: lease }, {}, never);
});

for (const { name, break: breakWatch, retryMs } of [
  { name: "watches the lease", break: () => undefined, retryMs: 60_000 },
  {
    name: "asks for the lease where it may not watch it",
    break: () => proxy.inject({ path: /leases.*watch=true/, fault: { kind: "answer", status: 403 }, times: 1_000 }),
    retryMs: 300,
  },
  {
    name: "asks for the lease where its watches end at once",
    break: () => proxy.inject({ path: /leases.*watch=true/, fault: { kind: "answer", status: 200 }, times: 1_000 }),
    retryMs: 300,
  },
]) {
  test(`leader election ${name} while it stands by, and leads at the end of the other`, async () => {
    const one = candidate("one");
    await one.election.elected(AbortSignal.timeout(5_000));
    breakWatch();
    const two = candidate("two", { retryMs });
    await eventually(() => seen(isWatch) >= (retryMs > 1_000 ? 1 : 2), "the watch");
    await renewals(3);
    assert.deepEqual([two.election.isLeading(), two.election.hasHeard], [false, true]);
    one.abort.abort(new Error("leaving"));
    await one.ended;
    await two.election.elected(AbortSignal.timeout(20_000));
    assert.ok(seen(isWatch) < 10, `${seen(isWatch)} watches`);
    two.abort.abort(new Error("leaving"));
    await two.ended;
  });
}

test("leader election that stands by takes over after the lease of a leader that was killed, though its watch is silent", async () => {
  const one = candidate("one", { releaseOnCancel: false });
  await one.election.elected(AbortSignal.timeout(5_000));
  const two = candidate("two", { retryMs: 60_000 });
  await eventually(() => proxy.requests.some(({ path }) => path.includes("watch=true")), "the watch");
  proxy.inject({ path: "watch=true", fault: { kind: "blackhole" }, times: 1_000 });
  proxy.cutAll();
  await renewals(2);
  one.abort.abort(new Error("killed"));
  await one.ended;
  const diedMs = performance.now();
  await two.election.elected(AbortSignal.timeout(10_000));
  const leaderlessMs = performance.now() - diedMs;
  assert.ok(leaderlessMs > 1_500, `nobody led for ${leaderlessMs} ms`);
  two.abort.abort(new Error("leaving"));
  await two.ended;
});

test("leader election takes over from one that died, after its lease and not before", async () => {
  const spec = {
    holderIdentity: "dead",
    leaseDurationSeconds: 2,
    leaseTransitions: 4,
    renewTime: "2020-01-01T00:00:00.000000Z",
  };
  const dead: KubeObject = { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: lease, spec };
  await world.create(dead, { fieldManager }, never);
  const startedMs = performance.now();
  const next = candidate("next");
  await next.election.elected(AbortSignal.timeout(10_000));
  assert.ok(performance.now() - startedMs >= 2_000, "others' clocks are not trusted");
  const live = await world.get(leases, lease, never);
  assert.deepEqual(
    Object.entries(live["spec"] ?? {}).filter(([field]) => field === "leaseTransitions"),
    [["leaseTransitions", 5]],
  );
  next.abort.abort();
  await next.ended;
});

test("leader election keeps the lease while the API server takes its time, and renews by one PUT", async () => {
  const clock = new TestClock(1_000);
  const one = candidate("one", { clock, leaseMs: 35_000, renewMs: 30_000, retryMs: 5_000 });
  await one.election.elected(AbortSignal.timeout(5_000));
  const asked = seen(isQuestion);
  const answer = Promise.withResolvers<void>();
  proxy.inject({ path: "/leases/", fault: { kind: "hold", until: answer.promise } });
  await clock.advance(5_000);
  await eventually(() => seen(isQuestion) > asked, "the renewal");
  await clock.advance(20_000);
  assert.deepEqual([one.election.isLeading(), seen(isQuestion) - asked], [true, 1]);
  answer.resolve();
  await eventually(async () => {
    await clock.advance(0);
    return seen(isQuestion) === asked + 2;
  }, "the next renewal");
  const methods = proxy.requests
    .filter(isQuestion)
    .slice(asked)
    .map(({ method }) => method);
  assert.deepEqual(methods, ["PUT", "PUT"]);
  one.abort.abort(new Error("leaving"));
  await one.ended;
});

test("leader election renews after a PUT whose answer was lost", async () => {
  const one = candidate("one");
  await one.election.elected(AbortSignal.timeout(5_000));
  const turns = proxy.requests.length;
  proxy.inject({ method: "PUT", fault: { kind: "cut", afterBytes: 10 } });
  await eventually(() => proxy.requests.slice(turns).filter(isPut).length >= 4, "renewals");
  assert.deepEqual([one.election.isLeading(), one.turns], [true, [true]]);
  one.abort.abort(new Error("leaving"));
  await one.ended;
});

test("leader election is lost, and writes are refused, when the API server is out of reach for too long", async () => {
  const one = candidate("one");
  await one.election.elected(AbortSignal.timeout(5_000));
  const writer = world.guardWrites(() => one.election.assertLeading());
  const object: KubeObject = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "x", namespace } };
  await writer.apply(object, { fieldManager }, never);
  proxy.inject({ fault: { kind: "blackhole" }, times: 1_000 });
  await assert.rejects(one.ended, LeadershipLostError);
  await assert.rejects(writer.apply(object, { fieldManager }, never), LeadershipLostError);
  assert.equal((await writer.get(configMaps, { namespace, name: "x" }, never)).metadata.name, "x");
  assert.deepEqual(one.turns, [true, false]);
});

test("leader election goes on with who leads when the lease goes with its namespace, and lets others in after a lease", async () => {
  const ending: ObjectKey = { namespace: "ending", name: "flux-operator" };
  const gvk = { group: "", version: "v1", kind: "Namespace" };
  await world.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: "ending" } }, { fieldManager }, never);
  const one = candidate("one", { lease: ending });
  await one.election.elected(AbortSignal.timeout(5_000));
  const asked = proxy.requests.length;
  const two = candidate("two", { lease: ending });
  await eventually(() => proxy.requests.length > asked + 4);
  await world.delete({ gvk, key: { namespace: "", name: "ending" } }, {}, never);
  await world.delete({ gvk: leases, key: ending }, {}, never);
  const goneMs = performance.now();
  const refused = proxy.requests.length;
  await eventually(() => proxy.requests.length > refused + 12);
  assert.deepEqual([one.election.isLeading(), two.election.isLeading()], [true, false]);
  await two.election.elected(AbortSignal.timeout(10_000));
  assert.ok(performance.now() - goneMs >= 2_500);
  for (const { abort } of [one, two]) abort.abort(new Error("leaving"));
  await Promise.all([one.ended, two.ended]);
});

/** The spec of the lease becomes `spec`, whatever its holder writes meanwhile. */
async function overwrite(spec: JsonObject): Promise<void> {
  await eventually(async () => {
    const live = await world.get(leases, lease, never);
    return (await world.replace({ ...live, spec }, { fieldManager }, never).catch(() => undefined)) !== undefined;
  });
}

for (const { name, meddle } of [
  { name: "deleted", meddle: async () => void (await world.delete({ gvk: leases, key: lease }, {}, never)) },
  { name: "emptied", meddle: () => overwrite({ holderIdentity: "", leaseDurationSeconds: 60 }) },
  { name: "left without a spec", meddle: () => overwrite({}) },
]) {
  test(`leader election takes a lease back at once that somebody has ${name}, before another one gets it`, async () => {
    // Its clock stands still: only the watch can wake it.
    const one = candidate("one", { clock: new TestClock(), leaseMs: 60_000, renewMs: 50_000 });
    await one.election.elected(AbortSignal.timeout(5_000));
    const two = candidate("two");
    await eventually(() => seen(isWatch) >= 2, "both watch");
    await meddle();
    await eventually(async () => (await holder()) === "one", "its return");
    assert.deepEqual([one.turns, two.turns], [[true], []]);
    for (const { abort, ended } of [two, one]) {
      abort.abort(new Error("leaving"));
      await ended;
    }
  });
}

test("leader election is lost at once when somebody else took the lease", async () => {
  // Its clock stands still: only the watch can tell it.
  const one = candidate("one", { clock: new TestClock(), leaseMs: 60_000, renewMs: 50_000 });
  await one.election.elected(AbortSignal.timeout(5_000));
  await overwrite({
    holderIdentity: "thief",
    leaseDurationSeconds: 60,
    renewTime: "2020-01-01T00:00:00.000000Z",
  });
  await assert.rejects(one.ended, LeadershipLostError);
  assert.equal(await holder(), "thief");
});

test("leader election does not trust itself after the process has slept", async () => {
  const clock = new TestClock(1_000);
  const one = candidate("one", { clock, leaseMs: 35_000, renewMs: 30_000, retryMs: 5_000 });
  await one.election.elected(AbortSignal.timeout(5_000));
  assert.equal(one.election.isLeading(), true);
  const asked = seen(isQuestion);
  clock.jump(31_000);
  assert.equal(one.election.isLeading(), false);
  await clock.advance(0);
  await assert.rejects(one.ended, LeadershipLostError);
  assert.equal(seen(isQuestion), asked, "it did not even try to renew");
});
