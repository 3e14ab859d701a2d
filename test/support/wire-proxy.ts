import { once } from "node:events";
import { Agent as PlainAgent, createServer, request as httpRequest } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Agent, request as httpsRequest } from "node:https";
import type { AddressInfo, Socket } from "node:net";

/** What happens to a request instead of, or on top of, its way to the API server. */
export type Fault =
  /** Answered by the proxy. */
  | {
      readonly kind: "answer";
      readonly status: number;
      readonly headers?: { readonly [name: string]: string };
      readonly body?: string;
    }
  /** The connection is reset before anything is forwarded. */
  | { readonly kind: "reset" }
  /** Passed on to another server, at that address. */
  | { readonly kind: "elsewhere"; readonly server: string }
  /** Accepted and never answered. */
  | { readonly kind: "blackhole" }
  /** Passed on when the promise resolves, or that of the function, which is called with each request that is held. */
  | { readonly kind: "hold"; readonly until: Promise<void> | (() => Promise<void>) }
  /** Passed on at once; its answer when the promise resolves. */
  | { readonly kind: "late"; readonly until: Promise<void> }
  /** Passed on; once the API server has answered, the connection is reset, and nothing of the answer is passed on. */
  | { readonly kind: "lose" }
  /** The connection is reset after so many bytes of the answer's body. */
  | { readonly kind: "cut"; readonly afterBytes: number }
  /** The answer's body is passed on up to so many bytes, then nothing comes, and the connection stays. */
  | { readonly kind: "stall"; readonly afterBytes: number };

export type FaultRule = {
  /** All that are given must match; `path` is a part of the path with its query. */
  readonly method?: string;
  readonly path?: string | RegExp;
  readonly when?: (request: SeenRequest) => boolean;
  readonly fault: Fault;
  /** How many requests it hits; 1 by default. */
  readonly times?: number;
  /** Called when it hits one: before anything is done to it, but of a `late` answer when that has come. */
  readonly onHit?: () => void;
  /** Called when the answer to such a request has left the proxy. */
  readonly onPassed?: () => void;
};

export type SeenRequest = {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
};

/** Plain HTTP in front of a real API server or registry, where a test breaks the wire. */
export type WireProxy = AsyncDisposable & {
  /** "http://127.0.0.1:<port>" */
  readonly server: string;
  /** Requests so far, faulty ones included. */
  readonly requests: readonly SeenRequest[];
  /** Connections accepted so far. */
  readonly socketsAccepted: number;
  readonly socketsOpen: number;
  /** Rules are tried in the order in which they were added. */
  inject(rule: FaultRule): void;
  /** Ends all rules. */
  heal(): void;
  /** Resets every open connection. */
  cutAll(): void;
  stop(): Promise<void>;
};

export async function startWireProxy(upstream: {
  readonly server: string;
  /** Needed for an upstream with https. */
  readonly caPem?: string;
  /** Called when the upstream has answered, before any of the answer is passed on. */
  readonly onAnswer?: (request: SeenRequest, status: number) => void;
}): Promise<WireProxy> {
  const rules: { rule: FaultRule; left: number }[] = [];
  const requests: SeenRequest[] = [];
  const sockets = new Set<Socket>();
  const agent = upstream.server.startsWith("https:")
    ? new Agent({ keepAlive: true, ca: upstream.caPem })
    : new PlainAgent({ keepAlive: true });
  let socketsAccepted = 0;

  const server = createServer((request, response) => {
    const seen = {
      method: request.method ?? "",
      path: request.url ?? "",
      authorization: request.headers.authorization,
    };
    requests.push(seen);
    const hit = rules.find(({ rule, left }) => left > 0 && matches(rule, seen));
    if (hit !== undefined) hit.left -= 1;
    const onAnswer = (status: number): void => upstream.onAnswer?.(seen, status);
    const { onHit, onPassed } = hit?.rule ?? {};
    if (onPassed !== undefined) response.once("finish", onPassed);
    if (hit?.rule.fault.kind !== "late") onHit?.();
    forward({ request, response, agent, server: upstream.server, fault: hit?.rule.fault, onAnswer, onHit });
  });
  server.on("connection", (socket) => {
    socketsAccepted += 1;
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");

  const cutAll = (): void => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  const stop = async (): Promise<void> => {
    cutAll();
    agent.destroy();
    server.close();
    await once(server, "close");
  };
  return {
    server: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    get socketsAccepted() {
      return socketsAccepted;
    },
    get socketsOpen() {
      return sockets.size;
    },
    inject: (rule) => void rules.push({ rule, left: rule.times ?? 1 }),
    heal: () => void rules.splice(0),
    cutAll,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

function matches({ method, path, when }: FaultRule, seen: SeenRequest): boolean {
  if (method !== undefined && method !== seen.method) return false;
  if (when?.(seen) === false) return false;
  if (path === undefined) return true;
  return typeof path === "string" ? seen.path.includes(path) : path.test(seen.path);
}

type Forwarding = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly agent: Agent | PlainAgent;
  readonly server: string;
  readonly fault: Fault | undefined;
  readonly onAnswer: (status: number) => void;
  readonly onHit: (() => void) | undefined;
};

function forward({ request, response, agent, server, fault, onAnswer, onHit }: Forwarding): void {
  if (fault?.kind === "reset") return void request.socket.resetAndDestroy();
  if (fault?.kind === "blackhole") return;
  if (fault?.kind === "hold") {
    const until = typeof fault.until === "function" ? fault.until() : fault.until;
    void until.then(
      () => forward({ request, response, agent, server, fault: undefined, onAnswer, onHit }),
      // Who gave the promise has to tell of it.
      () => request.socket.resetAndDestroy(),
    );
    return;
  }
  if (fault?.kind === "answer") {
    response.writeHead(fault.status, fault.headers);
    response.end(fault.body ?? "");
    return;
  }
  const { host: _, connection: __, ...headers } = request.headers;
  const send = agent instanceof Agent ? httpsRequest : httpRequest;
  const upstream = send(
    `${fault?.kind === "elsewhere" ? fault.server : server}${request.url ?? ""}`,
    { method: request.method ?? "GET", headers, agent },
    (answer) => {
      onAnswer(answer.statusCode ?? 502);
      if (fault?.kind === "lose") {
        answer.resume().on("end", () => request.socket.resetAndDestroy());
        return;
      }
      const { connection: _connection, "transfer-encoding": _encoding, ...answerHeaders } = answer.headers;
      const begin = (): void => {
        response.writeHead(answer.statusCode ?? 502, answerHeaders);
        response.flushHeaders();
        passOn(answer, response, fault?.kind === "cut" || fault?.kind === "stall" ? fault : undefined);
      };
      if (fault?.kind !== "late") return begin();
      onHit?.();
      void fault.until.then(begin);
    },
  );
  upstream.on("error", () => response.destroy());
  response.on("close", () => upstream.destroy());
  request.pipe(upstream);
}

function passOn(
  answer: IncomingMessage,
  response: ServerResponse,
  fault: Extract<Fault, { kind: "cut" | "stall" }> | undefined,
): void {
  let left = fault?.afterBytes ?? Number.POSITIVE_INFINITY;
  answer.on("data", (chunk: Buffer) => {
    const part = chunk.subarray(0, left);
    left -= part.length;
    if (part.length > 0) response.write(part);
    // Reset once what belongs to the client has left us.
    if (left === 0 && fault?.kind === "cut") setImmediate(() => response.socket?.resetAndDestroy());
  });
  answer.on("end", () => {
    if (left > 0) response.end();
  });
  answer.on("error", () => response.destroy());
}
