import assert from "node:assert/strict";
import { test } from "node:test";
import { controller } from "../../../../test/support/watching-controller.ts";
import { apiError, tableClient } from "../../../../test/support/table-client.ts";
import { TestClock } from "../../../../test/support/test-clock.ts";
import { labels, ownerOf } from "../../../api/names.ts";
import type { ManagedObject } from "../../../apply/inventory.ts";
import type { PlannedObject } from "../../../apply/planned-object.ts";
import { fieldsOf } from "../../../kube/fields.ts";
import type { KubeObject } from "../../../kube/object.ts";
import { parkOverlapping } from "./overlap.ts";

const signal = new AbortController().signal;
const key = "sharding.fluxcd.io/key";

function managed(name: string, kind = "Deployment"): ManagedObject {
  return { group: kind === "Deployment" ? "apps" : "", version: "v1", kind, namespace: "flux-system", name };
}

const clock = new TestClock();
const owner = ownerOf({ namespace: "flux-system", name: "flux" });
const options = { owner, timeoutMs: 1_000 };

function wanted(object: KubeObject, live?: KubeObject): PlannedObject {
  return live === undefined ? { object, action: "create" } : { object, action: "configure", live };
}

test("parkOverlapping() scales to 0 those whose objects a wanted controller takes over", async () => {
  const client = tableClient([
    controller("source-controller-a", `${key}=a`),
    controller("source-controller-b", `${key}=b`),
    controller("helm-controller-a", `${key}=a`, "helm-controller"),
  ]);
  const stale = [
    managed("source-controller-a", "Service"),
    ...["source-controller-a", "source-controller-b", "helm-controller-a", "gone"].map((name) => managed(name)),
  ];
  const planned = [wanted(controller("source-controller-x", `${key}=a`))];
  assert.deepEqual(await parkOverlapping(stale, { planned, ...options }, { client, clock }, signal), planned);
  assert.deepEqual(client.writes, ['patch Deployment/flux-system/source-controller-a {"spec":{"replicas":0}}']);
});

const main = "source-controller";
for (const { name, live, next, others, parks } of [
  {
    name: "a controller of everything when shards come",
    live: undefined,
    next: `!${key}`,
    others: [`${key}=a`],
    parks: true,
  },
  { name: "a controller of another key", live: "!tenant", next: `!${key}`, others: [`${key}=a`], parks: true },
  {
    name: "no controller when one more shard comes",
    live: `!${key}`,
    next: `!${key}`,
    others: [`${key}=a`],
    parks: false,
  },
  { name: "no controller for itself", live: undefined, next: `!${key}`, others: [], parks: false },
]) {
  test(`parkOverlapping() parks ${name}`, async () => {
    const running = controller(main, live);
    const client = tableClient([running]);
    const planned = [
      wanted(controller(main, next), running),
      ...others.map((selector, index) => wanted(controller(`${main}-${index}`, selector))),
    ];
    await parkOverlapping([], { planned, ...options }, { client, clock }, signal);
    const parked = [`patch Deployment/flux-system/${main} {"spec":{"replicas":0}}`];
    assert.deepEqual(client.writes, parks ? parked : []);
  });
}

test("parkOverlapping() parks nothing for an overlap that the user's own patches have made long since", async () => {
  const [one, two] = [controller(main, "tenant in (a,b)"), controller(`${main}-x`, `${key}=x`)];
  const client = tableClient([one, two]);
  const planned = [wanted(one, one), wanted(two, two)];
  await parkOverlapping([], { planned, ...options }, { client, clock }, signal);
  assert.deepEqual(client.writes, []);
});

test("parkOverlapping() plans the replicas that others have set, since the parking takes them away", async () => {
  const running = {
    ...controller(main, undefined),
    spec: { ...fieldsOf(controller(main, undefined)["spec"]), replicas: 3 },
  };
  const { replicas: _, ...spec } = fieldsOf(controller(main, `!${key}`)["spec"]);
  const yielded = { ...controller(main, `!${key}`), spec };
  const one: PlannedObject = { object: controller(main, `!${key}`), yielded, action: "configure", live: running };
  const other = wanted(controller(`${main}-a`, `${key}=a`));
  const client = tableClient([running]);
  const planned = await parkOverlapping([], { planned: [one, other], ...options }, { client, clock }, signal);
  assert.deepEqual(planned, [{ ...one, yielded: { ...yielded, spec: { ...spec, replicas: 3 } } }, other]);
});

test("parkOverlapping() says which pods do not end", async () => {
  const ownerReferences = [{ kind: "ReplicaSet", name: "source-controller-a-5d7c" }];
  const metadata = { name: "source-controller-a-5d7c-x", namespace: "flux-system", ownerReferences };
  const pod: KubeObject = { apiVersion: "v1", kind: "Pod", metadata };
  const client = tableClient([controller("source-controller-a", `${key}=a`), pod]);
  const planned = [wanted(controller("source-controller-x", `${key}=a`))];
  await assert.rejects(
    parkOverlapping([managed("source-controller-a")], { planned, owner, timeoutMs: 0 }, { client, clock }, signal),
    /^StillThereError: Waiting for these objects to be deleted: Pod\/flux-system\/source-controller-a-5d7c-x$/,
  );
});

test("parkOverlapping() looks at the pods again and again, but not without rest", async () => {
  const ownerReferences = [{ kind: "ReplicaSet", name: "source-controller-a-5d7c" }];
  const metadata = { name: "source-controller-a-5d7c-x", namespace: "flux-system", ownerReferences };
  const table = tableClient([
    controller("source-controller-a", `${key}=a`),
    { apiVersion: "v1", kind: "Pod", metadata },
  ]);
  let lists = 0;
  const client: typeof table = {
    ...table,
    list: (...args) => {
      lists += 1;
      return table.list(...args);
    },
  };
  const own = new TestClock();
  const planned = [wanted(controller("source-controller-x", `${key}=a`))];
  const parking = { planned, owner, timeoutMs: 60_000 };
  const parked = parkOverlapping([managed("source-controller-a")], parking, { client, clock: own }, signal);
  const ended = assert.rejects(parked, /source-controller-a-5d7c-x$/);
  await own.advance(1_000);
  const soon = lists;
  await own.advance(62_000);
  await ended;
  assert.deepEqual([soon, lists < 40], [3, true], `${lists} lists in a minute`);
});

test("parkOverlapping() leaves a controller alone that is somebody else's", async () => {
  const foreign = controller("a", undefined);
  const client = tableClient([{ ...foreign, metadata: { ...foreign.metadata, labels: { [labels.component]: "x" } } }]);
  const planned = [wanted(controller("b", undefined, "x"))];
  await parkOverlapping([managed("a")], { planned, ...options }, { client, clock }, signal);
  assert.deepEqual(client.writes, []);
});

test("parkOverlapping() throws when it may not look: a controller that might overlap must not be passed over", async () => {
  const forbidden = apiError(403, "Forbidden");
  const client = tableClient([], { refuse: () => forbidden });
  await assert.rejects(
    parkOverlapping(
      [managed("a")],
      { planned: [wanted(controller("b", undefined))], ...options },
      { client, clock },
      signal,
    ),
    forbidden,
  );
});
