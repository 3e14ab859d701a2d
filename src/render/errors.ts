import { ReasonedError } from "../std/errors.ts";

/**
 * A spec that the selected release cannot satisfy (reason "BuildFailed"), or a release in a form that this operator does not know (reason
 * "NeedsNewerOperator"). A retry does not help.
 */
export class RenderError extends ReasonedError {}

/** What a rule that needs the release reports: the field, its value, what is wrong and what to do. */
export type BuildRule = {
  readonly field: string;
  /** Absent when the field says enough. */
  readonly value?: string;
  readonly problem: string;
  readonly remedy: string;
};

/** A RenderError with the reason "BuildFailed". */
export function buildFailed(rule: BuildRule): RenderError {
  return new RenderError({
    reason: "BuildFailed",
    retry: "on-change",
    message: `Cannot build the instance: ${subject(rule)} ${rule.problem}; ${rule.remedy}`,
  });
}

function subject({ field, value }: BuildRule): string {
  return value === undefined ? field : `${field} ${value}`;
}

/**
 * A RenderError with the reason "NeedsNewerOperator". `missing` is what was looked for, `where` the object that should have it:
 * "Deployment/source-controller".
 */
export function notUnderstood(version: string, where: string, missing: string): RenderError {
  return unknownShape(version, `${where} has no ${missing}`);
}

/** A RenderError with the reason "NeedsNewerOperator". `finding` is a clause that names the object and what is new about it. */
export function unknownShape(version: string, finding: string): RenderError {
  return new RenderError({
    reason: "NeedsNewerOperator",
    retry: "on-change",
    message:
      `Cannot build Flux ${version}: ${finding}, so this release has a shape that this operator does not know; ` +
      "upgrade the operator or choose an older version in spec.distribution.version",
  });
}
