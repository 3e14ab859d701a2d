import { compare, valid } from "semver";

import { formatObjectId, nameObject, objectIdOf } from "../kube/object-id.ts";
import type { KubeObject } from "../kube/object.ts";
import { artifactFailed } from "./artifact-error.ts";
import { readImageTable } from "./artifact-images.ts";
import { readManifest } from "./artifact-manifest.ts";
import type { ArtifactFile } from "./artifact-manifest.ts";
import { managerImage } from "./images.ts";
import { componentNames, imageVariants } from "./release.ts";
import type { ComponentName, ImageVariant, Release, VariantImages } from "./release.ts";

/** An artifact in the layout of the official one. */
export type Artifact = {
  /** The releases that have manifests ("2.9.4", without a leading v), oldest first; never none. */
  readonly versions: readonly string[];
  /**
   * Reads the files of this release only, and none when it is among the last few asked for. Throws ArtifactError, which names the file, when
   * the content is not that of a release; a form that only this operator does not know is for `renderInstance` to refuse.
   */
  release(version: string): Release;
};

/** The releases to choose from, in the form of `Catalogue` of the render room. */
export type ArtifactCatalogue = {
  readonly versions: readonly string[];
  /** Versions known from elsewhere, which distinguish a version that the artifact lacks from one that does not exist. */
  readonly known: readonly string[];
  load(version: string): Release;
};

/** As many as `load.ts` keeps of the embedded ones. */
const keptReleases = 4;

const releaseFile = /^flux(?:-images)?\/v[^/]+\/[^/]+\.yaml$/;
const manifestPath = /^flux\/v([^/]+)\/[^/]+\.yaml$/;

/** Whether a file of an artifact is one that `openArtifact` may read. Others need not be kept when it is unpacked. */
export function isReleaseFile(path: string): boolean {
  return releaseFile.test(path);
}

/** Whether a file is one that `readingOf` needs for the release. */
export function isFileOfRelease(path: string, version: string): boolean {
  return isReleaseFile(path) && path.split("/")[1] === `v${version}`;
}

/** The releases that have manifests among files at `paths`, oldest first. Throws ArtifactError when there is none. */
export function releasesAt(paths: Iterable<string>): readonly string[] {
  const versions = versionsOf(paths);
  if (versions.length === 0) throw artifactFailed("it has no manifests of Flux at flux/v<version>/<component>.yaml");
  return versions;
}

/**
 * Opens the files of an artifact, by path from its root with forward slashes: "flux/v2.9.4/rbac.yaml". Other files are not kept in memory, and
 * those of unknown components and variants are skipped. Throws ArtifactError when there is no release at all.
 */
export function openArtifact(files: ReadonlyMap<string, Uint8Array>): Artifact {
  const ours = new Map([...files].filter(([path]) => isReleaseFile(path)));
  const versions = releasesAt(ours.keys());
  const kept = new Map<string, Release>();
  return {
    versions,
    release(version) {
      if (!versions.includes(version)) {
        throw artifactFailed(`it has no Flux ${version}, only ${versions.join(", ")}`);
      }
      const release = kept.get(version) ?? readRelease(ours, version);
      kept.delete(version);
      kept.set(version, release);
      const oldest = kept.keys().next();
      if (kept.size > keptReleases && oldest.done !== true) kept.delete(oldest.value);
      return release;
    },
  };
}

/** The catalogue of an artifact; `known` are the embedded versions. */
export function artifactCatalogue(artifact: Artifact, known: readonly string[]): ArtifactCatalogue {
  return { versions: artifact.versions, known, load: (version) => artifact.release(version) };
}

function versionsOf(paths: Iterable<string>): readonly string[] {
  const found = new Set<string>();
  for (const path of paths) {
    const version = manifestPath.exec(path)?.[1];
    if (version !== undefined && valid(version) === version) found.add(version);
  }
  return [...found].toSorted(compare);
}

type Files = ReadonlyMap<string, Uint8Array>;

