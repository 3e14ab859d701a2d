import type { Clock } from "../std/clock.ts";
import { sha256Hex } from "../std/digest.ts";
import { UnreachableError } from "../std/errors.ts";
import { canonicalJson, isJsonObject } from "../std/json.ts";
import { chooseChallenge } from "./challenge.ts";
import type { Challenge } from "./challenge.ts";
import type { CloudIdentities } from "./cloud/cloud-identities.ts";
import type { CloudLogins } from "./cloud/cloud-logins.ts";
import { cloudRegistryOf, loginRemedy } from "./cloud/cloud-registry.ts";
import type { CloudRegistry } from "./cloud/cloud-registry.ts";
import { withoutIdentity } from "./dispatchers.ts";
import type { RegistryTls } from "./dispatchers.ts";
import type { Credentials } from "./docker-config.ts";
import type { Exchange, ExchangeAnswer, ExchangeRequest, Limits } from "./exchange.ts";
import { refusalText } from "./failures.ts";
import { RegistryError } from "./registry-error.ts";

/** One repository of one registry, with one set of credentials. */
export type AuthTarget = {
  /** "https://ghcr.io" */
  readonly origin: string;
  readonly repository: string;
  readonly credentials: Credentials;
  readonly tls: RegistryTls;
  readonly action: string;
  /** Whether it is written to. */
  readonly pushes: boolean;
};

export type AuthenticatorDeps = {
  readonly exchange: Exchange;
  readonly clock: Clock;
  /** What this process has for registries without other credentials. */
  readonly cloud?: CloudAccess;
};

/** Identities in clouds; `direct` is past all proxies, for what only the machine itself can reach. */
export type CloudAccess = { readonly identities: CloudIdentities; readonly direct: Exchange };

type Kept = {
  readonly header: string;
  readonly expiresMs: number;
  /** Why there is no login of the cloud, where the registry gave an anonymous token instead. */
  readonly loginFailure?: RegistryError | undefined;
};

/** What answers a challenge: the target's own credentials or, where it has none, a login of its cloud. */
type Login = Pick<Kept, "expiresMs" | "loginFailure"> & {
  readonly credentials: Credentials;
  readonly ofCloud: boolean;
};

const maxKept = 64;
const maxTokenBytes = 64 * 1024;
/** The life of a token for which the server gives none, by the token specification. */
const defaultLifeMs = 60_000;
/** A token is used only until so long before its end, so that it does not expire on its way. */
const marginMs = 10_000;
/** Basic credentials do not expire; after this time they are only dropped. */
const basicLifeMs = 3_600_000;

/**
 * Answers the challenges of registries and caches the answers: a token serves all requests to its repository until shortly before its end.
 * Source: "Token Authentication Specification" and "OAuth2" of the distribution project.
 */
export class Authenticator {
  readonly #deps: AuthenticatorDeps;
  readonly #kept = new Map<string, Kept>();
  #cloudLogins: CloudLogins | undefined;

  constructor(deps: AuthenticatorDeps) {
    this.#deps = deps;
  }

