import { backoffMs } from "../std/backoff.ts";
import type { Clock } from "../std/clock.ts";
import { errorCode, errorMessage } from "../std/errors.ts";
import { orAborted, withDeadline } from "./abort.ts";
import { ApiError, ConnectionError, readStatus } from "./api-error.ts";
import type { Connection } from "./connection.ts";
import { HttpSockets, connectTimeoutCode, type HttpAnswer, type Sockets } from "./http-sockets.ts";

/** One request to the API server. */
export type HttpRequest = {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** With the query, without the path prefix of the server's URL. */
  readonly path: string;
  readonly headers?: { readonly [name: string]: string };
  readonly body?: string;
  /** What is done, in words, for error messages: "get Deployment/flux-system/source-controller". */
  readonly action: string;
  /** Whether the same request can be sent twice without harm. */
  readonly idempotent: boolean;
  /** Called right before the request is written to a socket, at each attempt; what it throws ends the request. */
  readonly check?: () => void;
  /** For all attempts together, body included. 30 s by default. */
  readonly timeoutMs?: number;
};

/** Called for each attempt; `status` is undefined when no answer came. */
export type RequestObserver = (request: { method: string; host: string; status: number | undefined }) => void;

/** One API server, and how its requests are named and counted. */
export type TransportOptions = {
  readonly connection: Connection;
  /** "flux-operator/0.1.0" */
  readonly userAgent: string;
  readonly clock: Clock;
  readonly observe?: RequestObserver;
  /** How many sockets requests use; watches have their own. 16 by default. */
  readonly maxSockets?: number;
  /** In place of sockets to the server; tests have an API server in memory there. */
  readonly sockets?: Sockets;
};

/** The largest answer that is read: a page of 500 big objects stays far below. */
const maxBodyBytes = 64 * 1024 * 1024;
const maxErrorBytes = 1024 * 1024;
const maxAttempts = 5;
const neverSent = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  connectTimeoutCode,
]);

/**
 * HTTP/1.1 to one API server over a bounded pool, never through a proxy of the environment. It retries a 401 once with fresh credentials, 429
 * and 5xx after their Retry-After, and lost connections of idempotent requests.
 */
export class Transport {
  readonly #options: TransportOptions;
  readonly #requests: Sockets;
  readonly #streams: Sockets;
  readonly #prefix: string;
  readonly #host: string;

  constructor(options: TransportOptions) {
    this.#options = options;
    const server = new URL(options.connection.server);
    this.#prefix = server.pathname.replace(/\/+$/, "");
    this.#host = server.host;
    const { connection, maxSockets = 16 } = options;
    this.#requests = options.sockets ?? new HttpSockets(connection, { maxSockets });
    this.#streams = options.sockets ?? new HttpSockets(connection, { maxSockets: Number.POSITIVE_INFINITY });
  }

  /** The body of a successful answer, parsed. Throws ApiError, ConnectionError, or the signal's reason. */
  async json(request: HttpRequest, signal: AbortSignal): Promise<unknown> {
    const timeoutMs = request.timeoutMs ?? 30_000;
    const deadlineMs = this.#options.clock.monotonicMs() + timeoutMs;
    const deadline = {
      signal,
      timeoutMs,
      timeoutReason: () => timedOut(request.action, timeoutMs),
      clock: this.#options.clock,
    };
    const read = async (answer: HttpAnswer): Promise<unknown> =>
      parseJson(await readText(answer, maxBodyBytes, request.action), request.action);
    return await withDeadline(deadline, (own) =>
      this.#send({ sockets: this.#requests, request, read }, { signal: own, deadlineMs }),
    );
  }

  /** The body of a successful answer as it comes. The caller must read it to its end or abort the signal. */
  async stream(request: HttpRequest, signal: AbortSignal): Promise<AsyncIterable<Buffer>> {
    // The retries below are for answers only; a watch has its own loop around it.
    const deadlineMs = this.#options.clock.monotonicMs();
    return await this.#send({ sockets: this.#streams, request, read: unread }, { signal, deadlineMs });
  }

  async close(): Promise<void> {
    this.#requests.close();
    this.#streams.close();
  }

