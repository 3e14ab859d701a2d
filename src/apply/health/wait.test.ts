import assert from "node:assert/strict";
import { test } from "node:test";
import { installer } from "../../../test/support/installer.ts";
import { apiError } from "../../../test/support/table-client.ts";
import { TestClock } from "../../../test/support/test-clock.ts";
import type { WatchEvent } from "../../client/api-client.ts";
import { ConnectionError } from "../../client/api-error.ts";
import type { JsonObject, KubeObject } from "../../kube/object.ts";
import { Ledger } from "../ledger.ts";
import { formatUnready, type Unready } from "./health-board.ts";
import { waitUntilReady, type WaitDeps, type WaitResult } from "./wait.ts";

type WatchFeed = { readonly send: (event: WatchEvent) => void; readonly fail: (error: Error) => void };

/** Lists `objects` and streams what a test sends to the latest watch of a kind. */
class World {
  readonly clock = new TestClock();
  readonly interrupt = new AbortController();
  readonly stop = new AbortController();
  readonly lists: string[] = [];
  readonly told: string[] = [];
  readonly open = new Set<AbortSignal>();
  objects: readonly KubeObject[];
  listError: Error | undefined;
  readonly #feeds = new Map<string, WatchFeed>();

  constructor(objects: readonly KubeObject[]) {
    this.objects = objects;
  }

  wait(objects: readonly KubeObject[]): Promise<WaitResult> {
    const onWaiting = (unready: readonly Unready[]): void => void this.told.push(formatUnready(unready));
    const options = { timeoutMs: 60_000, labelSelector: "own=1", interrupt: this.interrupt.signal, onWaiting };
    const deps = { client: this.#client(), clock: this.clock, installer, ledger: new Ledger() };
    return waitUntilReady(objects, options, deps, this.stop.signal);
  }

  feed(kind: string): WatchFeed {
    const feed = this.#feeds.get(kind);
    assert.ok(feed, `${kind} is watched`);
    return feed;
  }

  #client(): WaitDeps["client"] {
    const { lists, open } = this;
    const queueOf = (kind: string, signal: AbortSignal): ReturnType<typeof eventQueue> => {
      const queue = eventQueue(signal);
      this.#feeds.set(kind, queue);
      return queue;
    };
    return {
      list: async ({ kind }, { labelSelector = "" }) => {
        lists.push(`${kind} ${labelSelector}`);
        if (this.listError !== undefined) throw this.listError;
        return { items: this.objects.filter((object) => object.kind === kind), resourceVersion: "1" };
      },
      watch: async function* ({ kind }, _options, signal) {
        open.add(signal);
        try {
          yield* queueOf(kind, signal).events();
        } finally {
          open.delete(signal);
        }
      },
    };
  }
}

function eventQueue(signal: AbortSignal): WatchFeed & { readonly events: () => AsyncIterable<WatchEvent> } {
  const sent: WatchEvent[] = [];
  let failure: Error | undefined;
  let wake: (() => void) | undefined;
  signal.addEventListener("abort", () => wake?.(), { once: true });
  return {
    send: (event) => {
      sent.push(event);
      wake?.();
    },
    fail: (error) => {
      failure = error;
      wake?.();
    },
    events: async function* () {
      for (;;) {
        signal.throwIfAborted();
        if (failure !== undefined) throw failure;
        yield* sent.splice(0);
        if (failure === undefined && !signal.aborted) await new Promise<void>((resolve) => void (wake = resolve));
      }
    },
  };
}

const template = { spec: { containers: [{ name: "manager", image: "a:v1" }] } };

function deployment(name: string, status: JsonObject): KubeObject {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace: "flux-system", generation: 1, uid: `uid-${name}` },
    spec: { selector: { matchLabels: { app: name } }, template },
    status: { observedGeneration: 1, ...status },
  };
}

const rolling = deployment("a", { replicas: 1, updatedReplicas: 1 });
const ready = deployment("a", { replicas: 1, updatedReplicas: 1, availableReplicas: 1 });
const unavailable = { object: "Deployment/flux-system/a", message: "0 of 1 replicas available" };
const crashing: KubeObject = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: {
    name: "a-1-x",
    namespace: "flux-system",
    ownerReferences: [{ kind: "ReplicaSet", name: "a-1", uid: "rs" }],
  },
  status: {
    containerStatuses: [{ name: "manager", restartCount: 3, state: { waiting: { reason: "CrashLoopBackOff" } } }],
  },
};
const replicaSet: KubeObject = {
  apiVersion: "apps/v1",
  kind: "ReplicaSet",
  metadata: {
    name: "a-1",
    namespace: "flux-system",
    uid: "rs",
    ownerReferences: [{ kind: "Deployment", name: "a", uid: "uid-a" }],
  },
};
const crashed = { object: "Deployment/flux-system/a", message: "container manager crashes" };

