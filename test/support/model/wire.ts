import type { Exchange, HttpAnswer, Sockets } from "../../../src/client/http-sockets.ts";
import type { Answer, MemoryServer, Request, Watch } from "./api-server.ts";

/** What goes wrong with a request. `lost`: it is carried out, and its answer is not heard. */
export type Fault = "refused" | "reset" | "lost" | 429 | 500 | 503;

export type WireRequest = Request & { readonly isWrite: boolean };

type Pending = {
  readonly request: WireRequest;
  readonly check: () => void;
  readonly resolve: (answer: HttpAnswer) => void;
  readonly reject: (error: Error) => void;
};

/** The sockets of one process: its requests wait until somebody lets them through, one by one. */
export class Wire implements Sockets {
  readonly #server: MemoryServer;
  readonly #pending: Pending[] = [];
  readonly #streams = new Set<Stream>();
  #isCut = false;

  constructor(server: MemoryServer) {
    this.#server = server;
  }

  exchange({ method, path, headers, body, check }: Exchange, signal: AbortSignal): Promise<HttpAnswer> {
    signal.throwIfAborted();
    if (this.#isCut) return Promise.reject(coded("ECONNREFUSED"));
    const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>();
    const texts = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
    const isWrite = method !== "GET" && !path.includes("dryRun=All") && !path.includes("/authorization.k8s.io/");
    const request = { method, path, headers: texts, isWrite, ...(body === undefined ? {} : { body }) };
    const pending = { request, check, resolve: this.#closing(resolve, signal), reject };
    this.#pending.push(pending);
    const onAbort = (): void => {
      const at = this.#pending.indexOf(pending);
      if (at >= 0) this.#pending.splice(at, 1);
      reject(signal.reason);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    return promise;
  }

  /** A stream ends with the signal of its request. */
  #closing(resolve: (answer: HttpAnswer) => void, signal: AbortSignal): (answer: HttpAnswer) => void {
    return (answer) => {
      if (answer instanceof Stream)
        signal.addEventListener("abort", () => this.#end(answer, signal.reason), { once: true });
      resolve(answer);
    };
  }

  #end(stream: Stream, error?: Error): void {
    this.#streams.delete(stream);
    stream.end(error);
  }

  close(): void {
    this.cut();
  }

  /** No more gets through, in either direction. */
  cut(): void {
    this.#isCut = true;
    for (const { reject } of this.#pending.splice(0)) reject(coded("ECONNRESET"));
    for (const stream of this.#streams) this.#end(stream, coded("ECONNRESET"));
  }

  /** How many steps there are to choose from: requests that wait, and watches that have something to tell. */
  get steps(): number {
    return this.#pending.length + this.#talking().length;
  }

  #talking(): readonly Stream[] {
    return [...this.#streams].filter((stream) => stream.hasNews());
  }

  /** Takes one step. Resolves a request by the fault that `faultOf` gives for it, if any; answers the request that was carried out. */
  step(index: number, faultOf: (request: WireRequest) => Fault | undefined): WireRequest | undefined {
    const pending = this.#pending[index];
    if (pending === undefined) {
      const stream = this.#talking()[index - this.#pending.length];
      if (stream !== undefined && !stream.tell()) this.#end(stream);
      return undefined;
    }
    this.#pending.splice(index, 1);
    return this.#carryOut(pending, faultOf(pending.request));
  }

  #carryOut({ request, check, resolve, reject }: Pending, fault: Fault | undefined): WireRequest | undefined {
    try {
      check();
    } catch (error) {
      reject(error instanceof Error ? error : new Error("refused", { cause: error }));
      return undefined;
    }
    if (fault === "refused" || fault === "reset") {
      reject(coded(fault === "refused" ? "ECONNREFUSED" : "ECONNRESET"));
      return undefined;
    }
    if (typeof fault === "number") {
      resolve(answerOf(failure(fault)));
      return undefined;
    }
    const watch = this.#server.openWatch(request);
    const answer = watch ?? this.#server.handle(request);
    if (fault === "lost") reject(coded("ECONNRESET"));
    else if ("status" in answer) resolve(answerOf(answer));
    else {
      const stream = new Stream(answer);
      this.#streams.add(stream);
      resolve(stream);
    }
    return request;
  }
}

function coded(code: string): Error {
  return Object.assign(new Error(`the connection broke: ${code}`), { code });
}

function failure(status: number): Answer {
  const reasons: { readonly [status: number]: string } = {
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
  };
  const body = {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    reason: reasons[status] ?? "",
    message: "not now",
    code: status,
  };
  return { status, body, ...(status === 429 ? { retryAfter: 1 } : {}) };
}

function answerOf({ status, body, retryAfter }: Answer): HttpAnswer {
  const text = Buffer.from(typeof body === "string" ? body : JSON.stringify(body));
  return {
    statusCode: status,
    headers: retryAfter === undefined ? {} : { "retry-after": `${retryAfter}` },
    async *[Symbol.asyncIterator]() {
      yield text;
    },
  };
}

/** The answer to a watch. */
class Stream implements HttpAnswer {
  readonly statusCode = 200;
  readonly headers = {};
  readonly #watch: Watch;
  readonly #lines: Buffer[] = [];
  #news: string | undefined;
  #ended: { readonly error?: Error } | undefined;
  #wake: () => void = () => undefined;

  constructor(watch: Watch) {
    this.#watch = watch;
  }

  hasNews(): boolean {
    this.#news ??= this.#watch.next();
    return this.#news !== undefined || this.#watch.isOver();
  }

  /** Tells the next change; false when there will be no more. */
  tell(): boolean {
    if (this.#news === undefined) return false;
    this.#lines.push(Buffer.from(this.#news));
    this.#news = undefined;
    this.#wake();
    return true;
  }

  end(error?: Error): void {
    this.#ended ??= error === undefined ? {} : { error };
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void, undefined> {
    for (;;) {
      const line = this.#lines.shift();
      if (line !== undefined) {
        yield line;
        continue;
      }
      if (this.#ended?.error !== undefined) throw this.#ended.error;
      if (this.#ended !== undefined) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
