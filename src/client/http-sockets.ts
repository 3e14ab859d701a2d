import type { Agent, ClientRequestArgs, IncomingMessage } from "node:http";
import { Agent as TlsAgent, request as requestTls } from "node:https";
import { connect as connectPlain, type NetConnectOpts, type Socket } from "node:net";
import { connect as connectTls, createSecureContext, type ConnectionOptions } from "node:tls";

import type { Connection, TlsMaterial } from "./connection.ts";

// An ESM import of node:http loads Node's own copy of undici with it: 16 MB resident for nothing.
const { Agent: PlainAgent, request: requestPlain } = process.getBuiltinModule("node:http");

const connectTimeoutMs = 10_000;

/** `code` of the error when nobody has answered at the server's address, so that nothing was sent. */
export const connectTimeoutCode = "CONNECT_TIMEOUT";

/** A request up to this size leaves the process as it is written; of a longer one the kernel may take a part, and the rest when the process runs again. */
const atOnceBytes = 16 * 1024;

export type Exchange = {
  readonly method: string;
  /** With query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly body: string | undefined;
  /**
   * Called right before the request is written to a connected socket, and before the last byte of one that is too long to be written at once;
   * when it throws, the server gets nothing, or nothing whole.
   */
  readonly check: () => void;
};

/** An answer, whose body is read once. */
export type HttpAnswer = AsyncIterable<Buffer> & Pick<IncomingMessage, "statusCode" | "headers">;

/** The way to one server. */
export type Sockets = {
  /** Resolves when the head of the answer is there. Whoever does not read its body to the end must abort the signal. */
  exchange(request: Exchange, signal: AbortSignal): Promise<HttpAnswer>;
  close(): void;
};

/** HTTP/1.1 over sockets to one server, never through a proxy of the environment; an idle one is kept for the next request. */
export class HttpSockets implements Sockets {
  readonly #connection: Pick<Connection, "server" | "tls">;
  readonly #server: URL;
  readonly #agent: Agent;
  readonly #connected = new WeakSet<Socket>();
  #tls: { readonly from: TlsMaterial; readonly options: ConnectionOptions } | undefined;

  /** Requests wait while `maxSockets` others are under way. */
  constructor(connection: Pick<Connection, "server" | "tls">, { maxSockets }: { maxSockets: number }) {
    this.#connection = connection;
    this.#server = new URL(connection.server);
    const options = {
      keepAlive: true,
      maxSockets,
      // How long one is idle: below the 90 s after which the API server closes it, so that we seldom write into a closing one.
      timeout: 60_000,
      // A resumed session would keep the identity of a client certificate that was rotated since.
      maxCachedSessions: 0,
    };
    this.#agent = this.#isSecure() ? new TlsAgent(options) : new PlainAgent(options);
    this.#agent.createConnection = (wanted) => this.#connect(wanted);
  }

  async exchange({ method, path, headers, body, check }: Exchange, signal: AbortSignal): Promise<IncomingMessage> {
    if (this.#isSecure() && !this.#hasIdle()) await this.#renewTls();
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const content = body === undefined ? undefined : Buffer.from(body);
    const open = this.#isSecure() ? requestTls : requestPlain;
    const request = open({
      agent: this.#agent,
      hostname: this.#server.hostname.replace(/^\[|\]$/g, ""),
      port: this.#server.port,
      method,
      path,
      // Node does not say by itself how long the body of a DELETE is.
      headers: content === undefined ? headers : { ...headers, "content-length": String(content.length) },
      signal,
    });
    request.once("response", resolve);
    // It may also fail after the answer has begun; then the reader of the body is told.
    request.on("error", reject);
    const end = (rest: Buffer | undefined): void => {
      try {
        check();
        if (rest === undefined || rest.length <= atOnceBytes) request.end(rest);
        else request.write(rest.subarray(0, -1), () => end(rest.subarray(-1)));
      } catch (error) {
        request.destroy(error instanceof Error ? error : new Error("the request was not sent", { cause: error }));
      }
    };
    const send = (): void => end(content);
    request.once("socket", (socket) => {
      if (this.#connected.has(socket)) send();
      else socket.once(this.#connectEvent(), send);
    });
    return await promise;
  }

  close(): void {
    this.#agent.destroy();
  }

  #isSecure(): boolean {
    return this.#server.protocol === "https:";
  }

  #hasIdle(): boolean {
    return Object.keys(this.#agent.freeSockets).length > 0;
  }

  /** CA and client certificate are read anew before a socket is opened, so that rotated files are seen; sockets are few. */
  async #renewTls(): Promise<void> {
    const from = await this.#connection.tls();
    if (this.#tls !== undefined && sameTls(this.#tls.from, from)) return;
    this.#tls = { from, options: tlsOptions(from) };
  }

  // Not asynchronous: the agent counts only sockets that it has in hand.
  #connect(wanted: ClientRequestArgs): Socket {
    const socket = this.#isSecure()
      ? connectTls({ ...(wanted as ConnectionOptions), ...this.#tls?.options })
      : connectPlain(wanted as NetConnectOpts);
    socket.once(this.#connectEvent(), () => this.#connected.add(socket));
    return withinTime(socket, this.#connectEvent());
  }

  #connectEvent(): "connect" | "secureConnect" {
    return this.#isSecure() ? "secureConnect" : "connect";
  }
}

function withinTime(socket: Socket, connected: "connect" | "secureConnect"): Socket {
  const timer = setTimeout(() => {
    const error = new Error(`no connection within ${connectTimeoutMs / 1000} s`);
    socket.destroy(Object.assign(error, { code: connectTimeoutCode }));
  }, connectTimeoutMs);
  const stop = (): void => clearTimeout(timer);
  return socket.once(connected, stop).once("close", stop);
}

/** Throws when certificates or key cannot be read. */
function tlsOptions({ ca, cert, key, serverName, insecure }: TlsMaterial): ConnectionOptions {
  return {
    // HTTP/2 would carry all watches over one connection, and costs more memory and CPU in Node.
    ALPNProtocols: ["http/1.1"],
    rejectUnauthorized: !insecure,
    secureContext: createSecureContext({
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
    }),
    ...(serverName === undefined ? {} : { servername: serverName }),
  };
}

function sameTls(left: TlsMaterial, right: TlsMaterial): boolean {
  return (
    left.ca === right.ca &&
    left.cert === right.cert &&
    left.key === right.key &&
    left.serverName === right.serverName &&
    left.insecure === right.insecure
  );
}
