import type { Dispatcher } from "undici";

import { backoffMs, withJitter } from "../std/backoff.ts";
import type { Random } from "../std/backoff.ts";
import type { Clock } from "../std/clock.ts";
import { withoutIdentity } from "./dispatchers.ts";
import type { Dispatchers, RegistryTls } from "./dispatchers.ts";
import { Download } from "./download.ts";
import { networkFailure, parseRetryAfter, refusalText, statusFailure } from "./failures.ts";
import { RegistryError } from "./registry-error.ts";

/** One request to a registry. */
export type ExchangeRequest = {
  readonly method: "GET" | "HEAD" | "POST" | "PUT";
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** Sent only to this URL's origin, wherever redirects lead. */
  readonly authorization?: string | undefined;
  readonly body?: string | Uint8Array;
  /** What is done, in words for messages: "pull oci://ghcr.io/org/app:v1". */
  readonly action: string;
  /** The most bytes that a successful answer may have. */
  readonly maxBytes: number;
  readonly tls: RegistryTls;
  /** Whether the content never changes, so that a download that broke off can be continued. */
  readonly resumable?: boolean;
};

/** An answer with 2xx, or a 4xx other than 429. */
export type ExchangeAnswer = {
  readonly status: number;
  readonly header: (name: string) => string | undefined;
  readonly challenges: readonly string[];
  readonly body: Uint8Array;
  /** The URL after all redirects. */
  readonly url: URL;
};

/** How long an exchange may take. */
export type Limits = {
  readonly signal: AbortSignal;
  /** By the clock's monotonicMs: no attempt starts after it. */
  readonly deadlineMs: number;
};

/** Connections, time and chance, which tests replace. */
export type ExchangeDeps = {
  readonly dispatchers: Dispatchers;
  readonly clock: Clock;
  readonly random: Random;
  /** "flux-operator/0.1.0" */
  readonly userAgent: string;
};

const maxAttempts = 4;
const maxRedirects = 5;
const maxErrorBytes = 16 * 1024;
const maxBusyHosts = 64;

/**
 * HTTP as registries need it: redirects that neither carry credentials to another origin nor leave TLS, bounded bodies, and retries that may
 * help, until a deadline. No request is sent to a host that has answered 429 until its Retry-After has passed.
 */
export class Exchange {
  readonly #deps: ExchangeDeps;
  /** By host, until which monotonic time it is not asked. */
  readonly #busyUntilMs = new Map<string, number>();

  constructor(deps: ExchangeDeps) {
    this.#deps = deps;
  }

  /** Sends the request with redirects and retries. Throws RegistryError, or the signal's reason. */
  async send(request: ExchangeRequest, { signal, deadlineMs }: Limits): Promise<ExchangeAnswer> {
    const { clock, random } = this.#deps;
    const download = new Download();
    for (let attempt = 1; ; attempt += 1) {
      await this.#whileBusy(request, { signal, deadlineMs });
      if (request.resumable !== true) download.restart();
      const outcome = await this.#attempt(request, download, signal);
      if (outcome.kind === "answered") return outcome.answer;
      const { error, transient } = outcome;
      if (!transient || attempt >= maxAttempts) throw error;
      const delayMs = delayBefore(attempt, error, random);
      if (clock.monotonicMs() + delayMs >= deadlineMs) throw error;
      await clock.sleep(delayMs, signal);
    }
  }

  async #whileBusy({ url, action }: ExchangeRequest, { signal, deadlineMs }: Limits): Promise<void> {
    const { clock } = this.#deps;
    const untilMs = this.#busyUntilMs.get(url.host);
    if (untilMs === undefined) return;
    const leftMs = untilMs - clock.monotonicMs();
    if (untilMs >= deadlineMs && leftMs > 0)
      throw statusFailure({ action, host: url.host, status: 429, retryAfterMs: Math.ceil(leftMs) });
    if (leftMs > 0) await clock.sleep(leftMs, signal);
    this.#busyUntilMs.delete(url.host);
  }

  async #attempt(request: ExchangeRequest, download: Download, signal: AbortSignal): Promise<Outcome> {
    let url = request.url;
    let began = false;
    try {
      for (let redirects = 0; redirects <= maxRedirects; redirects += 1) {
        began = false;
        const response = await this.#request(request, { url, download }, signal);
        began = true;
        if (!isRedirect(response)) return await this.#read(response, { request, url, download });
        await response.body.dump();
        url = nextUrl(response, { request, url, download });
      }
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (error instanceof RegistryError) return { kind: "failed", error, transient: false };
      return { kind: "failed", ...networkFailure(error, { action: request.action, host: url.host, began }) };
    }
    const message = `Cannot ${request.action}: ${request.url.host} redirects more than ${maxRedirects} times`;
    return { kind: "failed", error: new RegistryError({ kind: "redirect", message }), transient: false };
  }

  async #request(
    request: ExchangeRequest,
    { url, download }: Omit<Hop, "request">,
    signal: AbortSignal,
  ): Promise<Dispatcher.ResponseData> {
    const { method, headers, authorization, body, tls } = request;
    const sameOrigin = url.origin === request.url.origin;
    const own = sameOrigin ? tls : withoutIdentity(tls);
    const dispatcher = await this.#deps.dispatchers.for(url, { tls: own, action: request.action });
    return await dispatcher.request({
      origin: url.origin,
      path: url.pathname + url.search,
      method,
      headers: {
        "user-agent": this.#deps.userAgent,
        ...headers,
        ...download.range,
        ...(sameOrigin && authorization !== undefined ? { authorization } : {}),
      },
      body: body ?? null,
      signal,
    });
  }

  async #read(response: Dispatcher.ResponseData, hop: Hop): Promise<Outcome> {
    const { statusCode: status } = response;
    const { request, url, download } = hop;
    const { action } = request;
    if (status < 300 && download.accepts(status, headerOf(response, "content-range"))) {
      await readBody(response, hop);
      return { kind: "answered", answer: answerOf(response, url, download.bytes()) };
    }
    const body = await readStart(response);
    if (download.lengthBytes > 0 && (status < 300 || status === 416)) return fromTheStart(hop);
    if (status < 500 && status !== 429) return { kind: "answered", answer: answerOf(response, url, body) };
    const retryAfterMs = parseRetryAfter(headerOf(response, "retry-after"), this.#deps.clock.nowMs());
    if (status === 429 && retryAfterMs !== undefined) this.#leaveAlone(url.host, retryAfterMs);
    const error = statusFailure({ action, host: url.host, status, retryAfterMs, said: refusalText(body) });
    return { kind: "failed", error, transient: true };
  }

  #leaveAlone(host: string, ms: number): void {
    this.#busyUntilMs.delete(host);
    this.#busyUntilMs.set(host, this.#deps.clock.monotonicMs() + ms);
    const oldest = this.#busyUntilMs.keys().next();
    if (this.#busyUntilMs.size > maxBusyHosts && oldest.done !== true) this.#busyUntilMs.delete(oldest.value);
  }
}

