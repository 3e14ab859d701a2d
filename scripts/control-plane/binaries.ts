import { access, constants, mkdir, readdir, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { cacheFolder } from "../cache-folder.ts";
import { buildBinary, BuildError } from "./build.ts";
import { downloadBinary, DownloadError, officialHosts, platform, type ReleaseHosts } from "./download.ts";
import { withLock } from "./lock.ts";
import type { Progress } from "./progress.ts";
import { type Variant, readSuite, type BinaryName, type Suite, type SuiteName } from "./versions.ts";

export type { BinaryName } from "./versions.ts";

/** Absolute path of each binary; those that the variant does not need may not exist. */
export type Binaries = { readonly [name in BinaryName]: string };

export type ProvideOptions = {
  readonly variant: Variant;
  readonly progress: Progress;
  readonly signal?: AbortSignal;
  /** Value of KUBEBUILDER_ASSETS; undefined if not set. */
  readonly assetsFolder?: string | undefined;
  /** Default: `flux-operator` in $XDG_CACHE_HOME or ~/.cache. */
  readonly cacheFolder?: string;
  readonly hosts?: ReleaseHosts;
};

/** No place has the binaries; the message says of each place why. */
export class BinariesError extends Error {
  override readonly name = "BinariesError";
}

/** Longest first, so that what is waited for most is waited for once. */
const suitesOf: Readonly<Record<Variant, Readonly<Partial<Record<SuiteName, readonly BinaryName[]>>>>> = {
  light: { kubernetes: ["kube-apiserver", "kubectl"], etcd: ["etcd"] },
  full: {
    kubernetes: ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl"],
    etcd: ["etcd"],
    kwok: ["kwok"],
  },
  node: {
    kubernetes: ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl"],
    etcd: ["etcd"],
    kubelet: ["kubelet", "kube-proxy"],
  },
};

const toolsFolder = resolve(import.meta.dirname, "../../tools");

/**
 * Finds or makes the binaries of a variant. Places in this order: KUBEBUILDER_ASSETS, the cache, official releases, `go build`; the first
 * that has a suite wins, and a suite (the kube-* binaries and kubectl, etcd, kwok) comes from one place as a whole.
 */
export async function provideBinaries(options: ProvideOptions): Promise<Binaries> {
  const wanted = suitesOf[options.variant];
  const folders = new Map<BinaryName, string>();
  const missing: Missing[] = [];
  for (const name of ["kubernetes", "etcd", "kwok", "kubelet"] as const) {
    const binaries = wanted[name];
    if (binaries === undefined) continue;
    const suite = await readSuite(toolsFolder, name);
    const found = await firstWithAll(placesOf(suite, options), binaries);
    if (found === undefined) missing.push({ suite, binaries });
    for (const binary of binaries) if (found !== undefined) folders.set(binary, found);
  }
  for (const { folder, binaries } of await makeAll(missing, options))
    for (const binary of binaries) folders.set(binary, folder);
  const path = (binary: BinaryName): string => join(folders.get(binary) ?? "", binary);
  return {
    etcd: path("etcd"),
    "kube-apiserver": path("kube-apiserver"),
    kubectl: path("kubectl"),
    "kube-controller-manager": path("kube-controller-manager"),
    "kube-scheduler": path("kube-scheduler"),
    kwok: path("kwok"),
    kubelet: path("kubelet"),
    "kube-proxy": path("kube-proxy"),
  };
}

type Missing = { readonly suite: Suite; readonly binaries: readonly BinaryName[] };
type Made = { readonly folder: string; readonly binaries: readonly BinaryName[] };

/** Downloads or builds what is missing, one process at a time: the second waits, and then finds it in the cache. */
async function makeAll(missing: readonly Missing[], options: ProvideOptions): Promise<readonly Made[]> {
  if (missing.length === 0) return [];
  const { progress, hosts = officialHosts, signal = new AbortController().signal } = options;
  const total = missing.reduce((sum, { binaries }) => sum + binaries.length, 0);
  const maker: Maker = { progress, hosts, signal, total, made: 0, unreachable: new Map() };
  await mkdir(cacheRoot(options), { recursive: true });
  const onWait = (owner: number): void =>
    progress.note(`Process ${owner} is getting the cluster's binaries, waiting for it`);
  return withLock(join(cacheRoot(options), "lock"), { onWait, signal }, async () => {
    const done: Made[] = [];
    for (const wanted of missing) {
      done.push({ folder: await makeSuite(wanted, options, maker), binaries: wanted.binaries });
    }
    return done;
  });
}

type Maker = {
  readonly progress: Progress;
  readonly hosts: ReleaseHosts;
  readonly signal: AbortSignal;
  readonly total: number;
  made: number;
  /** Why a host has failed once; it is not tried again. */
  readonly unreachable: Map<string, string>;
};

async function makeSuite({ suite, binaries }: Missing, options: ProvideOptions, maker: Maker): Promise<string> {
  const cached = await firstWithAll(placesOf(suite, options), binaries);
  if (cached !== undefined) {
    maker.made += binaries.length;
    return cached;
  }
  const { released, built } = cacheFolders(suite, options);
  const refusal = await download({ suite, binaries }, released, maker);
  if (refusal === undefined) return released;
  maker.progress.note(`No download of ${suite.name} ${suite.version}: ${refusal}; building it with go`);
  try {
    await makeEach({ suite, binaries }, built, maker, { verb: "build", make: buildBinary });
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    throw new BinariesError(explain({ suite, binaries }, options, [refusal, error.message]), { cause: error });
  }
  return built;
}

/** Why there is no download, or undefined when there is. */
async function download(wanted: Missing, folder: string, maker: Maker): Promise<string | undefined> {
  const { hosts, unreachable } = maker;
  const host = ["kubernetes", "kubelet"].includes(wanted.suite.name) ? hosts.kubernetes : hosts.github;
  const before = unreachable.get(host);
  if (before !== undefined) return before;
  const made = maker.made;
  const make: Make = (suite, binary, link) => downloadBinary(suite, binary, { ...link, hosts });
  try {
    await makeEach(wanted, folder, maker, { verb: "download", make });
    return undefined;
  } catch (error) {
    if (!(error instanceof DownloadError)) throw error;
    if (error.kind === "unreachable") unreachable.set(host, error.message);
    maker.made = made;
    return error.message;
  }
}

type Make = (
  suite: Suite,
  binary: BinaryName,
  options: { readonly folder: string; readonly signal: AbortSignal },
) => Promise<void>;
type Way = { readonly verb: string; readonly make: Make };

async function makeEach(
  { suite, binaries }: Missing,
  folder: string,
  maker: Maker,
  { verb, make }: Way,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  await removeDrafts(folder);
  for (const binary of binaries) {
    maker.made += 1;
    if (await isExecutable(join(folder, binary))) continue;
    const title = `${maker.made}/${maker.total} ${verb} ${binary} ${suite.version}`;
    await maker.progress.step(title, () => make(suite, binary, { folder, signal: maker.signal }));
  }
}

/** What a killed process left; we have the lock, so nobody writes them. */
async function removeDrafts(folder: string): Promise<void> {
  const drafts = (await readdir(folder)).filter((name) => name.endsWith(".tmp"));
  await Promise.all(drafts.map((name) => rm(join(folder, name), { force: true, recursive: true })));
}

function placesOf(suite: Suite, options: ProvideOptions): readonly string[] {
  const { released, built } = cacheFolders(suite, options);
  const assets = options.assetsFolder;
  return assets === undefined || assets === "" ? [released, built] : [resolve(assets), released, built];
}

/** Downloaded and built binaries do not mix, nor do those that were built from other modules or with other arguments. */
function cacheFolders(suite: Suite, options: ProvideOptions): { readonly released: string; readonly built: string } {
  const stem = join(cacheRoot(options), `${suite.name}-${suite.version}`);
  return { released: `${stem}-release`, built: `${stem}-build-${suite.buildKey}` };
}

function cacheRoot(options: ProvideOptions): string {
  return join(options.cacheFolder ?? cacheFolder(), "binaries", platform());
}

async function firstWithAll(folders: readonly string[], binaries: readonly BinaryName[]): Promise<string | undefined> {
  for (const folder of folders) {
    const there = await Promise.all(binaries.map((binary) => isExecutable(join(folder, binary))));
    if (there.every(Boolean)) return folder;
  }
  return undefined;
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function explain(
  { suite, binaries }: Missing,
  options: ProvideOptions,
  [refusal, failure]: readonly [string, string],
): string {
  const { assetsFolder } = options;
  const assets =
    assetsFolder === undefined || assetsFolder === "" ? "is not set" : `(${assetsFolder}) does not have them all`;
  return [
    `Cannot get ${binaries.join(", ")} ${suite.version}: no place has them`,
    `  KUBEBUILDER_ASSETS ${assets}`,
    `  cache: not in ${cacheRoot(options)}`,
    `  download: ${refusal}`,
    `  build: ${failure}`,
    "Connect to the network, install Go 1.26 or newer, or set KUBEBUILDER_ASSETS to a folder with these binaries",
  ].join("\n");
}
