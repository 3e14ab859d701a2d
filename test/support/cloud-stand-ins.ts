import { createHash, generateKeyPairSync, randomBytes, randomUUID, sign, verify } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { once } from "node:events";
import { createServer, request as httpRequest } from "node:http";
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { connect } from "node:net";
import type { AddressInfo, Server } from "node:net";
import { buffer } from "node:stream/consumers";
import { createAuthority, issueCertificate } from "../../scripts/control-plane/certificates.ts";
import { signAwsRequest, type AwsKeys } from "../../src/oci/cloud/aws-signature.ts";
import { isJsonObject, type JsonObject } from "../../src/std/json.ts";

/** Hosts that the stand-ins answer for. */
export const cloudHosts = {
  sts: "sts.eu-west-1.amazonaws.com",
  ecrApi: "api.ecr.eu-west-1.amazonaws.com",
  ecr: "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
  entra: "login.microsoftonline.com",
  acr: "team.azurecr.io",
  google: "europe-docker.pkg.dev",
  /** To where all three registries redirect for blobs. */
  storage: "layers.storage.test",
} as const;

export const roleArn = "arn:aws:iam::123456789012:role/flux-operator";
export const azureClient = {
  clientId: "6f7a0a9c-0000-4000-8000-000000000001",
  tenantId: "9b1d0000-0000-4000-8000-000000000002",
};

/** A request that one of the hosts got, all of it. */
export type CloudRequest = {
  readonly host: string;
  readonly line: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
};

/** Something that must stay between the process and these hosts. */
export type CloudSecret = { readonly name: string; readonly value: string; readonly hosts: readonly string[] };

/** What the next answers are, other than those of a cloud in which all is well. */
export type CloudTrouble =
  /** No token of a pod is worth anything. */
  | "no trust"
  /** Identities may not log in at a registry. */
  | "no login"
  /** They may log in, and not pull. */
  | "no right"
  /** Registries send for their tokens to another host. */
  | "other realm";

export type CloudStandIns = AsyncDisposable & {
  /** "http://127.0.0.1:<port>": a proxy through which, and only through which, the hosts are reached. */
  readonly proxy: string;
  /** What clients must trust. */
  readonly caPem: string;
  /** Origin of Google's metadata server, and URL of the EKS Pod Identity agent: both on the machine itself. */
  readonly metadata: string;
  readonly podIdentityAgent: string;
  readonly requests: readonly CloudRequest[];
  readonly secrets: readonly CloudSecret[];
  /** A token of the operator's pod as its cluster issues it, to be shown to one host only. */
  podToken(token: { readonly audience: string; readonly shownTo: string; readonly lifeSeconds?: number }): string;
  /** Lets the registries forget all logins that they gave. */
  revoke(): void;
  trouble: CloudTrouble | undefined;
};

type Answer = { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string | Buffer };

/**
 * STS, ECR, Entra, Azure Container Registry, Artifact Registry, Google's metadata server and the EKS Pod Identity agent, as far as a login
 * needs them: each checks what it is given as the cloud does (signatures of tokens, their audience and end; Signature Version 4 and its time),
 * and gives out new secrets every time. The three registries serve what the open registry at `upstream` has.
 */
