import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { fluxInstanceCrd } from "../../src/api/crd.ts";
import { installer } from "../../src/api/installer.ts";
import { labels, operatorName } from "../../src/api/names.ts";
import { Ledger } from "../../src/apply/ledger.ts";
import { createApiClient, type OwnedApiClient } from "../../src/client/create-client.ts";
import { LastGoodStore } from "../../src/controllers/flux-instance/last-good-store.ts";
import { fluxInstanceKind, reconcileFluxInstance } from "../../src/controllers/flux-instance/reconcile.ts";
import type { Releases } from "../../src/controllers/flux-instance/releases/releases.ts";
import { Interrupts } from "../../src/controllers/flux-instance/wake/interrupts.ts";
import { watchedKinds, type LiveIndex } from "../../src/controllers/flux-instance/wake/live-index.ts";
import { embeddedVersions, loadRelease } from "../../src/distribution/load.ts";
import { deploymentKind } from "../../src/kube/kinds.ts";
import { formatObjectId, objectIdOf } from "../../src/kube/object-id.ts";
import type { JsonObject, KubeObject, ObjectMeta } from "../../src/kube/object.ts";
import type { Outcome } from "../../src/runtime/controller.ts";
import { systemClock, type Clock } from "../../src/std/clock.ts";
import { startControlPlane, type ControlPlane } from "../support/control-plane.ts";
import { condition, namespace, recordStatuses, statusOf, type StatusRecord } from "../support/flux-cluster.ts";
import { TestClock } from "../support/test-clock.ts";
import { createTestLog } from "../support/test-log.ts";

const never = new AbortController().signal;
const key = { namespace, name: "flux" };
const instancePath = `/apis/fluxcd.controlplane.io/v1/namespaces/${namespace}/fluxinstances/flux`;
const minuteMs = 60_000;

let plane: ControlPlane;
let client: OwnedApiClient;
let statuses: StatusRecord;

