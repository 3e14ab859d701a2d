import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import type { JsonObject, KubeObject } from "../../src/kube/object.ts";
import { namespace } from "../support/flux-cluster.ts";
import { leadershipFaults, takeoverFaults, writesOf } from "../support/leadership/law.ts";
import { leaseMs, startLeadershipWorld, type LeadershipWorld, type Pod } from "../support/leadership/world.ts";

const versions = ["2.9.2", "2.9.4"] as const;
const hourMs = 3_600_000;
const deployments = `/apis/apps/v1/namespaces/${namespace}/deployments`;

const instance: KubeObject = {
  apiVersion: "fluxcd.controlplane.io/v1",
  kind: "FluxInstance",
  metadata: { name: "flux", namespace },
  spec: {
    distribution: { version: versions[0], registry: "ghcr.io/fluxcd" },
    components: ["source-controller", "kustomize-controller"],
  },
};

let world: LeadershipWorld;
/** Index of the version that runs. */
let running = 0;
/** By how much the generation of each Deployment grows with a change of the version that nothing disturbs. */
let usual: readonly string[];
/** What `leadershipFaults` must find, and no more: what no client can call back. */
let delivered: string[];

/** So many operators, whose wall clocks are ahead by that. */
async function start(clocksMs: readonly number[]): Promise<void> {
  world = await startLeadershipWorld(instance, clocksMs);
  await world.ready(versions[0]);
  running = 0;
  delivered = [];
  usual = await growth(changeVersion);
}

/** Asks for the other version, and resolves to a promise of its end. */
async function askForOther(): Promise<{ readonly done: () => Promise<void> }> {
  running = 1 - running;
  const version = versions[running] ?? "";
  await world.change({ spec: { distribution: { version } } });
  return { done: () => world.ready(version) };
}

async function changeVersion(): Promise<void> {
  const { done } = await askForOther();
  await done();
}

async function generations(): Promise<ReadonlyMap<string, number>> {
  const items = await world.plane.rest.list(deployments);
  return new Map(items.map(({ metadata }) => [metadata.name, metadata.generation ?? 0]));
}

async function sourceController(): Promise<{ readonly generation: number; readonly spec: unknown }> {
  const { metadata, spec } = await world.plane.rest.get(`${deployments}/source-controller`);
  return { generation: metadata.generation ?? 0, spec };
}

/** "source-controller +1", of each Deployment. */
async function growth(act: () => Promise<void>): Promise<readonly string[]> {
  const earlier = await generations();
  await act();
  return [...(await generations())].map(([name, now]) => `${name} +${now - (earlier.get(name) ?? 0)}`);
}

/** The apply of the namespace: upon its answer, all service accounts and cluster roles are written. */
const applying = { method: "PATCH", path: /^\/api\/v1\/namespaces\/flux-system\?(?!.*dryRun)/ } as const;
/** The apply of that Deployment. */
const deploying = { method: "PATCH", path: /\/deployments\/source-controller\?(?!.*dryRun)/ } as const;

/** The process ends by itself, and the pod has another one, which stands by or leads. */
async function ended(pod: Pod, before: number): Promise<void> {
  await world.until(`the end of ${pod.name}`, () => pod.ends > before);
  await world.settled();
}