export async function startCloudStandIns(upstream: string): Promise<CloudStandIns> {
  const cluster = issuer("https://oidc.cluster.test");
  const entra = issuer("https://login.microsoftonline.com");
  const registries = issuer("https://registries.test");
  const requests: CloudRequest[] = [];
  const secrets: CloudSecret[] = [];
  const awsKeys = new Map<string, AwsKeys>();
  /** By host, the logins that are good there: passwords of ECR, access tokens of Google. */
  const logins = new Map<string, Set<string>>();
  let trouble: CloudTrouble | undefined;

  const secret = (name: string, value: string, ...hosts: string[]): string => {
    secrets.push({ name, value, hosts });
    return value;
  };
  const remember = (host: string, login: string): string => {
    logins.set(host, (logins.get(host) ?? new Set()).add(login));
    return login;
  };
  const newAwsKeys = (): AwsKeys => {
    const keys = {
      accessKeyId: `ASIA${randomBytes(8).toString("hex").toUpperCase()}`,
      secretAccessKey: secret("secret access key", random()),
      sessionToken: secret("session token", `${random()}+/==`, cloudHosts.ecrApi),
    };
    awsKeys.set(keys.accessKeyId, keys);
    return keys;
  };

  const sts = ({ body }: CloudRequest): Answer => {
    const form = new URLSearchParams(body);
    const claims = cluster.claimsOf(form.get("WebIdentityToken") ?? "", "sts.amazonaws.com");
    const asked = [form.get("Action"), form.get("Version"), form.get("RoleSessionName")].join(" ");
    if (asked !== "AssumeRoleWithWebIdentity 2011-06-15 flux-operator") return xmlError(400, "ValidationError");
    if (claims === "expired") return xmlError(400, "ExpiredTokenException");
    if (claims === "wrong") return xmlError(400, "InvalidIdentityToken");
    if (trouble === "no trust" || form.get("RoleArn") !== roleArn) return xmlError(403, "AccessDenied");
    const { accessKeyId, secretAccessKey, sessionToken } = newAwsKeys();
    return {
      status: 200,
      headers: { "content-type": "text/xml" },
      body: `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult>
        <Credentials><AccessKeyId>${accessKeyId}</AccessKeyId><SecretAccessKey>${secretAccessKey}</SecretAccessKey><SessionToken>${sessionToken}</SessionToken><Expiration>2030-01-01T00:00:00Z</Expiration></Credentials>
        </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`,
    };
  };

  const podIdentityAgent = ({ headers }: CloudRequest): Answer => {
    const claims = cluster.claimsOf(headers.authorization ?? "", "pods.eks.amazonaws.com");
    if (typeof claims === "string" || trouble === "no trust") return { status: 400, body: "AccessDeniedException" };
    const { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: Token } = newAwsKeys();
    return json(200, { AccessKeyId, SecretAccessKey, Token: Token ?? "", AccountId: "123456789012" });
  };

  const ecrApi = ({ headers, body }: CloudRequest): Answer => {
    const target = "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken";
    if (headers["x-amz-target"] !== target) return json(400, { __type: "UnknownOperationException" });
    const fault = signatureFault({ headers, body }, awsKeys);
    if (fault !== undefined) return json(400, { __type: fault, message: `${fault} at ${new Date().toISOString()}` });
    if (trouble === "no login") return json(400, { __type: "AccessDeniedException", message: "not authorized" });
    const password = remember(cloudHosts.ecr, secret("password of ECR", random(), cloudHosts.ecr));
    const authorizationToken = Buffer.from(`AWS:${password}`).toString("base64");
    const expiresAt = Date.now() / 1000 + 12 * 3600;
    return json(200, {
      authorizationData: [{ authorizationToken, expiresAt, proxyEndpoint: `https://${cloudHosts.ecr}` }],
    });
  };

  const entraToken = ({ line, body }: CloudRequest): Answer => {
    const form = new URLSearchParams(body);
    const { clientId, tenantId } = azureClient;
    const claims = cluster.claimsOf(form.get("client_assertion") ?? "", "api://AzureADTokenExchange");
    const isRight =
      line === `POST /${tenantId}/oauth2/v2.0/token` &&
      form.get("client_id") === clientId &&
      form.get("grant_type") === "client_credentials" &&
      form.get("client_assertion_type") === "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    const refused = (code: number): Answer =>
      json(401, { error: "invalid_client", error_description: `AADSTS${code}: ${randomUUID()}`, error_codes: [code] });
    if (!isRight) return refused(700016);
    if (claims === "expired") return refused(700024);
    if (typeof claims === "string") return refused(700212);
    if (trouble === "no trust") return refused(700213);
    const audience = (form.get("scope") ?? "").replace(/\/\.default$/, "");
    const token = entra.issue({ aud: audience, tid: tenantId });
    return json(200, {
      token_type: "Bearer",
      expires_in: 3599,
      access_token: secret("token of Entra", token, cloudHosts.acr),
    });
  };

  const acr = (request: CloudRequest): Answer | undefined => {
    const { line, headers, body } = request;
    const form = new URLSearchParams(body);
    const service = cloudHosts.acr;
    if (line === "POST /oauth2/exchange") {
      const claims = entra.claimsOf(form.get("access_token") ?? "", "https://containerregistry.azure.net");
      const isRight =
        form.get("grant_type") === "access_token" && form.get("service") === service && trouble !== "no login";
      if (typeof claims === "string" || !isRight || form.get("tenant") !== azureClient.tenantId)
        return json(401, { errors: [{ code: "UNAUTHORIZED", message: "authentication required" }] });
      const token = registries.issue({ aud: service, grant: "refresh" }, 3 * 3600);
      return json(200, { refresh_token: secret("refresh token of ACR", token, service) });
    }
    if (line === "POST /oauth2/token") {
      const claims = registries.claimsOf(form.get("refresh_token") ?? "", service);
      if (typeof claims === "string" || claims["grant"] !== "refresh" || form.get("grant_type") !== "refresh_token")
        return json(401, { errors: [{ code: "UNAUTHORIZED", message: "authentication required" }] });
      const token = registries.issue({ aud: service, grant: "access", scope: form.get("scope") ?? "" });
      remember(service, token);
      return json(200, { access_token: secret("access token of ACR", token, service) });
    }
    // Without a login, a registry of Azure gives no token.
    if (line.startsWith("GET /oauth2/token")) return json(401, { errors: [{ code: "UNAUTHORIZED" }] });
    return bearer(request, { realm: `https://${service}/oauth2/token`, service, token: headers.authorization });
  };

  const google = (request: CloudRequest): Answer | undefined => {
    const { line, headers } = request;
    const service = cloudHosts.google;
    if (line.startsWith("GET /v2/token?")) {
      const password = basicOf(headers.authorization)?.replace(/^oauth2accesstoken:/, "");
      if (password !== undefined && logins.get("accounts")?.has(password) !== true)
        return json(401, { errors: [{ code: "UNAUTHORIZED", message: "invalid token" }] });
      const scope = new URLSearchParams(line.split("?")[1]).get("scope") ?? "";
      // Without a login Google gives a token too, which is good for what is public.
      const token = registries.issue({ aud: service, scope, anonymous: password === undefined });
      remember(service, token);
      return json(200, { token: secret("token of Artifact Registry", token, service), expires_in: 3600 });
    }
    const realm = `https://${service}/v2/token`;
    const answer = bearer(request, { realm, service, token: headers.authorization });
    if (answer !== undefined) return answer;
    const claims = registries.claimsOf((headers.authorization ?? "").replace(/^Bearer /, ""), service);
    if (typeof claims === "string" || claims["anonymous"] !== true) return undefined;
    return json(403, { errors: [{ code: "DENIED", message: "Unauthenticated request" }] });
  };

  const metadata = ({ line, headers }: CloudRequest): Answer => {
    const path = "GET /computeMetadata/v1/instance/service-accounts/default/token";
    const flavor = { "metadata-flavor": "Google" };
    if (line !== path || headers["metadata-flavor"] !== "Google") return { status: 403 };
    if (trouble === "no trust") return { status: 403, headers: flavor, body: "Unable to generate access token" };
    const token = remember("accounts", secret("access token of Google", random(), cloudHosts.google));
    return { ...json(200, { access_token: token, expires_in: 3600, token_type: "Bearer" }), headers: flavor };
  };

  const ecr = ({ headers }: CloudRequest): Answer | undefined => {
    const password = basicOf(headers.authorization)?.replace(/^AWS:/, "");
    const challenge = `Basic realm="https://${cloudHosts.ecr}/",service="ecr.amazonaws.com"`;
    if (password === undefined || logins.get(cloudHosts.ecr)?.has(password) !== true)
      return { status: 401, headers: { "www-authenticate": challenge }, body: "Not Authorized" };
    if (trouble !== "no right") return undefined;
    return json(403, { errors: [{ code: "DENIED", message: "not authorized to perform: ecr:BatchGetImage" }] });
  };

  const bearer = (
    { line }: CloudRequest,
    { realm, service, token }: { realm: string; service: string; token: string | undefined },
  ): Answer | undefined => {
    const [, repository = ""] = /^\w+ \/v2\/(.+?)\/(?:manifests|blobs|referrers)\//.exec(line) ?? [];
    const needed = /^(GET|HEAD) /.test(line) ? "pull" : "pull,push";
    const scopes = [`repository:${repository}:${needed}`, `repository:${repository}:pull,push`];
    const claims = registries.claimsOf((token ?? "").replace(/^Bearer /, ""), service);
    const isGood = typeof claims !== "string" && logins.get(service)?.has((token ?? "").slice(7)) === true;
    const granted = isGood && scopes.some((scope) => claims["scope"] === scope);
    const where = trouble === "other realm" ? `https://${cloudHosts.storage}/token` : realm;
    const challenge = `Bearer realm="${where}",service="${service}",scope="${scopes[0]}"`;
    if (!granted)
      return { ...json(401, { errors: [{ code: "UNAUTHORIZED" }] }), headers: { "www-authenticate": challenge } };
    if (trouble !== "no right") return undefined;
    return json(403, { errors: [{ code: "DENIED", message: "requested access to the resource is denied" }] });
  };

  /** Undefined: what the registry itself answers. */
  const roles: Readonly<Record<string, (request: CloudRequest) => Answer | undefined>> = {
    [cloudHosts.sts]: sts,
    [cloudHosts.ecrApi]: ecrApi,
    [cloudHosts.ecr]: ecr,
    [cloudHosts.entra]: entraToken,
    [cloudHosts.acr]: acr,
    [cloudHosts.google]: google,
    [cloudHosts.storage]: () => undefined,
  };

  const authority = createAuthority("of the clouds");
  const subject = { kind: "server", commonName: "clouds", names: Object.values(cloudHosts) } as const;
  const { certPem, keyPem } = issueCertificate(authority, subject);
  const clouds = createTlsServer({ key: keyPem, cert: certPem }, async (incoming, response) => {
    const body = await buffer(incoming);
    const request = recordOf(incoming, body);
    requests.push(request);
    const isBlob = /^GET \S+\/blobs\//.test(request.line) && request.host !== cloudHosts.storage;
    const answer = roles[request.host]?.(request) ?? (isBlob ? redirected(request) : undefined);
    if (answer === undefined) forward({ request, body, response, upstream });
    else response.writeHead(answer.status, answer.headers).end(answer.body);
  });
  const local = createServer(async (incoming, response) => {
    const request = recordOf(incoming, await buffer(incoming));
    requests.push(request);
    const { status, headers, body } = request.line.includes("computeMetadata")
      ? metadata(request)
      : podIdentityAgent(request);
    response.writeHead(status, headers).end(body);
  });
  const proxy = createServer((_request, response) => void response.writeHead(400).end());
  proxy.on("connect", ({ url = "" }: IncomingMessage, socket) => {
    const name = url.replace(/:443$/, "");
    if (roles[name] === undefined) {
      socket.end("HTTP/1.1 502 Bad Gateway\r\n\r\n");
      return;
    }
    const there = connect(portOf(clouds), "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      there.pipe(socket).pipe(there);
    });
    there.on("error", () => socket.destroy());
    socket.on("error", () => there.destroy());
  });
  const servers = [clouds, local, proxy];
  await Promise.all(servers.map((server) => once(server.listen(0, "127.0.0.1"), "listening")));
  const origin = `http://127.0.0.1:${portOf(local)}`;
  return {
    proxy: `http://127.0.0.1:${portOf(proxy)}`,
    caPem: authority.certPem,
    metadata: origin,
    podIdentityAgent: `${origin}/v1/credentials`,
    requests,
    secrets,
    podToken: ({ audience, shownTo, lifeSeconds }) => {
      const claims = { aud: audience, sub: "system:serviceaccount:flux-system:flux-operator" };
      return secret("pod token", cluster.issue(claims, lifeSeconds), shownTo);
    },
    revoke: () => logins.clear(),
    get trouble() {
      return trouble;
    },
    set trouble(next) {
      trouble = next;
    },
    [Symbol.asyncDispose]: async () => {
      const ends = servers.map((server) => once(server, "close"));
      servers.forEach((server) => {
        server.closeAllConnections();
        server.close();
      });
      await Promise.all(ends);
    },
  };
}

