import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

import { ReasonedError, errorMessage } from "../std/errors.ts";
import type { Logger } from "./log.ts";

// An ESM import of node:http loads Node's own copy of undici with it: 16 MB resident for nothing.
const { createServer } = process.getBuiltinModule("node:http");

/** What a route answers. */
export type HttpAnswer = { readonly status: number; readonly contentType: string; readonly body: string };

/** What a server answers, and where. */
export type HttpServerOptions = {
  /** "metrics", for the log. */
  readonly name: string;
  /** ":8080" or "127.0.0.1:8080"; port 0 takes a free one. */
  readonly address: string;
  /** By path; only GET and HEAD are answered. A route is given what follows the question mark, "" where nothing does. */
  readonly routes: { readonly [path: string]: (query: string) => HttpAnswer | Promise<HttpAnswer> };
  readonly log: Logger;
};

/** A server that listens while `run` runs. */
export type HttpServer = {
  /** Resolves with the port when connections are accepted; rejects with ReasonedError ("AddressInUse") when the address cannot be used. */
  listening(): Promise<number>;
  run(signal: AbortSignal): Promise<void>;
};

/** A small plain HTTP server for probes and scrapes. */
export function createHttpServer(options: HttpServerOptions): HttpServer {
  const listening = Promise.withResolvers<number>();
  // A caller that does not ask for the port still learns of the failure from `run`.
  listening.promise.catch(() => undefined);
  return {
    listening: () => listening.promise,
    run: async (signal) => {
      const server = createServer((request, response) => void respond(options, request, response));
      try {
        listening.resolve(await listen(server, options));
      } catch (error) {
        listening.reject(error);
        throw error;
      }
      await aborted(signal);
      await closeServer(server);
    },
  };
}

async function respond(
  { routes, log, name }: HttpServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { status, contentType, body } = await answerTo(request, routes).catch((error: unknown) => {
    log.error("Cannot answer", { server: name, path: request.url, error });
    return { status: 500, contentType: "text/plain", body: "internal error\n" };
  });
  response.writeHead(status, { "content-type": contentType });
  response.end(request.method === "HEAD" ? "" : body);
}

async function answerTo(request: IncomingMessage, routes: HttpServerOptions["routes"]): Promise<HttpAnswer> {
  const [path = "/", query = ""] = (request.url ?? "/").split("?", 2);
  if (request.method !== "GET" && request.method !== "HEAD")
    return { status: 405, contentType: "text/plain", body: "only GET\n" };
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
  return route === undefined ? { status: 404, contentType: "text/plain", body: "not found\n" } : await route(query);
}

function listen(server: Server, { address, name }: HttpServerOptions): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.once("error", (error) => {
    const message = `Cannot serve ${name} on ${address}: ${errorMessage(error)}`;
    reject(new ReasonedError({ reason: "AddressInUse", retry: "on-change", message, cause: error }));
  });
  server.listen(parseAddress(address), () => resolve(portOf(server.address())));
  return promise;
}

function portOf(address: AddressInfo | string | null): number {
  return address === null || typeof address === "string" ? 0 : address.port;
}

function parseAddress(address: string): { port: number; host?: string } {
  const colon = address.lastIndexOf(":");
  const port = Number(address.slice(colon + 1));
  const host = address.slice(0, Math.max(0, colon)).replace(/^\[|\]$/g, "");
  return host === "" ? { port } : { port, host };
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}
