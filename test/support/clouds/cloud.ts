import { generateKeyPairSync, randomBytes, randomUUID, sign, verify } from "node:crypto";
import type { KeyObject } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { isJsonObject, type JsonObject } from "../../../src/std/json.ts";

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

/** An answer of a stand-in. */
export type Answer = {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body?: string | Buffer;
};

/** What a host answers; undefined where it is what the registry behind it has. */
export type Role = (request: CloudRequest) => Answer | undefined;

/** What all stand-ins of one test have in common: who issues tokens, what was given out, and what is wrong now. */
export class Cloud {
  /** Of the tokens of pods, and of the tokens of registries. */
  readonly cluster = issuer("https://oidc.cluster.test");
  readonly registries = issuer("https://registries.test");
  readonly requests: CloudRequest[] = [];
  readonly secrets: CloudSecret[] = [];
  trouble: CloudTrouble | undefined;
  /** Whether the repositories of Google are public. */
  servesEveryone = false;
  readonly #logins = new Map<string, Set<string>>();

  /** Notes that `value` must be seen by these hosts only, and gives it back. */
  secret(name: string, value: string, ...hosts: string[]): string {
    this.secrets.push({ name, value, hosts });
    return value;
  }

  /** Makes `login` good for a place until `forgetLogins`, and gives it back. */
  allow(place: string, login: string): string {
    this.#logins.set(place, (this.#logins.get(place) ?? new Set()).add(login));
    return login;
  }

  isAllowed(place: string, login: string): boolean {
    return this.#logins.get(place)?.has(login) === true;
  }

  forgetLogins(): void {
    this.#logins.clear();
  }

  /** What a registry with a token server of its own answers to a request with or without a token. */
  answerBearer(
    { line, headers }: CloudRequest,
    { realm, service }: { realm: string; service: string },
  ): Answer | undefined {
    const token = bearerOf(headers.authorization);
    const [, repository = ""] = /^\w+ \/v2\/(.+?)\/(?:manifests|blobs|referrers)\//.exec(line) ?? [];
    const needed = /^(GET|HEAD) /.test(line) ? "pull" : "pull,push";
    const scopes = [`repository:${repository}:${needed}`, `repository:${repository}:pull,push`];
    const claims = this.registries.claimsOf(token, service);
    const isGood = typeof claims !== "string" && this.isAllowed(service, token);
    const where = this.trouble === "other realm" ? `https://${cloudHosts.storage}/token` : realm;
    const challenge = `Bearer realm="${where}",service="${service}",scope="${scopes[0]}"`;
    if (!isGood || !scopes.some((scope) => claims["scope"] === scope))
      return { ...json(401, { errors: [{ code: "UNAUTHORIZED" }] }), headers: { "www-authenticate": challenge } };
    if (this.trouble !== "no right") return undefined;
    return json(403, { errors: [{ code: "DENIED", message: "requested access to the resource is denied" }] });
  }
}

/** A secret that was never there before. */
export function random(): string {
  return randomBytes(30).toString("base64url");
}

type Claims = JsonObject | "expired" | "wrong";
export type Issuer = {
  issue(claims: JsonObject, lifeSeconds?: number): string;
  /** The claims of a token of this issuer for the audience. */
  claimsOf(token: string, audience: string): Claims;
};

/** Who signs tokens with a key of its own. */
export function issuer(iss: string): Issuer {
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

/** "user:password" of a basic login. */
export function basicOf(authorization: string | undefined): string | undefined {
  const [, encoded] = /^Basic (.+)$/.exec(authorization ?? "") ?? [];
  return encoded === undefined ? undefined : Buffer.from(encoded, "base64").toString();
}

/** The token of a bearer login; "" without one. */
export function bearerOf(authorization = ""): string {
  return authorization.replace(/^Bearer /, "");
}

export function json(status: number, body: JsonObject): Answer {
  return { status, headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
}
