import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { createServer } from "node:https";
import { createAuthority, issueCertificate } from "../../scripts/control-plane/certificates.ts";

export type TlsFront = AsyncDisposable & {
  /** "127.0.0.1:<port>" */
  readonly host: string;
  /** What a client must trust. */
  readonly caPem: string;
};

/** TLS with a CA of its own in front of a plain HTTP server at `host`. */
export async function startTlsFront(host: string): Promise<TlsFront> {
  const authority = createAuthority("of a test");
  const subject = { kind: "server", commonName: "front", names: ["127.0.0.1"] } as const;
  const { certPem, keyPem } = issueCertificate(authority, subject);
  const server = createServer({ key: keyPem, cert: certPem }, (incoming, response) => {
    const { method = "GET", url = "", headers } = incoming;
    const upstream = httpRequest(`http://${host}${url}`, { method, headers: { ...headers, host } }, (answer) => {
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
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
