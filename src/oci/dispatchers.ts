import { X509Certificate } from "node:crypto";
import { checkServerIdentity, createSecureContext, getCACertificates, type PeerCertificate } from "node:tls";
import type { Agent, Dispatcher, ProxyAgent } from "undici";

import { canonicalJson } from "../std/json.ts";
import { sha256Hex } from "../std/digest.ts";
import type { Certificates } from "./certificates.ts";
import { proxyFor } from "./proxy.ts";
import type { ProxySettings } from "./proxy.ts";
import { RegistryError } from "./registry-error.ts";

/** PEM texts for a registry's TLS. */
export type RegistryTls = {
  /** Trusted in addition to the system's authorities: blobs often come from another host than the registry. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
};

/** The same without the client certificate, for hosts that must not get it. */
export function withoutIdentity({ ca }: RegistryTls): RegistryTls {
  return ca === undefined ? {} : { ca };
}

/** Connection pools by proxy and certificates. The ones used last are kept. `certificates` takes note of what the hosts show. */
export class Dispatchers {
  readonly #proxy: ProxySettings;
  readonly #certificates: Certificates | undefined;
  readonly #kept = new Map<string, Dispatcher>();
  readonly #closing = new Set<Promise<void>>();

  constructor(proxy: ProxySettings, certificates?: Certificates) {
    this.#proxy = proxy;
    this.#certificates = certificates;
  }

  /** Throws RegistryError of kind `credentials` if certificates or proxy cannot be used. */
  async for(url: URL, { tls, action }: { tls: RegistryTls; action: string }): Promise<Dispatcher> {
    // Loaded here, so that only those pay for it whose releases come from a registry.
    // By its default export, since that is the only one which a CommonJS module has in a chunk of the bundle.
    const { default: library } = await import("undici");
    const proxy = proxyFor(url, this.#proxy);
    const key = sha256Hex(canonicalJson({ ...tls, ...(proxy === undefined ? {} : { proxy }) }));
    const dispatcher =
      this.#kept.get(key) ?? openDispatcher(library, { tls, proxy, action, certificates: this.#certificates });
    this.#kept.delete(key);
    this.#kept.set(key, dispatcher);
    const oldest = this.#kept.entries().next();
    if (this.#kept.size > keptDispatchers && oldest.done !== true) this.#retire(...oldest.value);
    return dispatcher;
  }

  async close(): Promise<void> {
    const open = [...this.#kept.values()];
    this.#kept.clear();
    await Promise.all([...open.map((dispatcher) => dispatcher.destroy()), ...this.#closing]);
  }

  /** Requests in flight may finish; those that fail report that to their callers. */
  #retire(key: string, dispatcher: Dispatcher): void {
    this.#kept.delete(key);
    const forget = (): void => void this.#closing.delete(closing);
    const closing = dispatcher.close().then(forget, forget);
    this.#closing.add(closing);
  }
}

const keptDispatchers = 8;

/** How long a connection may be silent; the caller limits the whole time. */
const silenceMs = 15_000;

const proxySchemes: ReadonlySet<string> = new Set(["http:", "https:", "socks5:"]);

type Library = { readonly Agent: typeof Agent; readonly ProxyAgent: typeof ProxyAgent };
type Opening = {
  readonly tls: RegistryTls;
  readonly proxy: string | undefined;
  readonly action: string;
  readonly certificates: Certificates | undefined;
};

function openDispatcher(library: Library, { tls, proxy, action, certificates }: Opening): Dispatcher {
  const connect = {
    ...tlsOptions(tls, action),
    timeout: 10_000,
    // A resumed session shows the certificate of the first one, and nobody checks it again.
    maxCachedSessions: 0,
    checkServerIdentity: (host: string, shown: PeerCertificate) => {
      certificates?.saw(host, shown.valid_to);
      return checkServerIdentity(host, shown);
    },
  };
  const options = {
    headersTimeout: silenceMs,
    bodyTimeout: silenceMs,
    connections: 8,
    keepAliveTimeout: 10_000,
    keepAliveMaxTimeout: 60_000,
    maxHeaderSize: 32 * 1024,
    allowH2: false,
  };
  if (proxy === undefined) return new library.Agent({ ...options, connect });
  if (!URL.canParse(proxy) || !proxySchemes.has(new URL(proxy).protocol))
    throw unusable(action, "the proxy's address is no http:// or https:// URL");
  return new library.ProxyAgent({ ...options, uri: proxy, requestTls: connect, proxyTls: { timeout: 10_000 } });
}

function tlsOptions({ ca, cert, key }: RegistryTls, action: string): { ca?: string[]; cert?: string; key?: string } {
  if ((cert === undefined) !== (key === undefined))
    throw unusable(action, "a client certificate needs both cert and key");
  if (ca !== undefined) checkAuthority(ca, action);
  try {
    createSecureContext(definedOnly({ cert, key }));
  } catch (cause) {
    throw unusable(action, "the client certificate and its key cannot be read, or do not belong together", cause);
  }
  return {
    ...(ca === undefined ? {} : { ca: [...getCACertificates("default"), ca] }),
    ...definedOnly({ cert, key }),
  };
}

/** Node ignores a CA that it cannot read. */
function checkAuthority(ca: string, action: string): void {
  try {
    new X509Certificate(ca).toString();
  } catch (cause) {
    throw unusable(action, "the CA certificate is no PEM certificate", cause);
  }
}

function definedOnly({ cert, key }: { cert: string | undefined; key: string | undefined }): {
  cert?: string;
  key?: string;
} {
  return cert === undefined || key === undefined ? {} : { cert, key };
}

function unusable(action: string, why: string, cause?: unknown): RegistryError {
  return new RegistryError({ kind: "credentials", message: `Cannot ${action}: ${why}`, cause });
}