before(async () => {
  plane = await startControlPlane({ variant: "light" });
  const tls = { insecure: false, ca: plane.caPem };
  const connection = {
    server: plane.server,
    namespace,
    tls: async () => tls,
    authorization: async () => `Bearer ${plane.token}`,
  };
  client = createApiClient({ connection, userAgent: "flux-operator/test", clock: systemClock });
  await plane.rest.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", fluxInstanceCrd());
  await plane.rest.create("/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
  const deadline = AbortSignal.timeout(30_000);
  while ((await client.discovery.find(fluxInstanceKind, deadline)) === undefined) await systemClock.sleep(50, deadline);
  statuses = recordStatuses(client);
});
after(async () => {
  const faults = await statuses.stop();
  await client.close();
  await plane.stop();
  assert.deepEqual(faults, [], "every status that was seen is legal");
});

/** The day on which clocks in Zurich jump from 02:00 to 03:00, at 01:00 UTC. */
const wall = new TestClock(Date.parse("2026-03-28T12:00:00Z"));
/** Only the calendar is the test's: what waits for the API server waits as ever. */
const clock: Clock = {
  nowMs: () => wall.nowMs(),
  monotonicMs: () => systemClock.monotonicMs(),
  sleep: (ms, signal) => systemClock.sleep(ms, signal),
};
const ledger = new Ledger();
const found: Releases = { kind: "found", catalogue: { versions: embeddedVersions, load: loadRelease } };

/** What the watches of the operator would know by now. */
async function liveIndex(): Promise<LiveIndex> {
  const labelSelector = `${labels.managedBy}=${operatorName}`;
  const lists = await Promise.all(
    watchedKinds.map(async (gvk) => (await client.list(gvk, { labelSelector }, never)).items),
  );
  const objects = lists.flat();
  const metadata = objects.map((object): [string, ObjectMeta] => [formatObjectId(objectIdOf(object)), object.metadata]);
  return {
    metadata: () => new Map(metadata),
    troubles: () => [],
    deployment: ({ name }) =>
      objects.find((object) => object.kind === deploymentKind.kind && object.metadata.name === name),
  };
}

let olderDefinition: string | undefined;

async function reconcile(): Promise<Outcome> {
  const deps = {
    client,
    clock,
    installer,
    ledger,
    random: () => 0.5,
    interrupts: new Interrupts(),
    events: { record: () => undefined, run: async () => undefined },
    liveIndex: await liveIndex(),
    releases: { find: async () => found, applied: () => undefined, forget: () => undefined },
    indexContents: { platformsOf: async () => undefined },
    signatures: { check: async () => undefined },
    followed: { isTrusted: false, follow: async () => undefined },
    lastGood: new LastGoodStore(client),
    ownDefinition: { trouble: async () => olderDefinition },
    ownNamespace: namespace,
  };
  return await reconcileFluxInstance(key, deps, createTestLog().log, never);
}

function instance(): Promise<KubeObject> {
  return plane.rest.get(instancePath);
}

async function applied(): Promise<unknown> {
  return statusOf(await instance())["lastAppliedVersion"];
}

async function patch(spec: JsonObject): Promise<void> {
  await plane.rest.patch(instancePath, { spec });
}

const waits = (until: string): string =>
  `False/OutsideWindow: The change of Flux from 2.8.8 to 2.9.4 waits until ${until}, when the next window of spec.upgrade.windows opens`;

describe("an upgrade window across a change of the clocks", { concurrency: 1 }, () => {
  test("keeps no installation waiting", async () => {
    await client.apply(
      {
        apiVersion: "fluxcd.controlplane.io/v1",
        kind: "FluxInstance",
        metadata: { ...key, annotations: { "fluxcd.controlplane.io/reconcileEvery": "24h" } },
        spec: {
          distribution: { version: "2.8.x", registry: "ghcr.io/fluxcd" },
          components: ["source-controller"],
          wait: false,
          upgrade: { windows: [{ schedule: "30 2 * * *", duration: "1h", timeZone: "Europe/Zurich" }] },
        },
      },
      { fieldManager: "test" },
      never,
    );
    assert.deepEqual(await reconcile(), { kind: "settled", recheckMs: 24 * 60 * minuteMs });
    assert.equal(await applied(), "2.8.8");
  });

  test("keeps an upgrade waiting for 02:30, which does not come that night: it opens when the clocks have jumped", async () => {
    await patch({ distribution: { version: "2.9.x" } });
    assert.deepEqual(await reconcile(), { kind: "settled", dueMs: 13 * 60 * minuteMs, recheckMs: 24 * 60 * minuteMs });
    assert.equal(condition(await instance(), "UpToDate"), waits("2026-03-29T01:00:00Z"));
    assert.equal(await applied(), "2.8.8");
  });

  test("says the same and writes nothing until then", async () => {
    const { resourceVersion } = (await instance()).metadata;
    wall.jump(13 * 60 * minuteMs - 1);
    assert.deepEqual(await reconcile(), { kind: "settled", dueMs: 1, recheckMs: 24 * 60 * minuteMs });
    assert.equal((await instance()).metadata.resourceVersion, resourceVersion);
  });

  test("opens when the clocks jump", async () => {
    wall.jump(1);
    assert.deepEqual(await reconcile(), { kind: "settled", recheckMs: 24 * 60 * minuteMs });
    assert.equal(await applied(), "2.9.4");
    assert.equal(statusOf(await instance())["plan"], undefined);
  });

  test("is over after an hour that passes; a way back waits for the next night, which is a day of 24 hours again", async () => {
    wall.jump(60 * minuteMs);
    await patch({ distribution: { version: "2.8.x" } });
    assert.deepEqual(await reconcile(), {
      kind: "settled",
      dueMs: (22 * 60 + 30) * minuteMs,
      recheckMs: 24 * 60 * minuteMs,
    });
    assert.match(
      condition(await instance(), "UpToDate") ?? "",
      /from 2\.9\.4 to 2\.8\.8 waits until 2026-03-30T00:30:00Z/,
    );
    assert.equal(await applied(), "2.9.4");
  });

  test("is looked at again within a minute while the definition of the instance is of an older operator", async () => {
    olderDefinition = "it drops spec.upgrade";
    assert.deepEqual(await reconcile(), { kind: "settled", dueMs: minuteMs, recheckMs: 24 * 60 * minuteMs });
    assert.equal(condition(await instance(), "Warning"), "True/OlderDefinition: it drops spec.upgrade");
    olderDefinition = undefined;
    assert.deepEqual(await reconcile(), {
      kind: "settled",
      dueMs: (22 * 60 + 30) * minuteMs,
      recheckMs: 24 * 60 * minuteMs,
    });
    assert.equal(condition(await instance(), "Warning"), undefined);
  });
});
