import { ReasonedError } from "../std/errors.ts";

/** A patch cannot be read or applied. The message names the entry of `spec.kustomize.patches`, the object, what is wrong and the remedy. */
export class PatchError extends ReasonedError {
  constructor(message: string, cause?: unknown) {
    super({ reason: "BuildFailed", retry: "on-change", message, cause });
  }
}

/** What is wrong inside a patch. The caller that knows the patch's index and object makes a PatchError from it. */
export class PatchProblem extends Error {
  constructor(problem: string, options?: ErrorOptions) {
    super(problem, options);
    this.name = "PatchProblem";
  }
}
