import { labels } from "../../api/names.ts";
import { formatObjectId, objectIdOf } from "../../kube/object-id.ts";
import { compileTarget, type TargetMatcher } from "../../patch/target.ts";
import { PatchProblem } from "../../patch/patch-error.ts";
import { formatPointer } from "../../std/json-pointer.ts";
import type { Draft, RenderContext } from "../draft.ts";
import { buildFailed } from "../errors.ts";
import type { IgnoredPaths } from "../rendering.ts";

/**
 * The fields that `spec.driftIgnore` leaves to other field managers, by object. Throws RenderError for a path that identifies the object and,
 * with `kustomize.strict`, for an entry that matches nothing.
 */
export function ignoredPathsOf(drafts: readonly Draft[], { spec }: RenderContext): IgnoredPaths {
  const paths = new Map<string, readonly string[]>();
  for (const [index, entry] of spec.driftIgnore.entries()) {
    const field = `spec.driftIgnore[${index}]`;
    entry.paths.forEach((path) => refuseIdentity(path, field));
    const matched = drafts.filter(matcherOf(entry.target, field));
    if (matched.length === 0 && spec.kustomize.strict) throw matchesNothing(field);
    for (const { object } of matched) {
      const id = formatObjectId(objectIdOf(object));
      paths.set(id, [...new Set([...(paths.get(id) ?? []), ...entry.paths])]);
    }
  }
  return paths;
}

function matcherOf(target: Parameters<typeof compileTarget>[0], field: string): TargetMatcher {
  try {
    return compileTarget(target);
  } catch (error) {
    if (!(error instanceof PatchProblem)) throw error;
    throw buildFailed({ field, problem: `cannot be read: ${error.message}`, remedy: "correct it" });
  }
}

function matchesNothing(field: string): Error {
  return buildFailed({
    field: `${field}.target`,
    problem: "matches no object",
    remedy: "correct the target, remove the entry, or set spec.kustomize.strict to false",
  });
}

/** The fields by which the operator finds an object. Whole maps of labels are among them, since they include our labels. */
const identity = new Set([
  "/apiVersion",
  "/kind",
  "/metadata",
  "/metadata/name",
  "/metadata/namespace",
  "/metadata/labels",
  ...[labels.managedBy, labels.ownerName, labels.ownerNamespace].map((label) =>
    formatPointer(["metadata", "labels", label]),
  ),
]);

function refuseIdentity(path: string, field: string): void {
  if (!identity.has(path)) return;
  throw buildFailed({
    field: `${field}.paths`,
    value: path,
    problem: "is what the operator knows the object by",
    remedy: "name a field that others may change",
  });
}