/** The jitter keeps a fleet that was refused at one moment from returning at one moment. */
function delayBefore(attempt: number, { retryAfterMs }: RegistryError, random: Random): number {
  if (retryAfterMs !== undefined) return withJitter(retryAfterMs, 0.1, random);
  return withJitter(backoffMs(attempt, { baseMs: 200, maxMs: 5_000 }), 0.5, random);
}

type Hop = { readonly request: ExchangeRequest; readonly url: URL; readonly download: Download };

type Outcome =
  | { readonly kind: "answered"; readonly answer: ExchangeAnswer }
  /** `transient`: the next attempt may succeed. */
  | { readonly kind: "failed"; readonly error: RegistryError; readonly transient: boolean };

function isRedirect({ statusCode }: Dispatcher.ResponseData): boolean {
  return [301, 302, 303, 307, 308].includes(statusCode);
}

function nextUrl(response: Dispatcher.ResponseData, { request, url }: Hop): URL {
  const refused = (why: string): RegistryError =>
    new RegistryError({ kind: "redirect", message: `Cannot ${request.action}: ${url.host} ${why}` });
  const location = headerOf(response, "location");
  if (location === undefined || !URL.canParse(location, url)) throw refused("redirects to no address");
  const next = new URL(location, url);
  if (request.body !== undefined) throw refused("redirects a request that carries credentials or content");
  if (next.protocol !== "https:" && next.protocol !== "http:") throw refused(`redirects to ${next.protocol}`);
  if (next.protocol === "http:" && url.protocol === "https:")
    throw refused(`redirects to ${next.host} without encryption`);
  next.username = "";
  next.password = "";
  return next;
}

function answerOf(response: Dispatcher.ResponseData, url: URL, body: Uint8Array): ExchangeAnswer {
  const challenge = response.headers["www-authenticate"] ?? [];
  return {
    status: response.statusCode,
    header: (name) => headerOf(response, name),
    challenges: typeof challenge === "string" ? [challenge] : challenge,
    body,
    url,
  };
}

function headerOf({ headers }: Dispatcher.ResponseData, name: string): string | undefined {
  const value = headers[name];
  return typeof value === "string" ? value : value?.[0];
}

async function readBody({ body }: Dispatcher.ResponseData, { request, url, download }: Hop): Promise<void> {
  for await (const chunk of body) {
    if (!(chunk instanceof Uint8Array)) throw new TypeError("undici gave something else than bytes");
    if (download.lengthBytes + chunk.length > request.maxBytes) {
      const message = `Cannot ${request.action}: ${url.host} sends more than ${request.maxBytes} bytes`;
      throw new RegistryError({ kind: "too-large", message });
    }
    download.add(chunk);
  }
}

/** The server cannot continue a download that broke off. */
function fromTheStart({ request, url, download }: Hop): Outcome {
  download.restart();
  const message = `Cannot ${request.action}: ${url.host} cannot go on with an answer that broke off`;
  return { kind: "failed", error: new RegistryError({ kind: "truncated", message }), transient: true };
}

/** The beginning of an error's body, which may be a web page of any size. */
async function readStart({ body }: Dispatcher.ResponseData): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    if (!(chunk instanceof Uint8Array)) throw new TypeError("undici gave something else than bytes");
    chunks.push(chunk.subarray(0, maxErrorBytes - length));
    length += chunk.length;
    if (length >= maxErrorBytes) break;
  }
  return Buffer.concat(chunks);
}
