import { Authenticator, type AuthTarget } from "./auth.ts";
import type { CloudIdentities } from "./cloud/cloud-identities.ts";
import { withoutIdentity, type Dispatchers } from "./dispatchers.ts";
import { Exchange, type ExchangeAnswer, type ExchangeDeps, type ExchangeRequest } from "./exchange.ts";
import { refusal, type Ask, type Session } from "./session.ts";

/** A request below the repository of a session, or to an address below it that the registry gave. */
export type Request = Ask & {
  readonly method: "GET" | "HEAD" | "POST" | "PUT";
  readonly body?: Uint8Array;
  readonly contentType?: string;
  /** Where an upload goes on; by default the address comes from `path`. */
  readonly url?: URL;
};

/** `cloud`: what this process is in clouds, and connections past all proxies. */
export type RequestsDeps = ExchangeDeps & {
  readonly cloud?: { readonly identities: CloudIdentities; readonly direct: Dispatchers };
};

/** Requests of a session with the login that its registry asks for. Shared by all sessions: it keeps tokens, and hosts that are busy. */
export class Requests {
  readonly #exchange: Exchange;
  readonly #authenticator: Authenticator;

  constructor({ cloud, ...deps }: RequestsDeps) {
    const exchange = new Exchange(deps);
    this.#exchange = exchange;
    this.#authenticator = new Authenticator({
      exchange,
      clock: deps.clock,
      ...(cloud === undefined ? {} : { cloud: { identities: cloud.identities, direct: directExchange(deps, cloud) } }),
    });
  }

  /** The body of a success; a refusal is thrown as RegistryError. */
  async get(session: Session, ask: Ask): Promise<ExchangeAnswer> {
    const answer = await this.send(session, { ...ask, method: "GET" });
    if (answer.status < 300) return answer;
    throw refusal(session, answer);
  }

  /** Answers one challenge, and only of the registry itself: a host to which it redirects must not get our credentials. */
  async send(
    session: Session,
    { path, accept, maxBytes, method, body, contentType, url: given, resumable = false }: Request,
  ): Promise<ExchangeAnswer> {
    const { target, action, limits } = session;
    const url = given ?? new URL(`/v2/${target.repository}/${path}`, target.origin);
    const headers = { accept, ...(contentType === undefined ? {} : { "content-type": contentType }) };
    const content = body === undefined ? {} : { body };
    const isOther = url.origin !== target.origin;
    const tls = isOther ? withoutIdentity(target.tls) : target.tls;
    const request = { method, url, headers, action, maxBytes, tls, resumable, ...content };
    if (isOther) return await this.#exchange.send(request, limits);
    const first = await this.#exchange.send({ ...request, authorization: this.#authenticator.known(target) }, limits);
    const answer = isChallenge(first, target) ? await this.#again(request, first, session) : first;
    if (answer.status === 401 || answer.status === 403) this.#authenticator.checkLogin(target);
    return answer;
  }

  async #again(
    request: ExchangeRequest,
    refusal: ExchangeAnswer,
    { target, limits }: Session,
  ): Promise<ExchangeAnswer> {
    const authorization = await this.#authenticator.answer(refusal, target, limits);
    return await this.#exchange.send({ ...request, authorization }, limits);
  }
}

function isChallenge({ status, url }: ExchangeAnswer, { origin }: AuthTarget): boolean {
  return status === 401 && url.origin === origin;
}

function directExchange(deps: ExchangeDeps, { direct }: { readonly direct: Dispatchers }): Exchange {
  return new Exchange({ ...deps, dispatchers: direct });
}