  async #send<T>(round: Round<T>, limits: { signal: AbortSignal; deadlineMs: number }): Promise<T> {
    const { signal, deadlineMs } = limits;
    let freshLogin = false;
    for (let attempt = 1; ; attempt += 1) {
      const answer = await this.#attempt(round, { signal, freshLogin });
      if (answer.kind === "ok") return answer.value;
      const { error } = answer;
      if (error instanceof ApiError && error.status === 401 && !freshLogin) {
        freshLogin = true;
        continue;
      }
      const delayMs = retryDelayMs(error, round.request, attempt);
      if (delayMs === undefined || this.#options.clock.monotonicMs() + delayMs >= deadlineMs) throw error;
      await this.#options.clock.sleep(delayMs, signal);
    }
  }

  async #attempt<T>(
    { sockets, request, read }: Round<T>,
    { signal, freshLogin }: { signal: AbortSignal; freshLogin: boolean },
  ): Promise<Answer<T>> {
    const { method, action, body } = request;
    // A login may run a program that waits for somebody.
    const headers = await orAborted(this.#headers(request, freshLogin), signal);
    let refusal: { readonly thrown: unknown } | undefined;
    const check = (): void => {
      try {
        request.check?.();
      } catch (thrown) {
        refusal = { thrown };
        throw thrown;
      }
    };
    let status: number | undefined;
    try {
      const path = `${this.#prefix}${request.path}`;
      const answer = await sockets.exchange({ method, path, headers, body, check }, signal);
      status = answer.statusCode ?? 0;
      if (status < 300) return { kind: "ok", value: await read(answer) };
      return { kind: "failed", error: await readFailure(answer, action) };
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (refusal !== undefined) throw refusal.thrown;
      if (error instanceof ConnectionError) return { kind: "failed", error };
      return { kind: "failed", error: new ConnectionError(action, errorMessage(error), error) };
    } finally {
      this.#options.observe?.({ method, host: this.#host, status });
    }
  }

  async #headers(request: HttpRequest, freshLogin: boolean): Promise<Record<string, string | string[]>> {
    const { connection } = this.#options;
    const authorization = await connection.authorization(freshLogin);
    const more = Object.entries(connection.headers ?? {}).map(([name, value]) => [name, [value].flat()]);
    return {
      accept: "application/json",
      "user-agent": this.#options.userAgent,
      ...(authorization === undefined ? {} : { authorization }),
      ...Object.fromEntries(more),
      ...request.headers,
    };
  }
}

type Round<T> = {
  readonly sockets: Sockets;
  readonly request: HttpRequest;
  readonly read: (answer: HttpAnswer) => Promise<T>;
};

type Answer<T> =
  | { readonly kind: "ok"; readonly value: T }
  | { readonly kind: "failed"; readonly error: ApiError | ConnectionError };

/** Milliseconds until the next attempt; undefined when there is none. Same rule as client-go: an answer is retried only if it has a Retry-After. */
function retryDelayMs(error: ApiError | ConnectionError, request: HttpRequest, attempt: number): number | undefined {
  if (attempt >= maxAttempts) return undefined;
  if (error instanceof ApiError) {
    const mayRetry = error.status === 429 || error.status >= 500;
    return mayRetry ? error.retryAfterMs : undefined;
  }
  const code = errorCode(error);
  // An answer that is complete, but too large or no JSON, would be the same again.
  if (code === undefined) return undefined;
  if (!request.idempotent && !neverSent.has(code)) return undefined;
  return backoffMs(attempt, { baseMs: 50, maxMs: 1_000 });
}

async function unread(answer: HttpAnswer): Promise<AsyncIterable<Buffer>> {
  return answer;
}

async function readFailure(answer: HttpAnswer, action: string): Promise<ApiError> {
  const body = await readBeginning(answer, maxErrorBytes);
  return new ApiError(action, readStatus(answer.statusCode ?? 0, body, answer.headers["retry-after"]));
}

/** At most `maxBytes`: what follows cannot say more than the status that is known. */
async function readBeginning(answer: AsyncIterable<Buffer>, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer) {
    chunks.push(chunk.subarray(0, maxBytes - bytes));
    bytes += chunk.length;
    if (bytes >= maxBytes) break;
  }
  return Buffer.concat(chunks).toString("utf8");
}

async function readText(answer: AsyncIterable<Buffer>, maxBytes: number, action: string): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new ConnectionError(action, `the answer is larger than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parseJson(text: string, action: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ConnectionError(action, "the answer is no JSON; is this the address of an API server", error);
  }
}

function timedOut(action: string, timeoutMs: number): ConnectionError {
  return new ConnectionError(action, `no answer within ${timeoutMs / 1000} s`);
}