for (const { name, objects, act, want, atMs } of [
  { name: "is ready when all are at once", objects: [ready], act: () => undefined, want: { kind: "ready" }, atMs: 0 },
  {
    name: "is ready when an event says so",
    objects: [rolling],
    act: (world) => world.feed("Deployment").send({ kind: "modified", object: ready }),
    want: { kind: "ready" },
    atMs: 0,
  },
  {
    name: "fails at once when a pod cannot run",
    objects: [rolling, replicaSet, crashing],
    act: () => undefined,
    want: { kind: "failed", unready: [crashed] },
    atMs: 0,
  },
  {
    name: "fails before the time is over when a pod crashes",
    objects: [rolling, replicaSet],
    act: (world) => world.feed("Pod").send({ kind: "added", object: crashing }),
    want: { kind: "failed", unready: [crashed] },
    atMs: 0,
  },
  {
    name: "tells at the end of the time what is not ready",
    objects: [rolling],
    act: async (world) => await world.clock.advance(60_000),
    want: { kind: "timeout", unready: [unavailable] },
    atMs: 60_000,
  },
  {
    name: "ends when something newer is wanted",
    objects: [rolling],
    act: (world) => world.interrupt.abort(new Error("newer")),
    want: { kind: "interrupted" },
    atMs: 0,
  },
  {
    name: "looks again at once when the watch has expired",
    objects: [rolling],
    act: (world) => {
      world.objects = [ready];
      world.feed("Deployment").fail(apiError(410, "Expired"));
    },
    want: { kind: "ready" },
    atMs: 0,
  },
  {
    name: "looks again after a second when the watch broke",
    objects: [rolling],
    act: async (world) => {
      world.objects = [ready];
      world.feed("Deployment").fail(new ConnectionError("watch", "reset"));
      await world.clock.advance(999);
      assert.deepEqual(world.lists, [
        "Deployment own=1",
        "ReplicaSet app.kubernetes.io/part-of=flux",
        "Pod app.kubernetes.io/part-of=flux",
      ]);
      await world.clock.advance(1);
    },
    want: { kind: "ready" },
    atMs: 1_000,
  },
] satisfies readonly {
  name: string;
  objects: readonly KubeObject[];
  act: (world: World) => void | Promise<void>;
  want: WaitResult;
  atMs: number;
}[]) {
  test(`waitUntilReady() ${name}`, async () => {
    const world = new World(objects);
    const result = world.wait([rolling]);
    await world.clock.advance(0);
    await act(world);
    assert.deepEqual(
      { result: await result, atMs: world.clock.nowMs(), sleeping: world.clock.sleepingMs(), watches: world.open.size },
      { result: want, atMs, sleeping: [], watches: 0 },
    );
  });
}

test("waitUntilReady() asks nothing about nothing", async () => {
  const world = new World([]);
  assert.deepEqual([await world.wait([]), world.lists], [{ kind: "ready" }, []]);
});

test("waitUntilReady() watches no pods where no Deployment is waited for", async () => {
  const crd: KubeObject = {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: "a.example.com" },
    status: { conditions: ["Established", "NamesAccepted"].map((type) => ({ type, status: "True" })) },
  };
  const world = new World([crd]);
  assert.deepEqual([await world.wait([crd]), world.lists], [{ kind: "ready" }, ["CustomResourceDefinition own=1"]]);
});

test("waitUntilReady() does not begin when something newer is wanted already", async () => {
  const world = new World([rolling]);
  world.interrupt.abort(new Error("newer"));
  assert.deepEqual(await world.wait([rolling]), { kind: "interrupted" });
});

test("waitUntilReady() ends with the signal's reason, and leaves no watch behind", async () => {
  const world = new World([rolling]);
  const result = world.wait([rolling]);
  await world.clock.advance(0);
  const reason = new Error("stop");
  world.stop.abort(reason);
  await assert.rejects(result, reason);
  assert.equal(world.open.size, 0);
});

test("waitUntilReady() throws what a list throws, and leaves no watch behind", async () => {
  const world = new World([rolling]);
  const forbidden = apiError(403, "Forbidden");
  world.listError = forbidden;
  await assert.rejects(world.wait([rolling]), forbidden);
  assert.deepEqual([world.open.size, world.clock.sleepingMs()], [0, []]);
});

test("waitUntilReady() tells what it waits for when that takes longer than a moment, and again only for other objects", async () => {
  const world = new World([rolling]);
  const result = world.wait([rolling]);
  await world.clock.advance(4_999);
  assert.deepEqual(world.told, []);
  for (const ms of [1, 5_000, 5_000]) await world.clock.advance(ms);
  assert.deepEqual(world.told, ["Deployment/flux-system/a: 0 of 1 replicas available"]);
  world.feed("Deployment").send({ kind: "modified", object: ready });
  assert.deepEqual(await result, { kind: "ready" });
});

test("waitUntilReady() fails when a trouble has stood for too long, although nothing happens", async () => {
  const pulling = {
    containerStatuses: [{ name: "manager", image: "a:v1", state: { waiting: { reason: "ErrImagePull" } } }],
  };
  const world = new World([rolling, replicaSet, { ...crashing, status: pulling }]);
  const result = world.wait([rolling]);
  await world.clock.advance(30_000);
  assert.deepEqual(await result, {
    kind: "failed",
    unready: [{ object: "Deployment/flux-system/a", message: "container manager cannot pull its image a:v1" }],
  });
  assert.equal(world.clock.monotonicMs(), 30_000);
});
