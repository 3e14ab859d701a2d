import { isJsonObject } from "../std/json.ts";
import type { JsonValue } from "../std/json.ts";
import { isDockerHub } from "./reference.ts";
import { RegistryError } from "./registry-error.ts";

/** What we can authenticate with at a registry. None of it may appear in a message. */
export type Credentials =
  | { readonly kind: "anonymous" }
  | { readonly kind: "password"; readonly username: string; readonly password: string }
  /** An OAuth2 refresh token, to be exchanged for access tokens: what `docker login` stores for Azure and others. */
  | { readonly kind: "identity-token"; readonly token: string }
  /** A bearer token, to be sent as it is. */
  | { readonly kind: "registry-token"; readonly token: string };

/** No credentials. */
export const anonymous: Credentials = { kind: "anonymous" };

/**
 * Credentials for a repository from the text of a `.dockerconfigjson`. The most specific entry with credentials is used: literal hosts before
 * `*.example.com`, longer paths before shorter. Keys may have a scheme, `/v1/` or `/v2/` behind the host, and any name of Docker Hub. Anonymous when no entry
 * matches. Throws RegistryError of kind `credentials` when the text, or the entry that matches, cannot be read.
 */
export function findCredentials(
  config: string,
  { host, repository }: { host: string; repository: string },
): Credentials {
  const matching = Object.entries(readAuths(config))
    .map(([key, entry]) => ({ key, entry, place: parseKey(key) }))
    .filter(({ place }) => hostMatches(place.host, host) && pathMatches(place.path, repository))
    .toSorted((left, right) => specificity(right.place) - specificity(left.place));
  for (const { key, entry } of matching) {
    const credentials = readEntry(key, entry);
    if (credentials.kind !== "anonymous") return credentials;
  }
  return anonymous;
}

/** Where an entry applies: "ghcr.io", with the path "org/team" or "". */
type Place = { readonly host: string; readonly path: string };

function readAuths(config: string): { readonly [key: string]: JsonValue } {
  let parsed: unknown;
  try {
    parsed = JSON.parse(config);
  } catch {
    // The parser's message quotes the text, which is secret.
    throw unreadable("it is no JSON");
  }
  if (!isJsonObject(parsed)) throw unreadable("it is no JSON object");
  const auths = parsed["auths"] ?? {};
  if (!isJsonObject(auths)) throw unreadable("auths is no object");
  return auths;
}

function parseKey(key: string): Place {
  const bare = key
    .trim()
    .replace(/^[a-z][a-z0-9+.-]*:\/\//i, "")
    .replace(/\/+$/, "")
    .replace(/^([^/]+)\/v[12](?=\/|$)/, "$1");
  const slash = bare.indexOf("/");
  if (slash === -1) return { host: bare.toLowerCase(), path: "" };
  return { host: bare.slice(0, slash).toLowerCase(), path: bare.slice(slash + 1) };
}

function hostMatches(pattern: string, host: string): boolean {
  if (isDockerHub(pattern) || isDockerHub(host)) return isDockerHub(pattern) && isDockerHub(host);
  const wanted = withoutDefaultPort(pattern).split(".");
  const actual = withoutDefaultPort(host).split(".");
  return wanted.length === actual.length && wanted.every((label, index) => labelMatches(label, actual[index]));
}

/** A star stands for any part of a label, as in kubelets, but not for a port. */
function labelMatches(pattern: string, label: string | undefined): boolean {
  if (label === undefined) return false;
  const parts = pattern.split("*").map((part) => RegExp.escape(part));
  return new RegExp(`^${parts.join("[^:]*")}$`).test(label);
}

function withoutDefaultPort(host: string): string {
  return host.replace(/:443$/, "");
}

function pathMatches(prefix: string, repository: string): boolean {
  return prefix === "" || repository === prefix || repository.startsWith(`${prefix}/`);
}

function specificity({ host, path }: Place): number {
  return (host.includes("*") ? 0 : 100_000) + path.length;
}

function readEntry(key: string, entry: JsonValue): Credentials {
  if (!isJsonObject(entry)) throw unreadable(`the entry ${JSON.stringify(key)} is no object`);
  const field = (name: string): string => {
    const value = entry[name];
    return typeof value === "string" ? value : "";
  };
  if (field("registrytoken") !== "") return { kind: "registry-token", token: field("registrytoken") };
  if (field("identitytoken") !== "") return { kind: "identity-token", token: field("identitytoken") };
  // As in docker, auth overrides the two others.
  if (field("auth") !== "") return readAuth(key, field("auth"));
  if (field("username") === "" && field("password") === "") return anonymous;
  return { kind: "password", username: field("username"), password: field("password") };
}

function readAuth(key: string, auth: string): Credentials {
  const decoded = Buffer.from(auth, "base64").toString("utf8").replace(/\0+$/, "");
  const colon = decoded.indexOf(":");
  if (!/^[A-Za-z0-9+/_=\s-]+$/.test(auth) || colon === -1) {
    throw unreadable(`auth of the entry ${JSON.stringify(key)} is not the base64 of user:password`);
  }
  const [username, password] = [decoded.slice(0, colon), decoded.slice(colon + 1)];
  return username === "" && password === "" ? anonymous : { kind: "password", username, password };
}

function unreadable(why: string): RegistryError {
  return new RegistryError({ kind: "credentials", message: `Cannot read the pull secret's .dockerconfigjson: ${why}` });
}
