import type { Clock } from "../std/clock.ts";
import { sha256Hex } from "../std/digest.ts";
import { UnreachableError } from "../std/errors.ts";
import { canonicalJson, isJsonObject } from "../std/json.ts";
import { chooseChallenge } from "./challenge.ts";
import type { Challenge } from "./challenge.ts";
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

type Kept = { readonly header: string; readonly expiresMs: number };

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
  readonly #exchange: Exchange;
  readonly #clock: Clock;
  readonly #kept = new Map<string, Kept>();

  constructor({ exchange, clock }: { exchange: Exchange; clock: Clock }) {
    this.#exchange = exchange;
    this.#clock = clock;
  }

  /** The Authorization header that was accepted before; undefined when there is none. */
  known(target: AuthTarget): string | undefined {
    const key = keyOf(target);
    const kept = this.#kept.get(key);
    if (kept === undefined) return undefined;
    if (kept.expiresMs > this.#clock.monotonicMs()) return kept.header;
    this.#kept.delete(key);
    return undefined;
  }

  /** The Authorization header that answers a 401. Throws RegistryError of kind `unauthorized` when the credentials cannot answer it. */
  async answer(refusal: ExchangeAnswer, target: AuthTarget, limits: Limits): Promise<string> {
    this.#kept.delete(keyOf(target));
    const challenge = chooseChallenge(refusal.challenges);
    const kept = await this.#respond(challenge, { refusal, target, limits });
    this.#kept.set(keyOf(target), kept);
    const oldest = this.#kept.keys().next();
    if (this.#kept.size > maxKept && oldest.done !== true) this.#kept.delete(oldest.value);
    return kept.header;
  }

  async #respond(challenge: Challenge, asked: Asked): Promise<Kept> {
    const { target } = asked;
    switch (challenge.kind) {
      case "basic":
        return { header: basicHeader(asked), expiresMs: this.#clock.monotonicMs() + basicLifeMs };
      case "bearer":
        if (target.credentials.kind !== "registry-token") return await this.#fetchToken(challenge, asked);
        return { header: bearerHeader(target.credentials.token, asked), expiresMs: Number.POSITIVE_INFINITY };
      case "unknown": {
        const schemes = challenge.schemes.length === 0 ? "nothing" : challenge.schemes.join(", ");
        throw unauthorized(asked, `asks for ${schemes}, we know Basic and Bearer`);
      }
      default:
        throw new UnreachableError(challenge);
    }
  }

  async #fetchToken(challenge: Bearer, asked: Asked): Promise<Kept> {
    const { target, limits } = asked;
    const { action, tls, credentials } = target;
    const realm = realmUrl(challenge, asked);
    // A registry asks of a look for the right to pull, and of the upload that follows for more: one token serves both.
    const ownScope = `repository:${target.repository}:${target.pushes ? "pull,push" : "pull"}`;
    const scope = target.pushes ? ownScope : (challenge.scope ?? ownScope);
    const requestedMs = this.#clock.monotonicMs();
    const base = { action, tls: realm.origin === target.origin ? tls : withoutIdentity(tls), maxBytes: maxTokenBytes };
    const request =
      credentials.kind === "identity-token"
        ? { ...base, ...refreshRequest(realm, { challenge, scope, token: credentials.token }) }
        : { ...base, ...tokenRequest(realm, { challenge, scope, credentials }) };
    const answer = await this.#exchange.send(request, limits);
    if (answer.status >= 300) throw refusedToken(answer, target);
    const { token, lifeMs } = readToken(answer.body, { action, host: realm.host });
    return { header: bearerHeader(token, asked), expiresMs: requestedMs + Math.max(0, lifeMs - marginMs) };
  }
}

type Bearer = Extract<Challenge, { kind: "bearer" }>;
type Asked = { readonly refusal: ExchangeAnswer; readonly target: AuthTarget; readonly limits: Limits };

function keyOf({ origin, repository, credentials, pushes }: AuthTarget): string {
  return sha256Hex(canonicalJson([origin, repository, credentials, pushes]));
}

function basicHeader(asked: Asked): string {
  const { credentials } = asked.target;
  switch (credentials.kind) {
    case "password":
      return basic(credentials);
    case "anonymous":
      throw unauthorized(asked, "asks for a user and password; give a pull secret that has them");
    case "identity-token":
    case "registry-token":
      throw unauthorized(asked, "asks for a user and password, and the pull secret has a token");
    default:
      throw new UnreachableError(credentials);
  }
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

function refusedToken({ status, url, body }: ExchangeAnswer, { action, credentials }: AuthTarget): RegistryError {
  const said = refusalText(body);
  const next = credentials.kind === "anonymous" ? "give a pull secret" : "check the pull secret";
  const message = `Cannot ${action}: ${url.host} gives no token (${status})${said === undefined ? "" : `: ${said}`}; ${next}`;
  return new RegistryError({ kind: "unauthorized", message });
}

function unauthorized({ refusal, target }: Asked, why: string): RegistryError {
  return new RegistryError({ kind: "unauthorized", message: `Cannot ${target.action}: ${refusal.url.host} ${why}` });
}