for (const [number, clocksMs] of Object.entries({ two: [0, -hourMs], three: [0, hourMs, -hourMs] }))
  describe(`of ${number} operators with clocks that are an hour apart,`, { concurrency: 1 }, () => {
    before(async () => await start(clocksMs));
    after(async () => await world[Symbol.asyncDispose]());

    test("one that is stopped between two writes of an upgrade for longer than its lease writes no more, and another goes on", async () => {
      const old = await world.settled();
      const { ends } = old;
      const grown = await growth(async () => {
        const stopped = old.stopAt("late", applying);
        const { done } = await askForOther();
        await stopped;
        const next = await world.leader(old);
        await done();
        assert.notEqual(next.name, old.name);
        // The answer waits for it when it goes on.
        await old.deliver();
        old.proceed();
        await ended(old, ends);
      });
      assert.deepEqual(grown, usual, "nothing is done twice");
    });

    test("one that is stopped at rest for longer than its lease ends when it goes on", async () => {
      const old = await world.settled();
      const { ends } = old;
      old.stop();
      await world.leader(old);
      const grown = await growth(changeVersion);
      old.proceed();
      await ended(old, ends);
      assert.deepEqual(grown, usual);
    });

    test("one that is cut off from the API server stops before another one begins", async () => {
      const old = await world.settled();
      const { ends } = old;
      old.wire.inject({ fault: { kind: "blackhole" }, times: Number.POSITIVE_INFINITY });
      old.wire.cutAll();
      const grown = await growth(async () => {
        const { done } = await askForOther();
        await world.leader(old);
        await done();
      });
      await world.until(`the end of ${old.name}`, () => old.ends > ends);
      old.wire.heal();
      old.wire.cutAll();
      await world.settled();
      assert.deepEqual(grown, usual);
    });

    for (const { name, spec } of [
      { name: "is deleted", spec: () => undefined },
      { name: "is left without a spec", spec: () => ({}) },
      { name: "is emptied", spec: (lease) => ({ ...lease, holderIdentity: "" }) },
      {
        name: "gets a time of the future and a duration of a second",
        spec: (lease) => ({ ...lease, leaseDurationSeconds: 1, renewTime: "2100-01-01T00:00:00.000000Z" }),
      },
    ] satisfies readonly { name: string; spec: (lease: JsonObject) => JsonObject | undefined }[]) {
      test(`the one that leads goes on when its lease ${name}, and no other one begins`, async () => {
        const old = await world.settled();
        const { ends } = old;
        const grown = await growth(async () => {
          const { done } = await askForOther();
          await world.meddle(spec((await world.lease()) ?? {}));
          await done();
        });
        const now = await world.settled();
        assert.deepEqual(grown, usual);
        // Where the machine was too busy for a renewal, another one may lead: after a whole lease, as is held below.
        if (old.ends === ends && !old.isLate()) assert.equal(now.name, old.name, old.story());
      });
    }

    test("one that is stopped while its lease is deleted finds no other at work as long as it may work itself", async () => {
      const old = await world.settled();
      const { ends } = old;
      const stopped = old.stopAt("late", applying);
      const { done } = await askForOther();
      await stopped;
      await world.meddle(undefined);
      const soon = performance.now() + leaseMs / 2;
      await world.until("another leader, or half a lease", async () => {
        const { holderIdentity } = (await world.lease()) ?? {};
        return holderIdentity !== undefined || performance.now() > soon;
      });
      await old.deliver();
      old.proceed();
      await done();
      // Else its process may end in the next test, and the one after it knows of no lease but the one that it finds.
      if ((await world.leader()) !== old) await world.until(`the end of ${old.name}`, () => old.ends > ends);
      await world.settled();
    });

    test("the one that leads stops when somebody else has the lease, and one leads when that lease is over", async () => {
      const old = await world.settled();
      const { ends } = old;
      const thief = { holderIdentity: "somebody", leaseDurationSeconds: 3, renewTime: "2100-01-01T00:00:00.000000Z" };
      await world.meddle(thief);
      await world.until(`the end of ${old.name}`, () => old.ends > ends);
      assert.deepEqual(await growth(changeVersion), usual);
      await world.settled();
    });

    test("a write that the wire delivers after another one leads is repaired", async () => {
      const old = await world.settled();
      const { ends } = old;
      const stopped = old.stopAt("hold", deploying);
      await askForOther();
      await stopped;
      const next = await world.leader(old);
      // Back to what runs: the next one has nothing to change, and so nothing that would refuse the late write.
      await changeVersion();
      const wanted = await sourceController();
      await old.deliver();
      await world.until("its arrival", async () => (await sourceController()).generation > wanted.generation);
      await world.until("the repair", async () => isDeepStrictEqual((await sourceController()).spec, wanted.spec));
      old.proceed();
      await ended(old, ends);
      await world.ready(versions[running] ?? "");
      delivered.push(`${old.name} wrote while ${next.name} had the lease: patch ${deployments}/source-controller`);
    });

    test("no other write was made by one that did not lead, and none has led before the lease of another one was over", async (t) => {
      const events = await world.plane.auditEvents();
      const by = Map.groupBy(writesOf(events, world.pods), (write) => write.by);
      const ends = world.pods.map(
        (pod) => `${pod.name} with ${by.get(pod.name)?.length ?? 0} writes, ${pod.ends} ends`,
      );
      t.diagnostic(ends.join("; "));
      assert.ok(by.size > 1, "several have led");
      const law = { candidates: world.pods, leaseMs };
      assert.deepEqual([leadershipFaults(events, law), takeoverFaults(events, law)], [delivered, []]);
    });
  });
