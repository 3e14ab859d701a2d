import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setImmediate as immediate } from "node:timers/promises";

import type { ApiClient, WatchEvent } from "../../src/client/api-client.ts";
import {
  ApiError,
  ConnectionError,
  NoSuchKindError,
  isAlreadyExists,
  isConflict,
  isExpired,
} from "../../src/client/api-error.ts";
import type { Connection, TlsMaterial } from "../../src/client/connection.ts";
import { createApiClient } from "../../src/client/create-client.ts";
import type { OwnedApiClient } from "../../src/client/create-client.ts";
import { storageHash } from "../../src/client/discovery.ts";
import { HttpSockets } from "../../src/client/http-sockets.ts";
import { Transport, type TransportOptions } from "../../src/client/transport.ts";
import { loadConnection } from "../../src/client/load-connection.ts";
import { fieldsOf } from "../../src/kube/fields.ts";
import type { JsonObject, KubeObject } from "../../src/kube/object.ts";
import { LeadershipLostError } from "../../src/runtime/leader-election.ts";
import { systemClock } from "../../src/std/clock.ts";
import { startControlPlane } from "../support/control-plane.ts";
import type { ControlPlane } from "../support/control-plane.ts";
import { TestClock } from "../support/test-clock.ts";
import { startWireProxy } from "../support/wire-proxy.ts";
import type { WireProxy } from "../support/wire-proxy.ts";

const fieldManager = "flux-operator";
const namespace = "default";
const configMaps = { group: "", version: "v1", kind: "ConfigMap" };
const never = new AbortController().signal;

let plane: ControlPlane;
let proxy: WireProxy;
/** Straight to the API server over TLS, as from a kubeconfig. */
let direct: OwnedApiClient;
/** Through the proxy. */
let client: OwnedApiClient;

before(async () => {
  plane = await startControlPlane({ variant: "light" });
  direct = clientOf(await loadConnection({ kubeconfig: plane.kubeconfigPath, env: {}, clock: systemClock }));
});
after(async () => {
  await direct.close();
  await plane.stop();
});
beforeEach(async (context) => {
  await plane.reset();
  proxy = await startWireProxy(plane);
  client = clientOf(throughProxy());
  const cleanUp = [client, proxy] as const;
  if ("after" in context) context.after(async () => void (await Promise.all([cleanUp[0].close(), cleanUp[1].stop()])));
});

function clientOf(connection: Connection): OwnedApiClient {
  return createApiClient({ connection, userAgent: "flux-operator/test", clock: systemClock });
}

function throughProxy(authorization: Connection["authorization"] = async () => `Bearer ${plane.token}`): Connection {
  return { server: proxy.server, namespace, tls: async () => ({ insecure: false }), authorization };
}

function configMap(name: string, data: { readonly [key: string]: string } = {}, more: object = {}): KubeObject {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace, ...more }, data };
}

function crd(group: string, versions: readonly string[]): KubeObject {
  const schema = { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `things.${group}` },
    spec: {
      group,
      scope: "Namespaced",
      names: { kind: "Thing", plural: "things", singular: "thing", listKind: "ThingList" },
      versions: versions.map((name, index) => ({
        name,
        served: true,
        storage: index === 0,
        schema,
        subresources: { status: {} },
      })),
    },
  };
}

async function eventually<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (let left = 200; left > 0; left -= 1) {
    const found = await look();
    if (found !== undefined) return found;
    await systemClock.sleep(25, never);
  }
  throw new Error("it did not happen within 5 s");
}

test("apply() creates, keeps every field and takes over, with strict validation", async () => {
  const policy: KubeObject = {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: "np", namespace },
    spec: { podSelector: {}, ingress: [{ from: [{ namespaceSelector: {} }] }], policyTypes: ["Ingress"] },
  };
  const applied = await direct.apply(policy, { fieldManager }, never);
  assert.deepEqual(applied["spec"], policy["spec"]);
  await direct.apply(configMap("a", { key: "theirs" }), { fieldManager: "other" }, never);
  const conflict = direct.apply(configMap("a", { key: "ours" }), { fieldManager, force: false }, never);
  await assert.rejects(
    conflict,
    (error) => isConflict(error) && error instanceof ApiError && error.causes.length === 1,
  );
  const taken = await direct.apply(configMap("a", { key: "ours" }), { fieldManager }, never);
  assert.deepEqual(taken["data"], { key: "ours" });
  const misspelt = { ...configMap("b"), dataa: { key: "x" } };
  await assert.rejects(direct.apply(misspelt, { fieldManager }, never), /Cannot apply ConfigMap\/default\/b: .*dataa/);
});

