import { Authenticator } from "./auth.ts";
import { Exchange, type ExchangeAnswer, type ExchangeDeps } from "./exchange.ts";
import { refusal, type Ask, type Session } from "./session.ts";

/** A request below the repository of a session, or to an address below it that the registry gave. */
export type Request = Ask & {
  readonly method: "GET" | "HEAD" | "POST" | "PUT";
  readonly body?: Uint8Array;
  readonly contentType?: string;
  /** Where an upload goes on; by default the address comes from `path`. */
  readonly url?: URL;
};

/** Requests of a session with the login that its registry asks for. Shared by all sessions: it keeps tokens, and hosts that are busy. */
export class Requests {
  readonly #exchange: Exchange;
  readonly #authenticator: Authenticator;

  constructor(deps: ExchangeDeps) {
    this.#exchange = new Exchange(deps);
    this.#authenticator = new Authenticator({ exchange: this.#exchange, clock: deps.clock });
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
    const request = { method, url, headers, action, maxBytes, tls: target.tls, resumable, ...content };
    if (url.origin !== target.origin) return await this.#exchange.send(request, limits);
    const answer = await this.#exchange.send({ ...request, authorization: this.#authenticator.known(target) }, limits);
    if (answer.status !== 401 || answer.url.origin !== target.origin) return answer;
    const authorization = await this.#authenticator.answer(answer, target, limits);
    return await this.#exchange.send({ ...request, authorization }, limits);
  }
}