/** Each secret that a request carried to a host that must not see it, by names alone. */
export function strayed({ requests, secrets }: Pick<CloudStandIns, "requests" | "secrets">): readonly string[] {
  return requests.flatMap((request) => {
    const { host, line, headers, body } = request;
    const texts = [line, JSON.stringify(headers), body, decodeURIComponent(body), basicOf(headers.authorization) ?? ""];
    return secrets
      .filter(({ value, hosts }) => !hosts.includes(host) && texts.some((text) => text.includes(value)))
      .map(({ name }) => `${name} went to ${host}`);
  });
}

function random(): string {
  return randomBytes(30).toString("base64url");
}

type Claims = JsonObject | "expired" | "wrong";
type Issuer = {
  issue(claims: JsonObject, lifeSeconds?: number): string;
  /** The claims of a token of this issuer for the audience. */
  claimsOf(token: string, audience: string): Claims;
};

function issuer(iss: string): Issuer {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return {
    issue: (claims, lifeSeconds = 3600) => {
      const exp = Math.floor(Date.now() / 1000) + lifeSeconds;
      return signedToken({ iss, jti: randomUUID(), exp, ...claims }, privateKey);
    },
    claimsOf: (token, audience) => {
      const [header = "", payload = "", signature = ""] = token.split(".");
      const key = { key: publicKey, dsaEncoding: "ieee-p1363" } as const;
      if (!verify("sha256", Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, "base64url")))
        return "wrong";
      const claims: unknown = JSON.parse(Buffer.from(payload, "base64url").toString());
      if (!isJsonObject(claims) || claims["aud"] !== audience) return "wrong";
      return Number(claims["exp"]) * 1000 < Date.now() ? "expired" : claims;
    },
  };
}

