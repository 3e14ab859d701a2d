import type { JsonValue } from "../std/json.ts";
import { PatchProblem } from "./patch-error.ts";

/** Reads the value of a `$patch`; "merge" when there is none. Throws PatchProblem. */
export function readDirective(value: JsonValue | undefined, path: string): "delete" | "replace" | "merge" {
  if (value === undefined) return "merge";
  if (value === "delete" || value === "replace" || value === "merge") return value;
  throw new PatchProblem(`${path}.$patch is ${JSON.stringify(value)}; it must be delete, replace or merge`);
}
