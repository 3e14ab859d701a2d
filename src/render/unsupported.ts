import type { CanonicalSpec } from "../api/spec.ts";
import { ReasonedError } from "../std/errors.ts";

/** The spec uses a field that this version of the operator does not support yet. To ignore it would lose what the user asked for. */
export class UnsupportedFieldError extends ReasonedError {}

type Unsupported = {
  readonly field: string;
  readonly used: (spec: CanonicalSpec) => boolean;
};

const unsupported: readonly Unsupported[] = [];

/** Throws UnsupportedFieldError naming every such field that `spec` uses. */
export function refuseUnsupported(spec: CanonicalSpec): void {
  const fields = unsupported.filter(({ used }) => used(spec)).map(({ field }) => field);
  if (fields.length === 0) return;
  throw new UnsupportedFieldError({
    reason: "BuildFailed",
    retry: "on-change",
    message: `Cannot build the instance: this version of the operator does not support ${fields.join(", ")}; remove ${fields.length === 1 ? "it" : "them"} or use a newer operator`,
  });
}
