import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { createServer } from "node:https";
import { createAuthority, issueCertificate, type KeyPair } from "../../scripts/control-plane/certificates.ts";

export type TlsFront = AsyncDisposable & {
  /** "127.0.0.1:<port>" */
  readonly host: string;
  /** What a client must trust. */
  readonly caPem: string;
  /** A certificate of a client that it knows. */
  readonly client: KeyPair;
  /** Shows a new certificate from now on, valid for so long, and ends the connections that were made with the old one. */
  renew(validMs: number): void;
};

/** TLS with a CA of its own in front of a plain HTTP registry at `host`; with `closed`, only for clients that it knows. */
export async function startTlsFront(host: string, { closed = false } = {}): Promise<TlsFront> {
  const authority = createAuthority("of a test");
  const subject = { kind: "server", commonName: "front", names: ["127.0.0.1"] } as const;
  const issue = (validMs?: number): { readonly key: string; readonly cert: string } => {
    const { certPem, keyPem } = issueCertificate(authority, subject, validMs);
    return { key: keyPem, cert: certPem };
  };
  const client = issueCertificate(authority, { kind: "client", commonName: "reader", organisations: [] });
  const clients = closed ? { ca: authority.certPem, requestCert: true, rejectUnauthorized: true } : {};
  const server = createServer({ ...issue(), ...clients }, (incoming, response) => {
    const { method = "GET", url = "", headers: sent } = incoming;
    // The registry then gives addresses of the front.
    const headers = { ...sent, "x-forwarded-proto": "https" };
    const upstream = httpRequest(`http://${host}${url}`, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    upstream.on("error", () => response.destroy());
    incoming.pipe(upstream);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the front has no port");
  return {
    host: `127.0.0.1:${address.port}`,
    caPem: authority.certPem,
    client,
    renew: (validMs) => {
      server.setSecureContext({ ...issue(validMs), ...clients });
      server.closeAllConnections();
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
