import type { JsonValue } from "../../src/std/json.ts";
import type { Expression } from "./hcl.ts";

/** What a plan refuses, and how. */
export type Validation = { readonly condition: string; readonly message: string | { readonly template: string } };

/** One input of the module. */
export type Variable = {
  readonly name: string;
  readonly description: string;
  readonly type: Expression;
  readonly default: JsonValue;
  /** Whether null is something else than the default. */
  readonly nullable: boolean;
  readonly sensitive?: boolean;
  readonly validations: readonly Validation[];
};
