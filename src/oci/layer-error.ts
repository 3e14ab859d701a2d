import { ReasonedError } from "../std/errors.ts";

/** Files of an artifact cannot be read: the tarball or folder is damaged, hostile or too large. */
export class LayerError extends ReasonedError {
  /** The entry at fault, by its name in the artifact, shortened; undefined when it is about no entry. */
  readonly entry: string | undefined;

  constructor({ source, entry, why, cause }: { source: string; entry?: string; why: string; cause?: unknown }) {
    const shown = entry === undefined ? undefined : shorten(entry);
    super({
      reason: "ArtifactFailed",
      retry: "backoff",
      message: `Cannot read ${source}: ${shown === undefined ? "" : `entry ${JSON.stringify(shown)} `}${why}`,
      cause,
    });
    this.entry = shown;
  }
}

function shorten(name: string): string {
  return name.length > 200 ? `${name.slice(0, 200)}...` : name;
}
