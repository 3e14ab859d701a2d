import assert from "node:assert/strict";
import { randomBytes, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { createServer as createProxy, type Server } from "node:http";
import { createServer } from "node:https";
import { connect, type AddressInfo } from "node:net";
import { test } from "node:test";
import { createAuthority, issueCertificate, type KeyPair } from "../../test/support/authority.ts";
import { Certificates } from "./certificates.ts";
import { Dispatchers } from "./dispatchers.ts";

for (const { name, host, want } of [
  { name: "by its name", host: "ghcr.io", want: Date.UTC(2027, 0, 1) },
  { name: "by its name and a port", host: "ghcr.io:443", want: Date.UTC(2027, 0, 1) },
  { name: "by its address", host: "[::1]:5000", want: Date.UTC(2028, 0, 1) },
  { name: "and nothing of another", host: "ghcr.io.example.com", want: undefined },
])
  test(`expiryMs() finds a host ${name}`, () => {
    const certificates = new Certificates();
    certificates.saw("ghcr.io", "Jan  1 00:00:00 2027 GMT");
    certificates.saw("::1", "Jan  1 00:00:00 2028 GMT");
    assert.equal(certificates.expiryMs(host), want);
  });

test("saw() keeps the 64 hosts that were seen last, and nothing that is no date", () => {
  const certificates = new Certificates();
  certificates.saw("broken", "soon");
  for (let number = 0; number < 64; number += 1) certificates.saw(`host-${number}`, "Jan  1 00:00:00 2027 GMT");
  certificates.saw("host-0", "Jan  1 00:00:00 2027 GMT");
  certificates.saw("host-64", "Jan  1 00:00:00 2027 GMT");
  assert.deepEqual(
    ["broken", "host-0", "host-1", "host-64"].map((host) => certificates.expiryMs(host) !== undefined),
    [false, true, false, true],
  );
});

const dayMs = 24 * 3_600_000;
const authority = createAuthority("of a test");
const issue = (days: number): KeyPair =>
  issueCertificate(
    authority,
    { kind: "server", commonName: "registry", names: ["127.0.0.1", "registry.test"] },
    days * dayMs,
  );
const expiryOf = ({ certPem }: KeyPair): number => Date.parse(new X509Certificate(certPem).validTo);
const optionsOf = ({ certPem, keyPem }: KeyPair) => ({ cert: certPem, key: keyPem });

async function listen(server: Pick<Server, "listen" | "address"> & NodeJS.EventEmitter): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

/** Whatever it is asked for, it connects to `port` of this machine. */
function proxyTo(port: number): Server {
  return createProxy().on("connect", (_request, client) => {
    const upstream = connect(port, "127.0.0.1", () => client.write("HTTP/1.1 200 OK\r\n\r\n"));
    upstream.on("error", () => client.destroy());
    client.on("error", () => upstream.destroy());
    client.pipe(upstream).pipe(client);
  });
}

for (const { way, url } of [
  { way: "a direct connection", url: "https://127.0.0.1" },
  { way: "a proxy", url: "https://registry.test" },
])
  test(`Dispatchers tell until when a certificate is valid that comes by ${way}, and by when it is a new one`, async () => {
    const [first, second] = [issue(20), issue(90)];
    // As most registries and load balancers, it renews its certificate without a restart, so that old sessions can be resumed.
    const server = createServer(optionsOf(first), (_request, response) => {
      response.setHeader("connection", "close").end();
    });
    const tickets = randomBytes(48);
    server.setTicketKeys(tickets);
    const port = await listen(server);
    const proxy = proxyTo(port);
    const proxyUrl = `http://127.0.0.1:${await listen(proxy)}`;
    const certificates = new Certificates();
    const dispatchers = new Dispatchers({ https: proxyUrl }, certificates);
    const ask = async (): Promise<number | undefined> => {
      const at = new URL(`${url}:${port}/v2/`);
      const dispatcher = await dispatchers.for(at, { tls: { ca: authority.certPem }, action: "ask" });
      const { body } = await dispatcher.request({ origin: at.origin, path: at.pathname, method: "GET" });
      await body.dump();
      return certificates.expiryMs(at.host);
    };
    const seen = [await ask()];
    server.setSecureContext(optionsOf(second));
    server.setTicketKeys(tickets);
    seen.push(await ask());
    await dispatchers.close();
    server.close();
    proxy.close();
    assert.deepEqual(seen, [expiryOf(first), expiryOf(second)]);
  });
