import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { startOperator, type OperatorProcess } from "../../scripts/quickstart/operator-process.ts";
import { installer } from "../../src/api/installer.ts";
import type { DeletionPolicy } from "../../src/api/spec.ts";
import { Ledger } from "../../src/apply/ledger.ts";
import type { ApiClient } from "../../src/client/api-client.ts";
import { LastGoodStore } from "../../src/controllers/flux-instance/last-good-store.ts";
import { reconcileFluxInstance, type ReconcileDeps } from "../../src/controllers/flux-instance/reconcile.ts";
import { ReleaseSource } from "../../src/controllers/flux-instance/releases/release-source.ts";
import { Interrupts } from "../../src/controllers/flux-instance/wake/interrupts.ts";
import { createLiveIndex } from "../../src/controllers/flux-instance/wake/live-index.ts";
import { embeddedVersions, loadRelease } from "../../src/distribution/load.ts";
import { systemClock } from "../../src/std/clock.ts";
import { namespace } from "./flux-cluster.ts";
import { connectAsOperator } from "./installation.ts";
import { mortalClient } from "./mortal-client.ts";
import { instancePath, startRemovalWorld, type RemovalWorld } from "./removal-world.ts";
import { createTestLog } from "./test-log.ts";
import { startWireProxy, type SeenRequest } from "./wire-proxy.ts";

const never = new AbortController().signal;
const key = { namespace, name: "flux" };
const patienceMs = 60_000;

let world: RemovalWorld;
const { log } = createTestLog();

/** No watches: what a process knows of the cluster it asks for. */
const followed = { informers: [], isTrusted: false, follow: async (): Promise<void> => undefined };

/** What a process has when it starts: nothing in memory. */
function newLife(client: ApiClient): ReconcileDeps {
  return {
    client,
    clock: systemClock,
    installer,
    ledger: new Ledger(),
    interrupts: new Interrupts(),
    events: { record: () => undefined, run: async () => undefined },
    liveIndex: createLiveIndex([], followed),
    followed,
    releases: new ReleaseSource({
      client,
      embedded: { versions: embeddedVersions, load: loadRelease },
      registry: { resolve: unasked, fetch: unasked },
      signatures,
      polls: { addAfter: () => undefined, retry: () => 0, forget: () => undefined },
      random: () => 0,
      jitter: 0,
      onChange: () => undefined,
    }),
    indexContents: { platformsOf: unasked },
    signatures,
    lastGood: new LastGoodStore(client),
    ownDefinition: { trouble: async () => undefined },
    ownNamespace: namespace,
  };
}

const signatures = { check: unasked, isGood: () => false };

async function unasked(): Promise<never> {
  throw new Error("the instance takes what is embedded");
}

async function exists(): Promise<boolean> {
  return (await world.plane.rest.request("GET", instancePath)).status === 200;
}

/** Flux installed and used, its instance just deleted. */
async function installAndDelete(policy: DeletionPolicy): Promise<void> {
  await world.createInstance(policy);
  const deps = newLife(world.client);
  const outcome = await reconcileFluxInstance(key, deps, log, never);
  assert.notEqual(outcome.kind, "failed", JSON.stringify((await world.plane.rest.get(instancePath))["status"]));
  await world.useFlux();
  await world.plane.rest.delete(instancePath);
}

async function finish(): Promise<void> {
  const deps = newLife(world.client);
  const deadline = AbortSignal.timeout(patienceMs);
  while (await exists()) {
    await reconcileFluxInstance(key, deps, log, deadline);
  }
}

/** As KeepResources leaves them: somebody else's finalizer stays, and nothing is left suspended. */
const kept = [
  "GitRepository/apps/app runs, stays, held by [example.com/audit]",
  "Kustomization/apps/app runs, stays, held by []",
  "Kustomization/default/app runs, stays, held by []",
  "GitRepository/flux-system/flux-system runs, stays, held by []",
  "Kustomization/flux-system/flux-system runs, stays, held by []",
];

/** The tests of one policy. They take minutes, so each policy has a file and a cluster of its own. */
export function describeKilledUninstall(policy: DeletionPolicy): void {
  before(async () => {
    world = await startRemovalWorld();
  });
  after(async () => {
    await world[Symbol.asyncDispose]();
  });

  describe(`an uninstall with policy ${policy}, killed`, { concurrency: 1 }, () => {
    let wanted: readonly string[];

    test("never, leaves what this policy leaves", async () => {
      await installAndDelete(policy);
      await finish();
      wanted = await world.contents();
      assert.deepEqual(
        wanted
          .filter((name) => /^(Deployment|ClusterRole|ClusterRoleBinding)\/.*(flux|controller|crd)/.test(name))
          .filter((name) => name.includes("flux-system")),
        [],
      );
      const definitions = wanted.filter((name) => /^CustomResourceDefinition\/.*toolkit\.fluxcd\.io$/.test(name));
      assert.equal(definitions.length > 0, policy === "KeepResources");
      assert.deepEqual(
        wanted.filter((name) => name.includes(", held by ")),
        policy === "KeepResources" ? kept : [],
      );
      assert.ok(wanted.includes(`ServiceAccount/${namespace}/kustomize-controller`), "it lost our labels, so it stays");
    });

    test("after each of its writes, ends the same", async (t) => {
      for (let position = 1; ; position += 1) {
        await installAndDelete(policy);
        const mortal = mortalClient(world.client, position);
        const limit = AbortSignal.any([mortal.signal, AbortSignal.timeout(patienceMs)]);
        const life = newLife(mortal.client);
        try {
          while (await exists()) await reconcileFluxInstance(key, life, log, limit);
        } catch (error) {
          if (!mortal.signal.aborted) throw error;
        }
        const died = mortal.signal.aborted;
        await finish();
        const contents = await world.contents();
        assert.deepEqual(contents, wanted, `after ${mortal.writes.at(-1)}`);
        if (died) continue;
        t.diagnostic(`${position - 1} positions`);
        assert.ok(position > 20, "there are more writes than that");
        return;
      }
    });

    test("by SIGKILL after each write in turn, so that no process gets further than one, ends the same", async (t) => {
      await installAndDelete(policy);
      const lives = await killedAgainAndAgain();
      assert.deepEqual(await world.contents(), wanted);
      t.diagnostic(`${lives} processes`);
      // Fewer than writes: those that are made side by side are done before the first of them kills.
      assert.ok(lives > 5, "there are more writes than that");
    });
  });
}

/** Runs the operator until the instance is gone, and kills it on each of its writes, before it hears of the answer. Resolves to how often. */
async function killedAgainAndAgain(): Promise<number> {
  const { plane } = world;
  let operator: OperatorProcess | undefined;
  let lives = 0;
  await using proxy = await startWireProxy({
    server: plane.server,
    caPem: plane.caPem,
    onAnswer: (request, status) => {
      if (isWrite(request) && status < 300) operator?.process.kill("SIGKILL");
    },
  });
  const kubeconfigPath = await connectAsOperator(plane, proxy.server);
  const deadline = AbortSignal.timeout(300_000);
  while (await exists()) {
    deadline.throwIfAborted();
    lives += 1;
    operator = startOperator({ kubeconfigPath, folder: plane.folder, args: ["--enable-leader-election=false"] });
    const { process } = operator;
    while (process.exitCode === null && process.signalCode === null && (await exists()))
      await systemClock.sleep(20, deadline);
    await operator.stop("SIGKILL");
  }
  return lives;
}

function isWrite({ method, path }: SeenRequest): boolean {
  return ["POST", "PUT", "PATCH", "DELETE"].includes(method) && !/\/events\b|dryRun=All/.test(path);
}