test("apply() with dryRun answers with the result and writes nothing", async () => {
  const dry = await direct.apply(configMap("dry", { a: "b" }), { fieldManager, dryRun: true }, never);
  assert.deepEqual(dry["data"], { a: "b" });
  assert.equal(await direct.getOrUndefined(configMaps, { namespace, name: "dry" }, never), undefined);
});

test("get() and getOrUndefined() tell absent from refused", async () => {
  const key = { namespace, name: "absent" };
  await assert.rejects(
    direct.get(configMaps, key, never),
    /^ApiError: Cannot get ConfigMap\/default\/absent: configmaps "absent" not found$/,
  );
  const kubeconfig = await plane.kubeconfigFor({ user: "nobody" });
  const nobody = clientOf(await loadConnection({ kubeconfig, env: {}, clock: systemClock }));
  await assert.rejects(
    nobody.getOrUndefined(configMaps, key, never),
    (error) => error instanceof ApiError && error.status === 403,
  );
  await nobody.close();
});

test("create() and replace() keep to their preconditions", async () => {
  const created = await direct.create(configMap("a", { n: "1" }), { fieldManager }, never);
  await assert.rejects(direct.create(configMap("a"), { fieldManager }, never), isAlreadyExists);
  const replaced = await direct.replace({ ...created, data: { n: "2" } }, { fieldManager }, never);
  assert.deepEqual(replaced["data"], { n: "2" });
  await assert.rejects(direct.replace({ ...created, data: { n: "3" } }, { fieldManager }, never), isConflict);
});

test("patch() sends both kinds of patches", async () => {
  await direct.create(configMap("a", { x: "1", y: "2" }), { fieldManager }, never);
  const ref = { gvk: configMaps, key: { namespace, name: "a" } };
  await direct.patch(ref, { kind: "merge", value: { data: { x: null } } }, { fieldManager }, never);
  const operations = [
    { op: "test", path: "/data/y", value: "2" },
    { op: "add", path: "/data/z", value: "3" },
  ];
  const patched = await direct.patch(ref, { kind: "json", operations }, { fieldManager }, never);
  assert.deepEqual(patched["data"], { y: "2", z: "3" });
});

test("delete() tells gone, held by a finalizer and absent, and keeps to the uid", async () => {
  const plain = await direct.create(configMap("plain"), { fieldManager }, never);
  await direct.create(configMap("held", {}, { finalizers: ["test/hold"] }), { fieldManager }, never);
  const at = (name: string) => ({ gvk: configMaps, key: { namespace, name } });
  await assert.rejects(direct.delete(at("plain"), { uid: "another" }, never), isConflict);
  assert.deepEqual(await direct.delete(at("plain"), { uid: plain.metadata.uid ?? "" }, never), { kind: "deleted" });
  assert.equal((await direct.delete(at("held"), {}, never)).kind, "terminating");
  assert.deepEqual(await direct.delete(at("plain"), {}, never), { kind: "absent" });
  assert.deepEqual(
    await direct.delete(
      { gvk: { group: "no.such", version: "v1", kind: "Thing" }, key: { namespace, name: "x" } },
      {},
      never,
    ),
    {
      kind: "absent",
    },
  );
});

test("list() reads all pages, selects, and gives items their kind, also with metadata only", async () => {
  await Promise.all(
    Array.from({ length: 7 }, (_, n) =>
      client.create(configMap(`page-${n}`, { n: `${n}` }, { labels: { odd: `${n % 2}` } }), { fieldManager }, never),
    ),
  );
  const all = await client.list(configMaps, { namespace, labelSelector: "odd in (0,1)", pageSize: 3 }, never);
  assert.deepEqual(
    all.items.map((item) => [item.apiVersion, item.kind, item.metadata.name]),
    Array.from({ length: 7 }, (_, n) => ["v1", "ConfigMap", `page-${n}`]),
  );
  assert.equal(proxy.requests.filter(({ path }) => path.includes("limit=3")).length, 3);
  const odd = await client.list(configMaps, { labelSelector: "odd=1", metadataOnly: true }, never);
  assert.deepEqual(
    odd.items.map((item) => [item.kind, item.metadata.name, item["data"]]),
    [1, 3, 5].map((n) => ["ConfigMap", `page-${n}`, undefined]),
  );
  const one = await client.list(configMaps, { fieldSelector: "metadata.name=page-4" }, never);
  assert.deepEqual(
    one.items.map((item) => item.metadata.name),
    ["page-4"],
  );
});

