import { generateKeyPairSync, randomUUID, sign } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

export type TokenRequest = {
  readonly method: string;
  readonly authorization: string | undefined;
  /** Query, or form of a POST. */
  readonly parameters: Readonly<Record<string, string>>;
};

/** Who may pull, by what they show. */
export type TokenPolicy = {
  readonly users: Readonly<Record<string, string>>;
  readonly refreshTokens: readonly string[];
  /** Repositories that anybody may pull. */
  readonly open: readonly string[];
};

export type TokenServer = AsyncDisposable & {
  readonly realm: string;
  readonly issuer: string;
  readonly service: string;
  /** What verifies the tokens. */
  readonly jwks: string;
  readonly requests: readonly TokenRequest[];
};

/** Signs what a registry of the distribution project expects (its "Token Authentication Specification"). Tokens live a minute. */
export async function startTokenServer(policy: TokenPolicy): Promise<TokenServer> {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const [issuer, service, kid] = ["token-server.test", "registry.test", randomUUID()];
  const requests: TokenRequest[] = [];
  const issue = (scope: string): string => {
    const now = Math.floor(Date.now() / 1000);
    const [type, name, actions = ""] = scope.split(":");
    const claims = {
      iss: issuer,
      sub: "test",
      aud: service,
      iat: now,
      nbf: now - 10,
      exp: now + 60,
      jti: randomUUID(),
      access: [{ type, name, actions: actions.split(",") }],
    };
    const signed = `${part({ typ: "JWT", alg: "ES256", kid })}.${part(claims)}`;
    const signature = sign("sha256", Buffer.from(signed), { key: privateKey, dsaEncoding: "ieee-p1363" });
    return `${signed}.${signature.toString("base64url")}`;
  };

  const server = createServer(async (incoming, response) => {
    const request = await readRequest(incoming);
    requests.push(request);
    const { scope = "" } = request.parameters;
    const granted = isGranted(request, policy);
    response.writeHead(granted ? 200 : 401, { "content-type": "application/json" });
    const refusal = { errors: [{ code: "UNAUTHORIZED", message: "wrong credentials" }] };
    response.end(JSON.stringify(granted ? { token: issue(scope), expires_in: 60 } : refusal));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const stop = async (): Promise<void> => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  };
  return {
    // crane refuses a realm that is a private address.
    realm: `http://localhost:${(server.address() as AddressInfo).port}/token`,
    issuer,
    service,
    jwks: JSON.stringify({ keys: [{ ...publicKey.export({ format: "jwk" }), kid, alg: "ES256", use: "sig" }] }),
    requests,
    [Symbol.asyncDispose]: stop,
  };
}

function part(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

async function readRequest(incoming: IncomingMessage): Promise<TokenRequest> {
  const { method = "", url = "" } = incoming;
  const form = method === "POST" ? await text(incoming) : new URL(url, "http://unused").search;
  const parameters = Object.fromEntries(new URLSearchParams(form));
  return { method, authorization: incoming.headers.authorization, parameters };
}

function isGranted({ method, authorization, parameters }: TokenRequest, policy: TokenPolicy): boolean {
  if (method === "POST") return policy.refreshTokens.includes(parameters["refresh_token"] ?? "");
  if (authorization === undefined) return policy.open.includes(parameters["scope"]?.split(":")[1] ?? "");
  const [username = "", password] = Buffer.from(authorization.replace(/^Basic /, ""), "base64")
    .toString()
    .split(":");
  return policy.users[username] === password;
}
