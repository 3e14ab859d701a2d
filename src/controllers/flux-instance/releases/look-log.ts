// Tests: src/controllers/flux-instance/releases/release-source.test.ts
import type { LogFields, Logger } from "../../../runtime/log.ts";
import type { ReasonedError } from "../../../std/errors.ts";
import type { Look, LookNews, LookRequest } from "./look.ts";

type Finding = {
  readonly isNews: boolean;
  readonly fields: LogFields;
  readonly problem: ReasonedError | undefined;
  /** "Artifact changed", "Artifact unchanged", "Artifact cannot be used" */
  readonly messages: { readonly changed: string; readonly unchanged: string; readonly failed: string };
};

const ofArtifact = {
  changed: "Artifact changed",
  unchanged: "Artifact unchanged",
  failed: "Artifact cannot be used",
};
const ofImages = {
  changed: "Image digests changed",
  unchanged: "Image digests unchanged",
  failed: "Image digests cannot be resolved",
};

/** The lines of one look in the log; what is not new is logged at debug. */
export function logLook({ artifact, images }: Look, { distribution }: LookRequest, news: LookNews, log: Logger): void {
  if (artifact !== undefined) {
    const problem = artifact.kind === "failed" ? artifact.problem : undefined;
    const digest = problem === undefined ? { digest: artifact.artifact?.digest } : {};
    const fields = { artifact: distribution.artifact, ...digest };
    logFinding({ isNews: news.artifact, fields, problem, messages: ofArtifact }, log);
  }
  if (images !== undefined) {
    const { problem, live } = images;
    const digests = problem === undefined ? { images: live.resolved } : {};
    const fields = { registry: distribution.registry, ...digests };
    logFinding({ isNews: news.images, fields, problem, messages: ofImages }, log);
  }
}

function logFinding({ isNews, fields, problem, messages }: Finding, log: Logger): void {
  if (problem !== undefined) {
    const told = { ...fields, reason: problem.reason, next: "retry", error: problem.message };
    if (isNews) log.error(messages.failed, told);
    else log.debug(messages.failed, told);
  } else if (isNews) log.info(messages.changed, fields);
  else log.debug(messages.unchanged, fields);
}
