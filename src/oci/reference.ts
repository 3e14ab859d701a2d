import { RegistryError } from "./registry-error.ts";

/** A tag may move; a digest always names the same bytes. */
export type ReferenceTarget =
  | { readonly kind: "tag"; readonly tag: string }
  | { readonly kind: "digest"; readonly digest: string };

/** The address of an artifact. */
export type Reference = {
  /** As the user wrote it, in lower case, with the port if there is one: "ghcr.io", "[::1]:5000". */
  readonly host: string;
  /** "controlplaneio-fluxcd/flux-operator-manifests" */
  readonly repository: string;
  readonly target: ReferenceTarget;
};

const scheme = "oci://";
const maxReferenceLength = 1024;
const hostPattern =
  /^(?:\[[0-9a-f:.]{2,45}\]|[a-z0-9](?:[a-z0-9-]{0,62})(?:\.[a-z0-9](?:[a-z0-9-]{0,62}))*\.?)(?::\d{1,5})?$/;
// Grammar of names and tags: OCI distribution specification 1.1, "Pulling manifests".
const repositoryPattern = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const tagPattern = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
const digestPattern = /^sha256:[0-9a-f]{64}$/;

/**
 * Reads `oci://host[:port]/repository[:tag][@sha256:digest]`. Without tag and digest the tag is `latest`; with both the digest counts, as in
 * every other client. Official images of Docker Hub may omit `library/`. Throws RegistryError of kind `reference`.
 */
export function parseReference(text: string): Reference {
  if (text.length > maxReferenceLength) throw invalid(`${text.slice(0, 64)}...`, "it is too long");
  if (!text.startsWith(scheme)) throw invalid(text, `it must begin with ${scheme}`);
  const rest = text.slice(scheme.length);
  const slash = rest.indexOf("/");
  const host = (slash === -1 ? rest : rest.slice(0, slash)).toLowerCase();
  if (host.includes("@")) throw invalid(`${scheme}...`, "credentials belong in a pull secret, not in the address");
  if (slash === -1) throw invalid(text, "the repository is missing, as in oci://host/repository:tag");
  if (!hostPattern.test(host)) throw invalid(text, `${quote(host)} is no host`);
  const port = /:(\d+)$/.exec(host)?.[1];
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535)) throw invalid(text, `${port} is no port`);
  const { name, tag, digest } = splitName(rest.slice(slash + 1));
  const repository = isDockerHub(host) && !name.includes("/") ? `library/${name}` : name;
  if (!isRepository(repository)) throw invalid(text, `${quote(name)} is no repository name (lower case, no spaces)`);
  if (tag !== undefined && !tagPattern.test(tag)) throw invalid(text, `${quote(tag)} is no tag`);
  if (digest === undefined) return { host, repository, target: { kind: "tag", tag: tag ?? "latest" } };
  if (!isDigest(digest)) throw invalid(text, `${quote(digest)} is no digest (sha256: and 64 hex digits)`);
  return { host, repository, target: { kind: "digest", digest } };
}

/**
 * The reference of an image as container runtimes read its name: what stands before the first slash is a host only if it has a dot or a port, or
 * is localhost; else the image is of Docker Hub. "oci://docker.io/fluxcd/source-controller:v1.9.4" for "fluxcd/source-controller:v1.9.4".
 */
export function referenceOfImage(image: string): string {
  const [first = ""] = image.split("/");
  const hasHost = image.includes("/") && (/[.:]/.test(first) || first === "localhost");
  return `${scheme}${hasHost ? "" : "docker.io/"}${image}`;
}

/** Whether an artifact ("oci://host/repository:tag") and an image are at the same host and port; false when either cannot be read. */
export function isSameRegistry(artifact: string, image: string): boolean {
  const [left, right] = [artifact, referenceOfImage(image)].map(apiHostOf);
  return left !== undefined && left === right;
}

/** The host, with port if there is one, that serves the API of the registry which a reference names; undefined when it cannot be read. */
export function apiHostOf(reference: string): string | undefined {
  try {
    return apiHost(parseReference(reference).host);
  } catch (error) {
    if (error instanceof RegistryError) return undefined;
    throw error;
  }
}

/** The text that parses to the same reference. */
export function formatReference({ host, repository, target }: Reference): string {
  const suffix = target.kind === "tag" ? `:${target.tag}` : `@${target.digest}`;
  return `${scheme}${host}/${repository}${suffix}`;
}

/** The last part of a manifest's address: the tag or the digest. */
export function targetName(target: ReferenceTarget): string {
  return target.kind === "tag" ? target.tag : target.digest;
}

/** Whether text is "sha256:" and 64 lower-case hex digits, the one algorithm that all registries support. */
export function isDigest(text: string): boolean {
  return digestPattern.test(text);
}

const dockerHubNames: ReadonlySet<string> = new Set([
  "docker.io",
  "index.docker.io",
  "registry-1.docker.io",
  "www.docker.io",
]);

/** Whether a host is Docker Hub, which has several names and serves its API at only one of them. */
export function isDockerHub(host: string): boolean {
  return dockerHubNames.has(host.replace(/:443$/, ""));
}

/** The host, with port if there is one, that serves the registry's API. */
export function apiHost(host: string): string {
  return isDockerHub(host) ? "registry-1.docker.io" : host;
}

function splitName(text: string): { name: string; tag: string | undefined; digest: string | undefined } {
  const at = text.indexOf("@");
  const digest = at === -1 ? undefined : text.slice(at + 1);
  const tagged = at === -1 ? text : text.slice(0, at);
  const colon = tagged.indexOf(":", tagged.lastIndexOf("/") + 1);
  if (colon === -1) return { name: tagged, tag: undefined, digest };
  return { name: tagged.slice(0, colon), tag: tagged.slice(colon + 1), digest };
}

function isRepository(name: string): boolean {
  return name.length <= 255 && repositoryPattern.test(name);
}

function quote(text: string): string {
  return JSON.stringify(text);
}

function invalid(text: string, why: string): RegistryError {
  return new RegistryError({
    kind: "reference",
    retry: "on-change",
    message: `Cannot read the OCI address ${quote(text)}: ${why}`,
  });
}