test("list() starts over in one piece when its snapshot has expired between pages", async () => {
  for (const name of ["a", "b", "c"])
    await client.create(configMap(name, {}, { labels: { t: "1" } }), { fieldManager }, never);
  const body = JSON.stringify({ kind: "Status", code: 410, reason: "Expired", message: "too old" });
  proxy.inject({ path: "continue=", fault: { kind: "answer", status: 410, body } });
  const { items } = await client.list(configMaps, { labelSelector: "t=1", pageSize: 2 }, never);
  assert.deepEqual(
    items.map((item) => item.metadata.name),
    ["a", "b", "c"],
  );
});

test("discovery finds custom kinds once they are served, and forgets what is not", async () => {
  const gvk = { group: "one.example.com", version: "v1", kind: "Thing" };
  const key = { namespace, name: "x" };
  await assert.rejects(client.get(gvk, key, never), NoSuchKindError);
  assert.equal(await client.getOrUndefined(gvk, key, never), undefined);
  await client.apply(crd("one.example.com", ["v1", "v1beta1"]), { fieldManager }, never);
  await eventually(() => client.discovery.find(gvk, never));
  const resource = { ...gvk, plural: "things", namespaced: true, storageVersionHash: storageHash(gvk) };
  assert.deepEqual(await client.discovery.findPreferred(gvk, never), resource);
  assert.deepEqual(await client.discovery.resourcesOf("one.example.com", never), [resource]);
  const thing = {
    apiVersion: "one.example.com/v1",
    kind: "Thing",
    metadata: { name: "x", namespace },
    spec: { a: { b: [1, null] } },
  };
  await client.apply(thing, { fieldManager }, never);
  const status = { ...thing, spec: undefined, status: { phase: "ok" } };
  const withStatus = await client.apply(
    JSON.parse(JSON.stringify(status)),
    { fieldManager: "flux-operator-status", subresource: "status" },
    never,
  );
  assert.deepEqual([withStatus["spec"], withStatus["status"]], [thing.spec, { phase: "ok" }]);
  await client.delete(
    {
      gvk: { group: "apiextensions.k8s.io", version: "v1", kind: "CustomResourceDefinition" },
      key: { namespace: "", name: "things.one.example.com" },
    },
    {},
    never,
  );
  await eventually(async () => ((await client.getOrUndefined(gvk, key, never)) === undefined ? true : undefined));
});

test("discovery of one group does not depend on another that fails", async () => {
  proxy.inject({
    path: "/apis/broken.example.com",
    fault: { kind: "answer", status: 503, body: "service unavailable" },
    times: 100,
  });
  await assert.rejects(client.discovery.resourcesOf("broken.example.com", never), ApiError);
  assert.equal(
    (await client.discovery.find({ group: "autoscaling", version: "v2", kind: "HorizontalPodAutoscaler" }, never))
      ?.plural,
    "horizontalpodautoscalers",
  );
  const asked = proxy.requests.length;
  await client.getOrUndefined({ group: "apps", version: "v1", kind: "Deployment" }, { namespace, name: "x" }, never);
  assert.equal(proxy.requests.length, asked + 1, "a built-in kind needs no discovery");
});

test("serverVersion() answers as /version does", async () => {
  assert.match((await direct.serverVersion(never)).gitVersion, /^v1\.\d+\.\d+/);
});

