import { isJsonObject } from "../std/json.ts";
import { ReasonedError } from "../std/errors.ts";
import { dropEmptyTexts, dropNulls } from "./absent.ts";
import { problemsOf, type Problem, type ProblemOptions } from "./problems.ts";
import { reasons } from "./reasons.ts";
import { fluxInstanceSchema, type FluxInstance } from "./schema/instance.ts";

export type { FluxInstance } from "./schema/instance.ts";

/** A FluxInstance that cannot be used as it is written; `problems` are all that is wrong with it, in the schema's order. */
export class InvalidInstanceError extends ReasonedError {
  readonly problems: readonly Problem[];

  constructor(name: string, problems: readonly Problem[]) {
    const listed = problems.map(describeProblem).join("; ");
    super({ reason: reasons.buildFailed, retry: "on-change", message: `Cannot use FluxInstance ${name}: ${listed}` });
    this.problems = problems;
  }
}

/**
 * Parses an object from a file: checks schema and static rules, and adds no defaults. Throws InvalidInstanceError. An unknown field of `spec`
 * is refused, not ignored: it may be there for the user's safety. A field that is null, and an optional text that is "", is absent.
 */
export function parseFluxInstance(value: unknown): FluxInstance {
  return parse(value, { bounds: "hold" });
}

/**
 * Parses an object that the API server has stored. As `parseFluxInstance`, but without bounds and patterns: an instance that was stored before
 * they were tightened keeps working, as at the API server (CRD validation ratcheting, KEP-4008).
 */
export function parseStoredFluxInstance(value: unknown): FluxInstance {
  return parse(value, { bounds: "ignore" });
}

function parse(value: unknown, options: ProblemOptions): FluxInstance {
  const written = dropNulls(fluxInstanceSchema, value);
  const problems = problemsOf(fluxInstanceSchema, written, options);
  const meant = dropEmptyTexts(fluxInstanceSchema, written);
  if (!isFluxInstance(meant, problems)) throw new InvalidInstanceError(nameOf(value), problems);
  return meant;
}

/** A problem as one sentence: "spec.x.y is required: add it", or "spec.x: " and the message of a rule, which names its fields itself. */
export function describeProblem({ field, message }: Problem): string {
  if (field === "" || message.startsWith(field)) return message;
  return /^(is|has|must) /.test(message) ? `${field} ${message}` : `${field}: ${message}`;
}

/** The schema's type is that of FluxInstance, so a value without problems is one. */
function isFluxInstance(_value: unknown, problems: readonly Problem[]): _value is FluxInstance {
  return problems.length === 0;
}

function nameOf(value: unknown): string {
  const metadata = isJsonObject(value) && isJsonObject(value["metadata"]) ? value["metadata"] : {};
  const { namespace, name } = metadata;
  if (typeof name !== "string" || name === "") return "without a name";
  return typeof namespace === "string" && namespace !== "" ? `${namespace}/${name}` : name;
}
