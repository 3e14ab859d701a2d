import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { gunzipSync } from "node:zlib";
import { chmod, readFile, rename, rm, writeFile } from "node:fs/promises";
import { EnvHttpProxyAgent, interceptors, request } from "undici";
import type { Dispatcher } from "undici";
import { isJsonObject } from "../../src/std/json.ts";
import type { BinaryName, Suite } from "./versions.ts";

/** Where official releases are. Tests put their own server here. */
export type ReleaseHosts = { readonly kubernetes: string; readonly github: string; readonly githubApi: string };

export const officialHosts: ReleaseHosts = {
  kubernetes: "https://dl.k8s.io",
  github: "https://github.com",
  githubApi: "https://api.github.com",
};

/** `unreachable`: no connection within seconds. `unavailable`: no such release for this platform, or it does not match its checksum. */
export class DownloadError extends Error {
  readonly kind: "unreachable" | "unavailable";

  constructor(kind: "unreachable" | "unavailable", message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "DownloadError";
    this.kind = kind;
  }
}

export type DownloadOptions = {
  readonly hosts: ReleaseHosts;
  /** Existing folder; the binary appears in it whole or not at all. */
  readonly folder: string;
  readonly signal: AbortSignal;
};

const connectMs = 3_000;
const idleMs = 30_000;

/** Fetches one official binary into the folder and checks its SHA-256. Throws DownloadError. */
export async function downloadBinary(
  suite: Suite,
  binary: BinaryName,
  { hosts, folder, signal }: DownloadOptions,
): Promise<void> {
  const agent = new EnvHttpProxyAgent({ connect: { timeout: connectMs }, bodyTimeout: idleMs, headersTimeout: idleMs });
  const dispatcher = agent.compose(interceptors.redirect({ maxRedirections: 5 }));
  const draft = join(folder, `.${binary}.${process.pid}.tmp`);
  try {
    const release = releaseOf(suite, binary, hosts);
    const want = await release.checksum((url) => fetchText(url, dispatcher, signal));
    const got = await fetchFile(release.url, draft, { dispatcher, signal });
    if (want !== got)
      throw new DownloadError("unavailable", `${release.url} has checksum ${got}, its publisher says ${want}`);
    if (release.member !== undefined)
      await writeFile(draft, memberOf(gunzipSync(await readFile(draft)), release.member));
    await chmod(draft, 0o755);
    await rename(draft, join(folder, binary));
  } finally {
    await rm(draft, { force: true });
    await agent.destroy();
  }
}

type Release = {
  readonly url: string;
  /** Name of the file inside a .tar.gz, if it is one. */
  readonly member?: string;
  readonly checksum: (fetchUrl: (url: string) => Promise<string>) => Promise<string>;
};

const architectures: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" };

/** `linux-amd64` and the like, as Go names them. */
export function platform(): string {
  return `${process.platform}-${architectures[process.arch] ?? process.arch}`;
}

function releaseOf({ name, version }: Suite, binary: BinaryName, hosts: ReleaseHosts): Release {
  switch (name) {
    case "kubernetes":
    case "kubelet": {
      const url = `${hosts.kubernetes}/${version}/bin/${platform().replace("-", "/")}/${binary}`;
      return { url, checksum: async (fetchUrl) => (await fetchUrl(`${url}.sha256`)).trim().split(/\s/)[0] ?? "" };
    }
    case "etcd": {
      const folder = `etcd-${version}-${platform()}`;
      return { ...githubRelease("etcd-io/etcd", version, `${folder}.tar.gz`, hosts), member: `${folder}/etcd` };
    }
    case "kwok":
      return githubRelease("kubernetes-sigs/kwok", version, `kwok-${platform()}`, hosts);
    default:
      throw new TypeError("Unknown suite", { cause: name satisfies never });
  }
}

/** GitHub keeps a digest of each release asset. */
function githubRelease(repository: string, version: string, asset: string, hosts: ReleaseHosts): Release {
  return {
    url: `${hosts.github}/${repository}/releases/download/${version}/${asset}`,
    checksum: async (fetchUrl) => {
      const url = `${hosts.githubApi}/repos/${repository}/releases/tags/${version}`;
      const release: unknown = JSON.parse(await fetchUrl(url));
      const assets =
        isJsonObject(release) && Array.isArray(release["assets"]) ? release["assets"].filter(isJsonObject) : [];
      const digest = assets.find(({ name }) => name === asset)?.["digest"];
      if (typeof digest === "string" && digest.startsWith("sha256:")) return digest.slice("sha256:".length);
      throw new DownloadError("unavailable", `${url} has no digest of ${asset}`);
    },
  };
}

async function open(url: string, dispatcher: Dispatcher, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
  const response = await request(url, { dispatcher, signal, headers: { "user-agent": "flux-operator-tools" } }).catch(
    (cause: unknown): never => {
      signal.throwIfAborted();
      throw new DownloadError("unreachable", `${new URL(url).origin} cannot be reached (${describe(cause)})`, cause);
    },
  );
  if (response.statusCode === 200) return response;
  await response.body.dump();
  throw new DownloadError("unavailable", `${url} answered ${response.statusCode}`);
}

async function fetchText(url: string, dispatcher: Dispatcher, signal: AbortSignal): Promise<string> {
  return (await open(url, dispatcher, signal)).body.text();
}

async function fetchFile(
  url: string,
  path: string,
  link: { dispatcher: Dispatcher; signal: AbortSignal },
): Promise<string> {
  const response = await open(url, link.dispatcher, link.signal);
  const hash = createHash("sha256");
  response.body.on("data", (chunk: Buffer) => hash.update(chunk));
  try {
    await pipeline(response.body, createWriteStream(path, { mode: 0o600 }), { signal: link.signal });
  } catch (cause) {
    link.signal.throwIfAborted();
    throw new DownloadError("unreachable", `the download of ${url} broke off (${describe(cause)})`, cause);
  }
  return hash.digest("hex");
}

/** Contents of one regular file of a tar archive (POSIX ustar: blocks of 512 bytes, name at 0, size in octal at 124). */
function memberOf(tar: Buffer, name: string): Buffer {
  for (let at = 0; at + 512 <= tar.length;) {
    const text = (from: number, length: number): string =>
      tar.toString("latin1", at + from, at + from + length).replace(/\0.*$/s, "");
    const size = Number.parseInt(text(124, 12), 8) || 0;
    if (text(0, 100) === name) return tar.subarray(at + 512, at + 512 + size);
    at += 512 + Math.ceil(size / 512) * 512;
  }
  throw new DownloadError("unavailable", `the archive has no ${name}`);
}

function describe(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  return "code" in cause && typeof cause.code === "string" ? cause.code : cause.message;
}