test("watch() tells changes and bookmarks in order, from the version on, until the server ends it", async () => {
  const { resourceVersion } = await client.list(configMaps, { namespace }, never);
  const seen: WatchEvent[] = [];
  const writer = (async () => {
    await client.create(configMap("w", { n: "1" }, { labels: { w: "1" } }), { fieldManager }, never);
    await client.apply(configMap("w", { n: "2" }, { labels: { w: "1" } }), { fieldManager }, never);
    await client.delete({ gvk: configMaps, key: { namespace, name: "w" } }, {}, never);
  })();
  const options = { namespace, labelSelector: "w=1", resourceVersion, timeoutMs: 3_000, idleMs: 30_000 };
  for await (const event of client.watch(configMaps, options, never)) seen.push(event);
  await writer;
  assert.deepEqual(
    seen
      .filter((event) => event.kind !== "bookmark")
      .map((event) => [event.kind, event.object.kind, event.object.metadata.name]),
    ["added", "modified", "deleted"].map((kind) => [kind, "ConfigMap", "w"]),
  );
  assert.equal(seen.at(-1)?.kind, "bookmark");
});

test("watch() fails with the reason of an expired version, of a refused and of a silent stream", async () => {
  const watch = async (options: { resourceVersion: string; idleMs: number }): Promise<void> => {
    for await (const _ of client.watch(configMaps, { timeoutMs: 60_000, ...options }, never));
  };
  proxy.inject({
    path: "watch=true",
    fault: {
      kind: "answer",
      status: 200,
      body: `${JSON.stringify({ type: "ERROR", object: { kind: "Status", code: 410, reason: "Expired" } })}\n`,
    },
  });
  await assert.rejects(watch({ resourceVersion: "1", idleMs: 5_000 }), isExpired);
  proxy.inject({ path: "watch=true", fault: { kind: "answer", status: 503 } });
  await assert.rejects(
    watch({ resourceVersion: "1", idleMs: 5_000 }),
    (error) => error instanceof ApiError && error.status === 503,
  );
  proxy.inject({ path: "watch=true", fault: { kind: "stall", afterBytes: 10 } });
  const { resourceVersion } = await client.list(configMaps, {}, never);
  await assert.rejects(watch({ resourceVersion, idleMs: 200 }), /Cannot watch ConfigMap: nothing received for 0\.2 s/);
});

test("watch() closes its connection when the consumer stops", async () => {
  const { resourceVersion } = await client.list(configMaps, {}, never);
  await client.create(configMap("first"), { fieldManager }, never);
  const open = proxy.socketsOpen;
  for await (const _ of client.watch(configMaps, { resourceVersion, timeoutMs: 60_000, idleMs: 60_000 }, never)) break;
  await eventually(async () => (proxy.socketsOpen <= open ? true : undefined));
});

for (const { name, fault, want } of [
  { name: "a 429 with Retry-After", fault: { kind: "answer", status: 429, headers: { "retry-after": "1" } }, want: 2 },
  { name: "a connection that is reset", fault: { kind: "reset" }, want: 2 },
  { name: "an answer that is cut", fault: { kind: "cut", afterBytes: 5 }, want: 2 },
] as const) {
  test(`get() survives ${name}`, async () => {
    await direct.create(configMap("x"), { fieldManager }, never);
    proxy.inject({ path: "/configmaps/", fault });
    const startedMs = performance.now();
    assert.equal((await client.get(configMaps, { namespace, name: "x" }, never)).metadata.name, "x");
    assert.equal(proxy.requests.length, want);
    if (fault.kind === "answer") assert.ok(performance.now() - startedMs >= 990, "it waited as told");
  });
}

test("create() is not sent again when nobody knows whether it arrived", async () => {
  proxy.inject({ method: "POST", fault: { kind: "reset" } });
  await assert.rejects(client.create(configMap("once"), { fieldManager }, never), ConnectionError);
  assert.equal(proxy.requests.length, 1);
});

test("a rotated token is read anew after a 401, once", async () => {
  let reads = 0;
  const tokens = async (fresh: boolean): Promise<string> =>
    `Bearer ${(reads += fresh ? 1 : 0) > 0 ? plane.token : "expired"}`;
  const rotating = clientOf(throughProxy(tokens));
  assert.equal(await rotating.getOrUndefined(configMaps, { namespace, name: "x" }, never), undefined);
  assert.equal(proxy.requests.length, 2);
  const expired = clientOf(throughProxy(async () => "Bearer expired"));
  await assert.rejects(
    expired.get(configMaps, { namespace, name: "x" }, never),
    (error) => error instanceof ApiError && error.status === 401,
  );
  assert.equal(proxy.requests.length, 4);
  await Promise.all([rotating.close(), expired.close()]);
});