function readRelease(files: Files, version: string): Release {
  const reading = readingOf(files, version);
  for (let step = reading.next(); ; step = reading.next()) if (step.done === true) return step.value;
}

/**
 * Reads the files of one release, and yields after each object: YAML is slow, and the caller can do other work in between. Throws ArtifactError
 * as `Artifact.release` does.
 */
export function* readingOf(files: ReadonlyMap<string, Uint8Array>, version: string): Generator<void, Release, void> {
  const folder = `flux/v${version}`;
  const images = readImages(files, version);
  const components: { [component in ComponentName]?: readonly KubeObject[] } = {};
  for (const name of componentNames) {
    const file = find(files, `${folder}/${name}.yaml`);
    if (file !== undefined) components[name] = yield* readComponent(file, name);
  }
  const rbac = yield* readPart(files, `${folder}/rbac.yaml`, "ClusterRole");
  const policies = yield* readPart(files, `${folder}/policies.yaml`, "NetworkPolicy");
  const release: Release = { version, components, rbac, policies, images };
  checkComplete(release, folder);
  checkUnique(release, folder);
  return release;
}

type Reading = Generator<void, readonly KubeObject[], void>;

function* readObjects(file: ArtifactFile): Reading {
  const objects: KubeObject[] = [];
  for (const object of readManifest(file)) {
    objects.push(object);
    yield;
  }
  return objects;
}

function* readComponent(file: ArtifactFile, name: ComponentName): Reading {
  const objects = yield* readObjects(file);
  if (!objects.some(({ kind, metadata }) => kind === "Deployment" && metadata.name === name)) {
    throw artifactFailed(`${file.path} has no Deployment ${name}`);
  }
  const image = managerImage(objects);
  // Without a container of that name it is a new form, and not a broken file.
  if (image !== undefined && repositoryName(image) !== name) {
    throw artifactFailed(`${file.path}: Deployment/${name} runs "${image}", which is not an image of ${name}`);
  }
  return objects;
}

function* readPart(files: Files, path: string, kind: string): Reading {
  const file = find(files, path);
  if (file === undefined) throw artifactFailed(`${path} is missing`);
  const objects = yield* readObjects(file);
  if (!objects.some((object) => object.kind === kind)) throw artifactFailed(`${path} has no ${kind}`);
  return objects;
}

function readImages(files: Files, version: string): Release["images"] {
  const tables = imageVariants.flatMap((variant): readonly (readonly [ImageVariant, VariantImages])[] => {
    const file = find(files, `flux-images/v${version}/${variant}.yaml`);
    return file === undefined ? [] : [[variant, readImageTable(file)]];
  });
  return Object.fromEntries(tables);
}

/** A component that has images and no manifest: the artifact is not complete. */
function checkComplete({ components, images }: Release, folder: string): void {
  const named = new Set(Object.values(images).flatMap((table) => Object.keys(table)));
  const missing = componentNames.find((name) => named.has(name) && components[name] === undefined);
  if (missing !== undefined) throw artifactFailed(`${folder}/${missing}.yaml is missing, and there are images of it`);
}

function checkUnique({ components, rbac, policies }: Release, folder: string): void {
  const seen = new Set<string>();
  for (const object of [...Object.values(components).flat(), ...rbac, ...policies]) {
    const id = formatObjectId(objectIdOf(object));
    if (seen.has(id)) throw artifactFailed(`${folder} has ${nameObject(object)} twice`);
    seen.add(id);
  }
}

function find(files: Files, path: string): ArtifactFile | undefined {
  const bytes = files.get(path);
  return bytes === undefined ? undefined : { path, bytes };
}

/** "source-controller" of "ghcr.io:443/fluxcd/source-controller:v1.9.4@sha256:...". */
function repositoryName(image: string): string {
  const [named = ""] = image.split("@");
  return named.slice(named.lastIndexOf("/") + 1).replace(/:.*$/, "");
}
