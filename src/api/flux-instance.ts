import { Check } from "typebox/schema";
import { isJsonObject } from "../std/json.ts";
import { ReasonedError } from "../std/errors.ts";
import { problemsOf, type Problem } from "./problems.ts";
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
 * Takes an object from a file or from the API server: checks schema and static rules, fills in nothing.
 * Throws InvalidInstanceError. A field of `spec` that is not known is refused, not ignored: it may be what keeps
 * someone safe.
 */
export function parseFluxInstance(value: unknown): FluxInstance {
  const problems = problemsOf(fluxInstanceSchema, value);
  if (problems.length > 0 || !isFluxInstance(value)) throw new InvalidInstanceError(nameOf(value), problems);
  return value;
}

/** "spec.x.y is required: add it", or "spec.x: " and the message of a rule, which names its fields itself. */
export function describeProblem({ field, message }: Problem): string {
  if (field === "" || message.startsWith(field)) return message;
  return /^(is|has|must) /.test(message) ? `${field} ${message}` : `${field}: ${message}`;
}

function isFluxInstance(value: unknown): value is FluxInstance {
  return Check(fluxInstanceSchema, value);
}

function nameOf(value: unknown): string {
  const metadata = isJsonObject(value) && isJsonObject(value["metadata"]) ? value["metadata"] : {};
  const { namespace, name } = metadata;
  if (typeof name !== "string" || name === "") return "without a name";
  return typeof namespace === "string" && namespace !== "" ? `${namespace}/${name}` : name;
}