test("a request ends with the caller's reason when that gives up, however dead the wire is", async () => {
  proxy.inject({ fault: { kind: "blackhole" }, times: 10 });
  const abort = new AbortController();
  const answer = client.get(configMaps, { namespace, name: "x" }, abort.signal);
  await eventually(async () => (proxy.requests.length === 1 ? true : undefined));
  abort.abort(new Error("no more"));
  await assert.rejects(answer, /^Error: no more$/);
});

test("200 requests after each other use at most two sockets, 200 at once no more than 16, and none is left open", async () => {
  const get = () => client.getOrUndefined(configMaps, { namespace, name: "x" }, never);
  for (let n = 0; n < 200; n += 1) await get();
  assert.ok(proxy.socketsAccepted <= 2, `${proxy.socketsAccepted} sockets`);
  await Promise.all(Array.from({ length: 200 }, get));
  assert.ok(proxy.socketsAccepted <= 16, `${proxy.socketsAccepted} sockets`);
  await client.close();
  await eventually(async () => (proxy.socketsOpen === 0 ? true : undefined));
});

/** A client through the proxy whose writes are refused once `lose` was called. */
function leader(more: Partial<TransportOptions & Pick<Connection, "authorization">> = {}): {
  readonly writer: ApiClient;
  readonly lose: () => void;
} {
  const connection = throughProxy(more.authorization);
  const own = createApiClient({ connection, userAgent: "flux-operator/test", clock: systemClock, ...more });
  let leads = true;
  const check = (): void => {
    if (!leads) throw new LeadershipLostError("Cannot go on without the lease");
  };
  return { writer: own.guardWrites(check), lose: () => void (leads = false) };
}

const guarded: KubeObject = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "guarded", namespace } };
const guardedRef = { gvk: configMaps, key: { namespace, name: "guarded" } };

for (const { name, write } of [
  { name: "a create", write: (writer) => writer.create(guarded, { fieldManager }, never) },
  { name: "an apply", write: (writer) => writer.apply(guarded, { fieldManager }, never) },
  { name: "a replace", write: (writer) => writer.replace(guarded, { fieldManager }, never) },
  {
    name: "a patch",
    write: (writer) => writer.patch(guardedRef, { kind: "merge", value: {} }, { fieldManager }, never),
  },
  { name: "a delete", write: (writer) => writer.delete(guardedRef, {}, never) },
] satisfies readonly { name: string; write: (writer: ApiClient) => Promise<unknown> }[]) {
  test(`client that has lost the lease while the server was busy does not send ${name} again`, async () => {
    const clock = new TestClock();
    const { writer, lose } = leader({ clock });
    const fault = { kind: "answer", status: 429, headers: { "retry-after": "1" } } as const;
    proxy.inject({ path: "/configmaps", fault });
    const written = assert.rejects(write(writer), LeadershipLostError);
    while (clock.sleepingMs().length < 2) await clock.advance(0);
    lose();
    await clock.advance(1_000);
    await written;
    assert.equal(proxy.requests.length, 1);
  });
}

test("client that has lost the lease sends nothing that waited for a socket or for a login", async () => {
  const answer = Promise.withResolvers<void>();
  const login = Promise.withResolvers<string>();
  const { writer, lose } = leader({ maxSockets: 1 });
  const slow = leader({ authorization: () => login.promise });
  proxy.inject({ method: "GET", fault: { kind: "hold", until: answer.promise } });
  const read = writer.list(configMaps, { namespace }, never);
  const written = [writer, slow.writer].map((each) =>
    assert.rejects(each.apply(guarded, { fieldManager }, never), LeadershipLostError),
  );
  while (proxy.requests.length === 0) await immediate();
  lose();
  slow.lose();
  answer.resolve();
  login.resolve(`Bearer ${plane.token}`);
  await Promise.all([read, ...written]);
  assert.deepEqual(
    proxy.requests.map(({ method }) => method),
    ["GET"],
  );
});

const plain: TlsMaterial = { insecure: false };