  /** The Authorization header that was accepted before; undefined when there is none. */
  known(target: AuthTarget): string | undefined {
    const key = keyOf(target);
    const kept = this.#kept.get(key);
    if (kept === undefined) return undefined;
    if (kept.expiresMs > this.#deps.clock.monotonicMs()) return kept.header;
    this.#kept.delete(key);
    return undefined;
  }

  /** The Authorization header that answers a 401. Throws RegistryError of kind `unauthorized` when the credentials cannot answer it. */
  async answer(refusal: ExchangeAnswer, target: AuthTarget, limits: Limits): Promise<string> {
    const wasKept = this.#kept.delete(keyOf(target));
    const challenge = chooseChallenge(refusal.challenges);
    const login = await this.#loginFor(target, limits, wasKept);
    const kept = await this.#respond(challenge, { refusal, target, limits, login });
    this.#kept.set(keyOf(target), kept);
    const oldest = this.#kept.keys().next();
    if (this.#kept.size > maxKept && oldest.done !== true) this.#kept.delete(oldest.value);
    return kept.header;
  }

  /** Throws why the registry's cloud gave no login, where that is so; to be called when the registry denies what was sent. */
  checkLogin(target: AuthTarget): void {
    const key = keyOf(target);
    const failure = this.#kept.get(key)?.loginFailure;
    if (failure === undefined) return;
    this.#kept.delete(key);
    throw failure;
  }

  /** A failed login is no failure yet: the registry may serve everyone. */
  async #loginFor(target: AuthTarget, limits: Limits, wasRefused: boolean): Promise<Login> {
    const { credentials, action } = target;
    const registry = cloudRegistryFor(target);
    const { cloud, clock, exchange } = this.#deps;
    const own = { credentials, expiresMs: Number.POSITIVE_INFINITY, ofCloud: false };
    if (cloud === undefined || registry === undefined) return own;
    try {
      this.#cloudLogins ??= await openCloudLogins(cloud.identities);
      if (wasRefused) this.#cloudLogins.forget(registry);
      const tls = withoutIdentity(target.tls);
      const context = { exchange, direct: cloud.direct, clock, action, tls, limits };
      return { ...(await this.#cloudLogins.find(registry, context)), ofCloud: true };
    } catch (error) {
      if (limits.signal.aborted || !(error instanceof RegistryError)) throw error;
      return { ...own, loginFailure: error };
    }
  }

  async #respond(challenge: Challenge, asked: Asked): Promise<Kept> {
    const { credentials, expiresMs, loginFailure } = asked.login;
    switch (challenge.kind) {
      case "basic": {
        if (loginFailure !== undefined) throw loginFailure;
        const untilMs = this.#deps.clock.monotonicMs() + basicLifeMs;
        return { header: basicHeader(asked), expiresMs: Math.min(untilMs, expiresMs) };
      }
      case "bearer":
        if (credentials.kind !== "registry-token") return await this.#fetchToken(challenge, asked);
        return { header: bearerHeader(credentials.token, asked), expiresMs };
      case "unknown": {
        const schemes = challenge.schemes.length === 0 ? "nothing" : challenge.schemes.join(", ");
        throw unauthorized(asked, `asks for ${schemes}, we know Basic and Bearer`);
      }
      default:
        throw new UnreachableError(challenge);
    }
  }

  async #fetchToken(challenge: Bearer, asked: Asked): Promise<Kept> {
    const { target, limits, login } = asked;
    const { action, tls } = target;
    const { credentials, loginFailure } = login;
    const realm = realmUrl(challenge, asked);
    // A registry asks of a look for the right to pull, and of the upload that follows for more: one token serves both.
    const ownScope = `repository:${target.repository}:${target.pushes ? "pull,push" : "pull"}`;
    const scope = target.pushes ? ownScope : (challenge.scope ?? ownScope);
    const requestedMs = this.#deps.clock.monotonicMs();
    const base = { action, tls: realm.origin === target.origin ? tls : withoutIdentity(tls), maxBytes: maxTokenBytes };
    const request =
      credentials.kind === "identity-token"
        ? { ...base, ...refreshRequest(realm, { challenge, scope, token: credentials.token }) }
        : { ...base, ...tokenRequest(realm, { challenge, scope, credentials }) };
    const answer = await this.#deps.exchange.send(request, limits);
    if (answer.status >= 300) throw loginFailure ?? refusedToken(answer, target);
    const { token, lifeMs } = readToken(answer.body, { action, host: realm.host });
    const expiresMs = Math.min(requestedMs + Math.max(0, lifeMs - marginMs), login.expiresMs);
    return { header: bearerHeader(token, asked), expiresMs, loginFailure };
  }
}

type Bearer = Extract<Challenge, { kind: "bearer" }>;
type Asked = {
  readonly refusal: ExchangeAnswer;
  readonly target: AuthTarget;
  readonly limits: Limits;
  readonly login: Login;
};

/** Loaded here, so that only those pay for it whose registry is in a cloud and asks for a login. */
async function openCloudLogins(identities: CloudIdentities): Promise<CloudLogins> {
  const library = await import("./cloud/cloud-logins.ts");
  return new library.CloudLogins(identities);
}

/** A login of a cloud is for its own hosts, by TLS, and where no other credentials were given. */
function cloudRegistryFor({ origin, credentials }: AuthTarget): CloudRegistry | undefined {
  const url = new URL(origin);
  if (credentials.kind !== "anonymous" || url.protocol !== "https:") return undefined;
  return cloudRegistryOf(url.host);
}

function keyOf({ origin, repository, credentials, pushes }: AuthTarget): string {
  return sha256Hex(canonicalJson([origin, repository, credentials, pushes]));
}

function basicHeader(asked: Asked): string {
  const { credentials } = asked.login;
  switch (credentials.kind) {
    case "password":
      return basic(credentials);
    case "anonymous":
      throw unauthorized(asked, `asks for a user and password; ${passwordRemedy(asked.target)}`);
    case "identity-token":
    case "registry-token":
      throw unauthorized(asked, "asks for a user and password, and the pull secret has a token");
    default:
      throw new UnreachableError(credentials);
  }
}

function passwordRemedy(target: AuthTarget): string {
  return cloudRegistryFor(target) === undefined ? "give a pull secret that has them" : loginRemedy(target.origin);
}

function basic({ username, password }: { username: string; password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

function bearerHeader(token: string, asked: Asked): string {
  if (/^[\u0021-\u007e]+$/.test(token)) return `Bearer ${token}`;
  throw unauthorized(asked, "cannot be given the token: it has characters that no header takes");
}

/** The address for tokens that the registry names: never from TLS to an unencrypted one. */
function realmUrl({ realm }: Bearer, asked: Asked): URL {
  if (!URL.canParse(realm)) throw unauthorized(asked, "names no address for tokens");
  const url = new URL(realm);
  const encrypted = url.protocol === "https:";
  const open = url.protocol === "http:" && asked.target.origin.startsWith("http:");
  if (!encrypted && !open) throw unauthorized(asked, `wants tokens fetched from ${url.host} without encryption`);
  if (asked.login.ofCloud && url.origin !== asked.target.origin)
    throw unauthorized(
      asked,
      `wants tokens fetched from ${url.host}, and a login of its cloud is sent to no other host`,
    );
  url.username = "";
  url.password = "";
  return url;
}

type TokenRequest = { readonly challenge: Bearer; readonly scope: string; readonly credentials: Credentials };

type Sent = Pick<ExchangeRequest, "method" | "url" | "headers" | "authorization" | "body">;

function tokenRequest(realm: URL, { challenge, scope, credentials }: TokenRequest): Sent {
  const url = new URL(realm);
  if (challenge.service !== undefined) url.searchParams.set("service", challenge.service);
  // A challenge may list several scopes; each becomes a parameter.
  url.searchParams.delete("scope");
  for (const part of scope.split(" ").filter((part) => part !== "")) url.searchParams.append("scope", part);
  const authorization = credentials.kind === "password" ? basic(credentials) : undefined;
  return { method: "GET", url, headers: { accept: "application/json" }, authorization };
}

type RefreshRequest = { readonly challenge: Bearer; readonly scope: string; readonly token: string };

function refreshRequest(realm: URL, { challenge, scope, token }: RefreshRequest): Sent {
  const form = new URLSearchParams({
    grant_type: "refresh_token",
    client_id: "flux-operator",
    scope,
    refresh_token: token,
  });
  if (challenge.service !== undefined) form.set("service", challenge.service);
  const headers = { accept: "application/json", "content-type": "application/x-www-form-urlencoded" };
  return { method: "POST", url: realm, headers, body: form.toString() };
}

function readToken(
  body: Uint8Array,
  { action, host }: { action: string; host: string },
): { token: string; lifeMs: number } {
  const refused = (): RegistryError =>
    new RegistryError({ kind: "protocol", message: `Cannot ${action}: ${host} answered without a token` });
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(body).toString("utf8"));
  } catch {
    throw refused(); // The parser's message would quote what may be a token.
  }
  if (!isJsonObject(parsed)) throw refused();
  const token = [parsed["token"], parsed["access_token"]].find((value) => typeof value === "string" && value !== "");
  if (typeof token !== "string") throw refused();
  const seconds = parsed["expires_in"];
  return { token, lifeMs: typeof seconds === "number" && seconds > 0 ? seconds * 1000 : defaultLifeMs };
}

function refusedToken(answer: ExchangeAnswer, { action, credentials, origin }: AuthTarget): RegistryError {
  const { status, url, body } = answer;
  const said = refusalText(body);
  const next = credentials.kind === "anonymous" ? loginRemedy(origin) : "check the pull secret";
  const message = `Cannot ${action}: ${url.host} gives no token (${status})${said === undefined ? "" : `: ${said}`}; ${next}`;
  return new RegistryError({ kind: "unauthorized", message });
}

function unauthorized({ refusal, target }: Asked, why: string): RegistryError {
  return new RegistryError({ kind: "unauthorized", message: `Cannot ${target.action}: ${refusal.url.host} ${why}` });
}
