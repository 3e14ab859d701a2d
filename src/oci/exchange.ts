import type { Dispatcher } from "undici";

import { backoffMs, withJitter } from "../std/backoff.ts";
import type { Random } from "../std/backoff.ts";
import type { Clock } from "../std/clock.ts";
import { withoutIdentity } from "./dispatchers.ts";
import type { Dispatchers, RegistryTls } from "./dispatchers.ts";
import { Download } from "./download.ts";
import { networkFailure, parseRetryAfter, refusalText, statusFailure } from "./failures.ts";
import { RegistryError } from "./registry-error.ts";

export type ExchangeRequest = {
  readonly method: "GET" | "HEAD" | "POST";
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** Sent to this URL's origin alone, wherever redirects lead. */
  readonly authorization?: string | undefined;
  readonly body?: string;
  /** What is done, for messages: "pull oci://ghcr.io/org/app:v1". */
  readonly action: string;
  /** What a successful answer may have at most. */
  readonly maxBytes: number;
  readonly tls: RegistryTls;
  /** Whether the content is the same for ever, so that a download which broke off may go on where it was. */
  readonly resumable?: boolean;
};

/** 2xx, or a 4xx other than 429. */
export type ExchangeAnswer = {
  readonly status: number;
  readonly header: (name: string) => string | undefined;
  readonly challenges: readonly string[];
  readonly body: Uint8Array;
  /** Where it came from in the end. */
  readonly url: URL;
};

export type Limits = {
  readonly signal: AbortSignal;
  /** By the clock's monotonicMs: no attempt begins after it. */
  readonly deadlineMs: number;
};

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
 * HTTP as registries need it: redirects that never carry credentials to another origin nor leave TLS, bounded bodies, and more attempts where
 * they may help, up to a deadline. Who asked us to stay away (429) is left alone by all requests until then.
 */
export class Exchange {
  readonly #deps: ExchangeDeps;
  /** By host, until when by the monotonic clock. */
  readonly #busyUntilMs = new Map<string, number>();

  constructor(deps: ExchangeDeps) {
    this.#deps = deps;
  }

  /** Throws RegistryError, or the signal's reason. */
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

  #request(
    request: ExchangeRequest,
    { url, download }: Omit<Hop, "request">,
    signal: AbortSignal,
  ): Promise<Dispatcher.ResponseData> {
    const { method, headers, authorization, body, tls } = request;
    const sameOrigin = url.origin === request.url.origin;
    return this.#deps.dispatchers
      .for(url, { tls: sameOrigin ? tls : withoutIdentity(tls), action: request.action })
      .request({
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

/** A fleet that was sent away together does not come back together. */
function delayBefore(attempt: number, { retryAfterMs }: RegistryError, random: Random): number {
  if (retryAfterMs !== undefined) return withJitter(retryAfterMs, 0.1, random);
  return withJitter(backoffMs(attempt, { baseMs: 200, maxMs: 5_000 }), 0.5, random);
}

type Hop = { readonly request: ExchangeRequest; readonly url: URL; readonly download: Download };

type Outcome =
  | { readonly kind: "answered"; readonly answer: ExchangeAnswer }
  /** `transient`: the next attempt may go better. */
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
  if (request.method === "POST") throw refused("redirects a request that carries credentials");
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

/** The server cannot go on where it broke off. */
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
