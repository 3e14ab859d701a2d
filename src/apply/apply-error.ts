// Tests: src/apply/write/apply-set.test.ts
import { ReasonedError } from "../std/errors.ts";

/** The API server refused objects while they were being written. */
export class ApplyError extends ReasonedError {}
