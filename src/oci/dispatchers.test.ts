import assert from "node:assert/strict";
import { test } from "node:test";
import { rootCertificates } from "node:tls";
import { Agent, ProxyAgent } from "undici";
import type { Dispatcher } from "undici";

import { Dispatchers, withoutIdentity } from "./dispatchers.ts";
import { RegistryError } from "./registry-error.ts";

const url = new URL("https://ghcr.io/v2/");
const action = "pull it";

test("for() gives one pool to all that connect alike", async () => {
  const dispatchers = new Dispatchers({});
  const first = await dispatchers.for(url, { tls: {}, action });
  assert.equal(await dispatchers.for(new URL("http://other.io"), { tls: {}, action: "resolve it" }), first);
  assert.ok(first instanceof Agent);
  await dispatchers.close();
});

test("for() goes through the proxy of the URL", async () => {
  const dispatchers = new Dispatchers({ https: "http://user:secret@proxy:3128", noProxy: ["internal"] });
  assert.ok((await dispatchers.for(url, { tls: {}, action })) instanceof ProxyAgent);
  assert.ok((await dispatchers.for(new URL("https://reg.internal"), { tls: {}, action })) instanceof Agent);
  await dispatchers.close();
});

test("for() keeps eight pools and closes the one that was used longest ago", async () => {
  const dispatchers = new Dispatchers({});
  const trusting = (number: number): Promise<Dispatcher> =>
    dispatchers.for(url, { tls: { ca: rootCertificates[number] ?? "" }, action });
  const [first, second] = [await trusting(0), await trusting(1)];
  for (let number = 2; number < 8; number += 1) await trusting(number);
  assert.equal(await trusting(0), first, "all eight are kept");
  await trusting(8);
  assert.equal(await trusting(0), first, "it was used since");
  assert.notEqual(await trusting(1), second);
  await dispatchers.close();
  assert.ok(second instanceof Agent && second.closed);
});

for (const { name, proxy, tls, why } of [
  {
    name: "a proxy that is no URL",
    proxy: { https: "user:secret@" },
    tls: {},
    why: "the proxy's address is no http:// or https:// URL",
  },
  {
    name: "a proxy of another kind",
    proxy: { https: "ftp://user:secret@proxy" },
    tls: {},
    why: "the proxy's address is no http:// or https:// URL",
  },
  { name: "a CA that is none", proxy: {}, tls: { ca: "secret" }, why: "the CA certificate is no PEM certificate" },
  { name: "a key alone", proxy: {}, tls: { key: "secret" }, why: "a client certificate needs both cert and key" },
  {
    name: "a certificate that is none",
    proxy: {},
    tls: { cert: "secret", key: "secret" },
    why: "the client certificate and its key cannot be read, or do not belong together",
  },
]) {
  test(`for() refuses ${name} without repeating it`, async () => {
    await assert.rejects(new Dispatchers(proxy).for(url, { tls, action }), (error: unknown) => {
      assert.ok(error instanceof RegistryError);
      assert.deepEqual([error.kind, error.message], ["credentials", `Cannot pull it: ${why}`]);
      return true;
    });
  });
}

test("withoutIdentity() leaves the CA", () => {
  assert.deepEqual(withoutIdentity({ ca: "ca", cert: "cert", key: "key" }), { ca: "ca" });
  assert.deepEqual(withoutIdentity({ cert: "cert", key: "key" }), {});
});
