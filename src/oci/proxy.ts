import { BlockList, isIP } from "node:net";

/** Proxy settings, as in HTTP_PROXY, HTTPS_PROXY and NO_PROXY. */
export type ProxySettings = {
  /** "http://user:password@proxy:3128"; http is the default scheme. */
  readonly http?: string;
  readonly https?: string;
  /** Hosts ("example.com" with all below it, ".example.com" only those below), "host:port", addresses, CIDRs, or "*". */
  readonly noProxy?: readonly string[];
};

/** The proxy settings of an environment; names in capitals come first, as in Go programs. */
export function proxySettingsOf(env: { readonly [name: string]: string | undefined }): ProxySettings {
  const named = (name: string): string =>
    [env[name.toUpperCase()], env[name]].find((value) => value !== undefined && value !== "") ?? "";
  return { http: named("http_proxy"), https: named("https_proxy"), noProxy: named("no_proxy").split(",") };
}

/**
 * The proxy for a URL; undefined for none. The rules are those of Go's golang.org/x/net/http/httpproxy, which Flux's controllers follow:
 * localhost and loopback addresses never go through a proxy.
 */
export function proxyFor(url: URL, { http, https, noProxy = [] }: ProxySettings): string | undefined {
  const proxy = url.protocol === "https:" ? https : http;
  if (proxy === undefined || proxy === "") return undefined;
  const host = url.hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
  const port = url.port === "" ? defaultPorts[url.protocol] : url.port;
  if (host === "localhost" || isLoopback(host)) return undefined;
  if (noProxy.some((entry) => exempts(entry.trim().toLowerCase(), host, port))) return undefined;
  return proxy.includes("://") ? proxy : `http://${proxy}`;
}

const defaultPorts: Readonly<Record<string, string>> = { "https:": "443", "http:": "80" };

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

function isLoopback(host: string): boolean {
  const family = familyOf(host);
  return family !== undefined && loopback.check(host, family);
}

function exempts(entry: string, host: string, port: string | undefined): boolean {
  if (entry === "") return false;
  if (entry === "*") return true;
  if (entry.includes("/")) return inSubnet(entry, host);
  const { name, port: wanted } = splitPort(entry);
  if (wanted !== undefined && wanted !== port) return false;
  const below = name.replace(/^\*?\./, ".");
  if (below.startsWith(".")) return host.endsWith(below);
  return host === name || (familyOf(name) === undefined && host.endsWith(`.${name}`));
}

function splitPort(entry: string): { name: string; port: string | undefined } {
  const found = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(entry);
  // An IPv6 address without brackets matches neither.
  return { name: found?.[1] ?? found?.[2] ?? entry, port: found?.[3] };
}

function inSubnet(cidr: string, host: string): boolean {
  const [network = "", bits = ""] = cidr.split("/");
  const family = familyOf(network);
  const prefix = Number(bits);
  if (family === undefined || family !== familyOf(host)) return false;
  if (!/^\d+$/.test(bits) || prefix > (family === "ipv4" ? 32 : 128)) return false;
  const subnet = new BlockList();
  subnet.addSubnet(network, prefix, family);
  return subnet.check(host, family);
}

function familyOf(host: string): "ipv4" | "ipv6" | undefined {
  return ({ 4: "ipv4", 6: "ipv6" } as const)[isIP(host)];
}
