import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { artifactCatalogue, isReleaseFile, openArtifact } from "../distribution/from-artifact.ts";
import { embeddedVersions } from "../distribution/load.ts";
import type { Files } from "../oci/layer.ts";
import { readDirectory, readTarball } from "../oci/load-files.ts";
import { proxySettingsOf } from "../oci/proxy.ts";
import { Registry } from "../oci/registry.ts";
import { RegistryError, type RegistryErrorKind } from "../oci/registry-error.ts";
import type { Catalogue } from "../render/target.ts";
import { systemClock } from "../std/clock.ts";
import { errorCode, errorMessage, ReasonedError } from "../std/errors.ts";
import { operatorVersion } from "../std/version.ts";
import { InputError } from "./input.ts";
import type { Terminal } from "./terminal.ts";

/** Where an artifact is; `place` is the value of --distribution. */
export type ArtifactPlace = { readonly place: string; readonly insecure: boolean };

type Surroundings = Pick<Terminal, "env" | "stderr">;

/** The releases of an artifact in the layout of the official one. Throws InputError, or the signal's reason. */
export async function openArtifactCatalogue(
  { place, insecure }: ArtifactPlace,
  terminal: Surroundings,
  signal: AbortSignal,
): Promise<Catalogue> {
  const files = place.startsWith("oci://")
    ? await pull({ place, insecure }, terminal, signal)
    : await readFromDisk(place, signal);
  try {
    return artifactCatalogue(openArtifact(files), embeddedVersions);
  } catch (error) {
    throw refusalOf(error, `--distribution ${place}`);
  }
}

async function readFromDisk(path: string, signal: AbortSignal): Promise<Files> {
  try {
    const read = (await isFolder(path)) ? readDirectory : readTarball;
    return await read(path, { keep: isReleaseFile }, signal);
  } catch (error) {
    signal.throwIfAborted();
    const remedy =
      "; give the path of a folder or tarball in the layout of the official artifact, or an oci:// address";
    throw refusalOf(error, "--distribution", remedy);
  }
}

/** A path that cannot be read is no folder here; the reader of the tarball explains why. */
async function isFolder(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() === true;
}

async function pull(
  { place, insecure }: ArtifactPlace,
  { env, stderr }: Surroundings,
  signal: AbortSignal,
): Promise<Files> {
  const configPath = dockerConfigPath(env);
  const dockerConfig = await readDockerConfig(configPath);
  const userAgent = `flux-operator-cli/${operatorVersion}`;
  const registry = new Registry({ clock: systemClock, random: Math.random, userAgent, proxy: proxySettingsOf(env) });
  try {
    const access = { insecure, ...(dockerConfig === undefined ? {} : { dockerConfig }) };
    const { files, digest } = await registry.pull(place, { ...access, keep: isReleaseFile }, signal);
    // A tag may move: with the digest, the user can get the same output again.
    stderr.write(`--distribution ${place}: pulled ${digest}\n`);
    return files;
  } catch (error) {
    signal.throwIfAborted();
    const remedy = error instanceof RegistryError ? remedies(configPath)[error.kind] : undefined;
    throw refusalOf(error, "--distribution", remedy);
  } finally {
    await registry.close();
  }
}

type Env = Terminal["env"];

/** Undefined when there is no home folder. */
function dockerConfigPath({ DOCKER_CONFIG: folder = "", HOME: home = "" }: Env): string | undefined {
  if (folder !== "") return join(folder, "config.json");
  return home === "" ? undefined : join(home, ".docker", "config.json");
}

async function readDockerConfig(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw new InputError(`Cannot read credentials from ${path}: ${errorMessage(error)}; correct DOCKER_CONFIG`, error);
  }
}

function remedies(configPath = "~/.docker/config.json"): { readonly [kind in RegistryErrorKind]?: string } {
  const login = `; credentials are those of auths in ${configPath}, credential helpers are not asked`;
  return {
    unauthorized: login,
    credentials: login,
    unreachable: "; check host, port and proxy; --distribution-insecure allows plain HTTP",
  };
}

/** Errors without a reason are bugs, and are returned as they are. */
function refusalOf(error: unknown, where: string, remedy = ""): unknown {
  return error instanceof ReasonedError ? new InputError(`${where}: ${error.message}${remedy}`, error) : error;
}
