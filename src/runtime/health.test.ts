import assert from "node:assert/strict";
import { after, test } from "node:test";
import { createTestLog } from "../../test/support/test-log.ts";
import { answerHealth, readyChecks, watchIsAlive } from "./health.ts";
import { createHttpServer } from "./http-server.ts";

const gvk = { group: "apps", version: "v1", kind: "Deployment" };

for (const { name, checks, want } of [
  { name: "is well without checks", checks: [], want: [200, "ok\n"] },
  {
    name: "names what is wrong",
    checks: [
      watchIsAlive({ gvk, silentMs: () => 16 * 60_000 }),
      ...readyChecks(undefined, [{ gvk, hasSynced: true, trouble: undefined }]),
    ],
    want: [503, "[-]watch-Deployment failed: the watch of Deployment is silent for too long\n[+]sync-Deployment ok\n"],
  },
  {
    name: "is well while the watch is heard",
    checks: [watchIsAlive({ gvk, silentMs: () => 60_000 })],
    want: [200, "ok\n"],
  },
  {
    name: "is not well before the first list",
    checks: readyChecks(undefined, [{ gvk, hasSynced: false, trouble: undefined }]),
    want: [503, "[-]sync-Deployment failed: Deployment is not listed yet\n"],
  },
  {
    name: "says why a kind cannot be watched, whether or not it was listed, of followed kinds too",
    checks: readyChecks(
      undefined,
      [{ gvk, hasSynced: true, trouble: { reason: "Forbidden", message: "Cannot watch Deployment: forbidden" } }],
      [
        { gvk: { ...gvk, kind: "Kustomization" }, hasSynced: false, trouble: undefined },
        { gvk: { ...gvk, kind: "GitRepository" }, hasSynced: false, trouble: { reason: "500", message: "down" } },
      ],
    ),
    want: [
      503,
      "[-]watch of Deployment failed: Cannot watch Deployment: forbidden\n[-]watch of GitRepository failed: down\n",
    ],
  },
  {
    name: "is not well before it knows who holds the lease",
    checks: readyChecks({ hasHeard: false, isLeading: () => false }, [{ gvk, hasSynced: false, trouble: undefined }]),
    want: [503, "[-]lease failed: the API server has not told yet who holds the lease\n"],
  },
  {
    name: "is well while another process leads, whose watches these are",
    checks: readyChecks({ hasHeard: true, isLeading: () => false }, [{ gvk, hasSynced: false, trouble: undefined }]),
    want: [200, "ok\n"],
  },
  {
    name: "is not well when it leads, before the first list",
    checks: readyChecks({ hasHeard: true, isLeading: () => true }, [{ gvk, hasSynced: false, trouble: undefined }]),
    want: [503, "[+]lease ok\n[-]sync-Deployment failed: Deployment is not listed yet\n"],
  },
]) {
  test(`answerHealth() ${name}`, () => {
    const { status, body } = answerHealth(checks);
    assert.deepEqual([status, body], want);
  });
}

test('answerHealth() names all checks when it is asked with "verbose"', () => {
  const checks = [{ name: "fips", check: () => undefined }];
  assert.deepEqual(answerHealth(checks, "verbose"), { status: 200, contentType: "text/plain", body: "[+]fips ok\n" });
});

const stop = new AbortController();
after(() => stop.abort());

test("createHttpServer() answers what it has, fails visibly, and frees its port at the end", async () => {
  const { log, lines } = createTestLog();
  const routes = {
    "/healthz": () => answerHealth([]),
    "/broken": () => {
      throw new Error("oops");
    },
  };
  const server = createHttpServer({ name: "health", address: "127.0.0.1:0", routes, log });
  const abort = new AbortController();
  const ended = server.run(abort.signal);
  const base = `http://127.0.0.1:${await server.listening()}`;
  const statuses = [];
  for (const [path, method] of [
    ["/healthz?verbose", "GET"],
    ["/nope", "GET"],
    ["/broken", "GET"],
    ["/healthz", "POST"],
  ] as const) {
    const response = await fetch(base + path, { method });
    await response.text();
    statuses.push(response.status);
  }
  assert.deepEqual([statuses, lines.map(({ message }) => message)], [[200, 404, 500, 405], ["Cannot answer"]]);
  abort.abort();
  await ended;
  await assert.rejects(fetch(`${base}/healthz`));
});

test("createHttpServer() says which address it cannot have", async () => {
  const { log } = createTestLog();
  const first = createHttpServer({ name: "metrics", address: "127.0.0.1:0", routes: {}, log });
  const ended = first.run(stop.signal);
  const address = `127.0.0.1:${await first.listening()}`;
  const second = createHttpServer({ name: "metrics", address, routes: {}, log });
  await assert.rejects(second.run(stop.signal), new RegExp(`^ReasonedError: Cannot serve metrics on ${address}: `));
  stop.abort();
  await ended;
});
