// Tests: src/controllers/flux-instance/releases/release-source.test.ts, test/integration/artifact.test.ts
import { ArtifactError } from "../../../distribution/artifact-error.ts";
import { isFileOfRelease, readingOf, releasesAt } from "../../../distribution/from-artifact.ts";
import type { Release } from "../../../distribution/release.ts";
import { minorOf, readVex, summaryOfVex, vexPath, type VexSummary } from "../../../distribution/vex.ts";
import { untar, type Files } from "../../../oci/layer.ts";
import type { Catalogue } from "../../../render/target.ts";
import { attempt } from "../../../std/attempt.ts";
import { ReasonedError } from "../../../std/errors.ts";

/** An artifact as it was pulled. */
export type Tarball = {
  /** Digest of the manifest by which it was pulled. */
  readonly digest: string;
  readonly tarball: Uint8Array;
  /** As the user wrote it. */
  readonly reference: string;
};

/** One release that runs and one to change to: more are not kept. */
const keptReleases = 2;

/**
 * An artifact in memory: the tarball (1 MB for the official one), and the releases that were prepared last. Unpacked it would take 16 MB, and
 * parsed ten times that.
 */
export class CachedArtifact {
  readonly digest: string;
  readonly reference: string;
  /** Oldest first. */
  readonly versions: readonly string[];
  readonly #tarball: Uint8Array;
  readonly #releases = new Map<string, Release>();
  /** By minor, of the releases that were prepared. */
  readonly #vex = new Map<string, VexSummary>();

  private constructor({ digest, reference, tarball }: Tarball, versions: readonly string[]) {
    this.digest = digest;
    this.reference = reference;
    this.versions = versions;
    this.#tarball = tarball;
  }

  /** Reads which releases the artifact has. Throws LayerError or ArtifactError when there are none. */
  static async open(pulled: Tarball, signal: AbortSignal): Promise<CachedArtifact> {
    const paths: string[] = [];
    const source = nameOf(pulled);
    const keep = (path: string): boolean => {
      paths.push(path);
      return false;
    };
    await untar(pulled.tarball, { source, keep }, signal);
    return new CachedArtifact(
      pulled,
      placed(pulled, () => releasesAt(paths)),
    );
  }

  /**
   * Reads a release of `versions`, so that `catalogue` can load it. It yields to the event loop between objects. Throws LayerError or
   * ArtifactError when the release is not complete.
   */
  async prepare(version: string, signal: AbortSignal): Promise<void> {
    const release = this.#releases.get(version) ?? (await this.#read(version, signal));
    this.#releases.delete(version);
    this.#releases.set(version, release);
    const oldest = this.#releases.keys().next();
    if (this.#releases.size > keptReleases && oldest.done !== true) this.#releases.delete(oldest.value);
  }

  /** The releases of the artifact. `known` are versions known from elsewhere. Its `load` throws ArtifactError for a release that was not prepared. */
  catalogue(known: readonly string[]): Catalogue {
    const releases = new Map(this.#releases);
    return {
      versions: this.versions,
      known,
      artifactRevision: this.digest,
      vex: Object.fromEntries(this.#vex),
      load: (version) => {
        const release = releases.get(version);
        if (release !== undefined) return release;
        throw notWhole(this, new ArtifactError({ finding: `Flux ${version} of it has not been looked at` }));
      },
    };
  }

  async #read(version: string, signal: AbortSignal): Promise<Release> {
    const statements = vexPath(version);
    const keep = (path: string): boolean => path === statements || isFileOfRelease(path, version);
    const files = await untar(this.#tarball, { source: nameOf(this), keep }, signal);
    const summary = summaryAt(files, statements);
    if (summary !== undefined) this.#vex.set(minorOf(version), summary);
    const reading = readingOf(files, version);
    for (;;) {
      await othersRun();
      signal.throwIfAborted();
      const step = placed(this, () => reading.next());
      if (step.done === true) return step.value;
    }
  }
}

/** What cannot be read is told by who asks for it: the release does not need it. */
function summaryAt(files: Files, path: string): VexSummary | undefined {
  const file = files.get(path);
  if (file === undefined) return undefined;
  const summary = attempt(() => summaryOfVex(readVex(new TextDecoder().decode(file), path)));
  return summary instanceof ReasonedError ? undefined : summary;
}

type Origin = Pick<Tarball, "digest" | "reference">;

function nameOf({ reference, digest }: Origin): string {
  return reference.includes("@") ? `artifact ${reference}` : `artifact ${reference} (${digest})`;
}

function placed<T>(origin: Origin, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ArtifactError)) throw error;
    throw notWhole(origin, error);
  }
}

function notWhole(origin: Origin, error: ArtifactError): ArtifactError {
  return error.of({ artifact: nameOf(origin), where: "in spec.distribution.artifact" });
}

function othersRun(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
