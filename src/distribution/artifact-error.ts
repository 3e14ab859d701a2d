import { ReasonedError } from "../std/errors.ts";

type Finding = {
  /** Names the file and what is wrong with it: "flux/v2.9.4/rbac.yaml has no ClusterRole". */
  readonly finding: string;
  /** "the artifact" by default. */
  readonly artifact?: string;
  /** Where another artifact can be chosen: "in spec.distribution.artifact". */
  readonly where?: string;
  readonly cause?: unknown;
};

/** The content of an artifact is not in the official layout. A repaired artifact may be there at the next try. */
export class ArtifactError extends ReasonedError {
  readonly #finding: string;

  constructor({ finding, artifact = "the artifact", where, cause }: Finding) {
    const choice = where === undefined ? "choose another one" : `choose another one ${where}`;
    super({
      reason: "ArtifactFailed",
      retry: "backoff",
      message: `Cannot read ${artifact}: ${finding}; push a whole artifact, or ${choice}`,
      cause,
    });
    this.#finding = finding;
  }

  /** The same error with the artifact's name, and where it was chosen. */
  of(origin: { readonly artifact: string; readonly where: string }): ArtifactError {
    return new ArtifactError({ finding: this.#finding, ...origin, cause: this });
  }
}

/** An ArtifactError that does not know yet which artifact it is about. */
export function artifactFailed(finding: string, cause?: unknown): ArtifactError {
  return new ArtifactError({ finding, cause });
}