test("client that has lost the lease does not send the end of a request that the wire was too slow for", async (t) => {
  const read = Promise.withResolvers<void>();
  const got = Promise.withResolvers<"all of it" | "a part of it">();
  const server = createServer((request, response) => {
    request.on("error", () => undefined);
    request.on("end", () => void response.end("{}"));
    request.on("close", () => got.resolve(request.complete ? "all of it" : "a part of it"));
    void read.promise.then(() => request.resume());
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const sockets = new HttpSockets({ server: `http://127.0.0.1:${port}`, tls: async () => plain }, { maxSockets: 1 });
  t.after(() => (sockets.close(), server.close()));
  let checks = 0;
  const check = (): void => {
    checks += 1;
    if (checks > 1) throw new LeadershipLostError("Cannot go on without the lease");
  };
  // More than the buffers of both ends take.
  const body = "x".repeat(32 * 1024 * 1024);
  const answer = sockets.exchange({ method: "PATCH", path: "/", headers: {}, body, check }, never);
  const refused = assert.rejects(answer, LeadershipLostError);
  await once(server, "request");
  assert.equal(checks, 1, "there is more to send");
  read.resolve();
  await refused;
  assert.equal(await got.promise, "a part of it");
});

for (const { name, bytes, message } of [
  { name: "100 KB", bytes: 100_000, message: `Cannot get ConfigMap/default/a: ${"x".repeat(4_000)}...` },
  { name: "5 MB", bytes: 5_000_000, message: `Cannot get ConfigMap/default/a: {"message":"${"x".repeat(188)}...` },
]) {
  test(`client keeps the status of an error answer of ${name}, and cuts its message`, async () => {
    const status = { message: "x".repeat(bytes), kind: "Status", code: 422, reason: "Invalid" };
    proxy.inject({ fault: { kind: "answer", status: 422, body: JSON.stringify(status) } });
    const thrown = await client.get(configMaps, { namespace, name: "a" }, never).catch((error: unknown) => error);
    assert.ok(thrown instanceof ApiError, String(thrown).slice(0, 300));
    assert.deepEqual([thrown.status, thrown.message], [422, message]);
  });
}

test("client acts as whom the kubeconfig says, with the groups, uid and extras that it says", async () => {
  const user = {
    token: plane.token,
    as: "jane",
    "as-uid": "4711",
    "as-groups": ["dev", "ops"],
    "as-user-extra": { "example.com/Scopes": ["a", "b"] },
  };
  const path = join(plane.folder, "as-jane.kubeconfig");
  const cluster = { server: plane.server, "certificate-authority-data": Buffer.from(plane.caPem).toString("base64") };
  const config = {
    "current-context": "one",
    contexts: [{ name: "one", context: { cluster: "c", user: "u" } }],
    clusters: [{ name: "c", cluster }],
    users: [{ name: "u", user }],
  };
  await writeFile(path, JSON.stringify(config));
  const connection = await loadConnection({ kubeconfig: path, env: {}, clock: systemClock });
  const transport = new Transport({ connection, userAgent: "flux-operator/test", clock: systemClock });
  const request = {
    method: "POST",
    path: "/apis/authentication.k8s.io/v1/selfsubjectreviews",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview" }),
    action: "ask who we are",
    idempotent: true,
  } as const;
  const review = await transport.json(request, never);
  await transport.close();
  const { username, uid, groups, extra } = fieldsOf(fieldsOf(fieldsOf(review as JsonObject)["status"])["userInfo"]);
  assert.deepEqual(
    { username, uid, groups, extra },
    {
      username: "jane",
      uid: "4711",
      groups: ["dev", "ops", "system:authenticated"],
      extra: { "example.com/scopes": ["a", "b"] },
    },
  );
});

test("client waits no longer for a login than for the answer, and ends with the signal", async () => {
  const clock = new TestClock();
  const connection = throughProxy(() => new Promise<never>(() => undefined));
  const stuck = createApiClient({ connection, userAgent: "flux-operator/test", clock });
  const late = assert.rejects(
    stuck.list(configMaps, { namespace }, never),
    /Cannot list ConfigMap: no answer within 30 s/,
  );
  await clock.advance(30_000);
  await late;
  const stop = new AbortController();
  const watch = stuck.watch(configMaps, { resourceVersion: "1", timeoutMs: 1_000, idleMs: 60_000 }, stop.signal);
  const ended = assert.rejects(Array.fromAsync(watch), /stopped/);
  stop.abort(new Error("stopped"));
  await ended;
  await stuck.close();
});
