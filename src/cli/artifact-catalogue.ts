import { stat } from "node:fs/promises";
import { artifactCatalogue, isReleaseFile, openArtifact } from "../distribution/from-artifact.ts";
import { embeddedVersions } from "../distribution/load.ts";
import { findArtifact } from "../oci/copy/bundle-artifact.ts";
import { openBundle } from "../oci/copy/bundle.ts";
import { untar, type Files } from "../oci/layer.ts";
import { readDirectory, readTarball } from "../oci/load-files.ts";
import type { Catalogue } from "../render/target.ts";
import { ReasonedError } from "../std/errors.ts";
import { InputError } from "./input.ts";
import { openRegistry, readAccess, registryRemedy } from "./registry-access.ts";
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
  const files = await readArtifact({ place, insecure, keep: isReleaseFile }, terminal, signal);
  try {
    return artifactCatalogue(openArtifact(files), embeddedVersions);
  } catch (error) {
    throw refusalOf(error, `--distribution ${place}`);
  }
}

/** Which of its files are kept. */
type Kept = { readonly keep: (path: string) => boolean };

/** The files of an artifact that `keep` takes. Throws InputError, or the signal's reason. */
export async function readArtifact(
  { place, insecure, keep }: ArtifactPlace & Kept,
  terminal: Surroundings,
  signal: AbortSignal,
): Promise<Files> {
  if (place.startsWith("oci://")) return await pull({ place, insecure, keep }, terminal, signal);
  return await readFromDisk(place, { keep }, signal);
}

async function readFromDisk(path: string, { keep }: Kept, signal: AbortSignal): Promise<Files> {
  try {
    if (await isFolder(path)) return await readDirectory(path, { keep }, signal);
    await using bundle = await openBundle(path);
    if (bundle !== undefined) {
      const { from, layer } = await findArtifact(bundle, path);
      return await untar(await from.blob(layer), { source: path, keep }, signal);
    }
    return await readTarball(path, { keep }, signal);
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
  { place, insecure, keep }: ArtifactPlace & Kept,
  { env, stderr }: Surroundings,
  signal: AbortSignal,
): Promise<Files> {
  const access = await readAccess(insecure, env);
  const registry = openRegistry(env);
  try {
    const { files, digest } = await registry.pull(place, { ...access, keep }, signal);
    // A tag may move: with the digest, the user can get the same output again.
    stderr.write(`--distribution ${place}: pulled ${digest}\n`);
    return files;
  } catch (error) {
    signal.throwIfAborted();
    throw refusalOf(error, "--distribution", registryRemedy(error, env, "--distribution-insecure allows plain HTTP"));
  } finally {
    await registry.close();
  }
}

/** Errors without a reason are bugs, and are returned as they are. */
function refusalOf(error: unknown, where: string, remedy = ""): unknown {
  return error instanceof ReasonedError ? new InputError(`${where}: ${error.message}${remedy}`, error) : error;
}
