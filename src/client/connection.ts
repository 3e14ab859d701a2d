import { readFile } from "node:fs/promises";
import type { Clock } from "../std/clock.ts";
import { ReasonedError, errorCode, errorMessage } from "../std/errors.ts";

/** PEM texts. Without `ca`, the system's authorities are trusted. */
export type TlsMaterial = {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** Name to expect in the server's certificate instead of the host of its URL. */
  readonly serverName?: string;
  readonly insecure: boolean;
};

/** Where the API server is, and how we authenticate. */
export type Connection = {
  /** "https://10.96.0.1:443", with a path when a gateway needs one. */
  readonly server: string;
  /** The namespace of the context or of our Pod. */
  readonly namespace: string;
  /** Asked whenever a new socket may be needed. */
  tls(): Promise<TlsMaterial>;
  /** The Authorization header; undefined without one. `fresh` is set after a 401: what was cached is read or issued again. */
  authorization(fresh: boolean): Promise<string | undefined>;
  /** More headers of every request: whom the user acts as. */
  readonly headers?: { readonly [name: string]: string | readonly string[] };
};

/** Where to look for a connection. */
export type LoadConnectionOptions = {
  /** Path of a kubeconfig, or several joined by ":". It is used before the environment. */
  readonly kubeconfig?: string;
  readonly context?: string;
  /** KUBECONFIG, HOME, KUBERNETES_SERVICE_HOST and _PORT are read; exec plugins get all of it. */
  readonly env: { readonly [name: string]: string | undefined };
  readonly clock: Clock;
  /** Where the Pod's service account is mounted. */
  readonly serviceAccountDir?: string;
};

/** A kubeconfig, a service account or a file of these cannot be found or used. */
export class ConnectionConfigError extends ReasonedError {
  constructor(message: string, cause?: unknown) {
    super({ reason: "ConnectionConfigInvalid", retry: "on-change", message, cause });
  }
}

/** Reads a token file once a minute, and whenever `fresh` is set. The kubelet renews tokens at 80% of their life. Throws ConnectionConfigError. */
export function cachedFile(path: string, clock: Clock): (fresh: boolean) => Promise<string> {
  let last: { readonly text: string; readonly readMs: number } | undefined;
  return async (fresh) => {
    const nowMs = clock.monotonicMs();
    if (last !== undefined && !fresh && nowMs - last.readMs < 60_000) return last.text;
    last = { text: (await readText(path)).trim(), readMs: nowMs };
    return last.text;
  };
}

/** The text of a file. Throws ConnectionConfigError. */
export async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const why = errorCode(error) === "ENOENT" ? "there is no such file" : errorMessage(error);
    throw new ConnectionConfigError(`Cannot read ${path}: ${why}`, error);
  }
}

/** Credentials of a user: certificates for the socket, and a header for the request. */
export type Credentials = {
  tls(): Promise<Pick<TlsMaterial, "cert" | "key">>;
  authorization(fresh: boolean): Promise<string | undefined>;
};