function part(value: JsonObject): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

function signedToken(claims: JsonObject, key: KeyObject): string {
  const signed = `${part({ typ: "JWT", alg: "ES256" })}.${part(claims)}`;
  const signature = sign("sha256", Buffer.from(signed), { key, dsaEncoding: "ieee-p1363" });
  return `${signed}.${signature.toString("base64url")}`;
}

/** The name of AWS's error for a signature that is not right; the signer is held to AWS's own vectors by its test. */
function signatureFault(
  { headers, body }: Pick<CloudRequest, "headers" | "body">,
  known: ReadonlyMap<string, AwsKeys>,
): string | undefined {
  const text = (name: string): string => String(headers[name] ?? "");
  const [, id = "", day = "", signedNames = ""] =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/eu-west-1\/ecr\/aws4_request, SignedHeaders=([^,]+), /.exec(
      text("authorization"),
    ) ?? [];
  const keys = known.get(id);
  if (keys === undefined) return "UnrecognizedClientException";
  const date = text("x-amz-date");
  const nowMs = Date.parse(date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z"));
  if (Math.abs(nowMs - Date.now()) > 15 * 60_000 || !date.startsWith(day)) return "InvalidSignatureException";
  const own = new Set(["host", "x-amz-date", "x-amz-security-token"]);
  const signed = signedNames.split(";").filter((name) => !own.has(name));
  const request = {
    method: "POST",
    host: text("host"),
    headers: Object.fromEntries(signed.map((name) => [name, text(name)])),
    body,
    region: "eu-west-1",
    service: "ecr",
  } as const;
  const wanted = signAwsRequest(request, keys, nowMs);
  const isSigned = wanted.authorization === text("authorization") && text("x-amz-security-token") === keys.sessionToken;
  return isSigned ? undefined : "InvalidSignatureException";
}

function recordOf({ method = "", url = "", headers }: IncomingMessage, body: Buffer): CloudRequest {
  return { host: headers.host ?? "", line: `${method} ${url}`, headers, body: body.toString("latin1") };
}

function redirected({ line }: CloudRequest): Answer {
  const { pathname } = new URL(line.split(" ")[1] ?? "", "http://unused");
  return {
    status: 307,
    headers: {
      location: `https://${cloudHosts.storage}${pathname}?signature=${createHash("sha256").update(pathname).digest("hex")}`,
    },
  };
}

type Forwarding = {
  readonly request: CloudRequest;
  readonly body: Buffer;
  readonly response: ServerResponse;
  readonly upstream: string;
};

/** As the proxy in front of a registry does, so that the addresses that it gives are its public ones. */
function forward({ request, body, response, upstream }: Forwarding): void {
  const [method = "", url = ""] = request.line.split(" ");
  const { authorization: _, connection: __, "transfer-encoding": ___, ...others } = request.headers;
  const headers = { ...others, "x-forwarded-proto": "https", "content-length": body.length };
  const there = httpRequest(`http://${upstream}${url}`, { method, headers }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(response);
  });
  there.on("error", () => response.destroy());
  there.end(body);
}

function basicOf(authorization: string | undefined): string | undefined {
  const [, encoded] = /^Basic (.+)$/.exec(authorization ?? "") ?? [];
  return encoded === undefined ? undefined : Buffer.from(encoded, "base64").toString();
}

function json(status: number, body: JsonObject): Answer {
  return { status, headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
}

function xmlError(status: number, code: string): Answer {
  const said = `<Message>${code} at ${new Date().toISOString()}</Message>`;
  return {
    status,
    body: `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code>${said}</Error></ErrorResponse>`,
  };
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}
