import { ReasonedError } from "../std/errors.ts";

/** Content of an artifact that is not as the official layout has it. A repaired artifact may be there at the next try. */
export class ArtifactError extends ReasonedError {}

/** `finding` names the file and what is wrong with it: "flux/v2.9.4/rbac.yaml has no ClusterRole". */
export function artifactFailed(finding: string, cause?: unknown): ArtifactError {
  return new ArtifactError({
    reason: "ArtifactFailed",
    retry: "backoff",
    message: `Cannot read the artifact: ${finding}; push a whole artifact, or choose another one in spec.distribution.artifact`,
    cause,
  });
}
