import type { JsonValue } from "../std/json.ts";

/** A scalar as text, by which kustomize compares keys; "" for absent, null, a map or a list. */
export function scalarText(value: JsonValue | undefined): string {
  return typeof value === "object" || value === undefined ? "" : String(value);
}
