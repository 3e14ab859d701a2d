import { RE2JS } from "re2js";
import { gvkOf } from "../kube/gvk.ts";
import { matchesSelector, parseSelector, type Labels } from "../kube/selector.ts";
import type { KubeObject } from "../kube/object.ts";
import { errorMessage } from "../std/errors.ts";
import { isJsonObject, type JsonValue } from "../std/json.ts";
import { isClusterScoped } from "./merge-keys.ts";
import { PatchProblem } from "./patch-error.ts";
import { scalarText } from "./scalar-text.ts";

/**
 * Which objects a patch is for; everything that is given must match. Group, version, kind, name and namespace are regular expressions of RE2
 * that must match the whole text; the selectors have the syntax of label selectors.
 */
export type PatchTarget = {
  readonly group?: string;
  readonly version?: string;
  readonly kind?: string;
  readonly name?: string;
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly annotationSelector?: string;
};

/** An object with the names and namespaces that it had before, oldest first. */
export type TargetCandidate = {
  readonly object: KubeObject;
  readonly previousNames?: readonly string[];
  readonly previousNamespaces?: readonly string[];
};

/** Whether an object is one that a target selects. */
export type TargetMatcher = (candidate: TargetCandidate) => boolean;

/**
 * Compiles a target. Names and namespaces match when the oldest or the current one does, as in kustomize's ResMap.Select. Throws PatchProblem
 * for an invalid pattern or selector.
 */
export function compileTarget(target: PatchTarget): TargetMatcher {
  const group = compilePattern(target.group, "group");
  const version = compilePattern(target.version, "version");
  const kind = compilePattern(target.kind, "kind");
  const name = compilePattern(target.name, "name");
  const namespace = compilePattern(target.namespace, "namespace");
  const labels = compileSelector(target.labelSelector, "labelSelector");
  const annotations = compileSelector(target.annotationSelector, "annotationSelector");
  return ({ object, previousNames, previousNamespaces }) => {
    const gvk = gvkOf(object);
    if (!kind(gvk.kind) || !group(gvk.group) || !version(gvk.version)) return false;
    const oldest = previousNames?.[0] ?? object.metadata.name;
    if (!name(oldest) && !name(object.metadata.name)) return false;
    if (!labels(object.metadata.labels) || !annotations(object.metadata.annotations)) return false;
    const current = effectiveNamespace(object, object.metadata.namespace);
    return namespace(effectiveNamespace(object, previousNamespaces?.[0] ?? current)) || namespace(current);
  };
}

/** Whether a target is empty, and so matches every object. */
export function isEmptyTarget(target: PatchTarget): boolean {
  return Object.values(target).every((part) => part === undefined || part === "");
}

/** The namespace that kustomize compares: "default" when none is given, and a word that no pattern matches for cluster-scoped kinds. */
export function effectiveNamespace(
  object: Pick<KubeObject, "apiVersion" | "kind">,
  namespace: string | undefined,
): string {
  if (isClusterScoped(object)) return "_non_namespaceable_";
  return namespace === undefined || namespace === "" ? "default" : namespace;
}

function compilePattern(pattern: string | undefined, field: string): (text: string) => boolean {
  if (pattern === undefined || pattern === "") return () => true;
  if (/^[A-Za-z0-9-]+$/.test(pattern)) return (text) => text === pattern;
  try {
    const compiled = RE2JS.compile(`^(?:${pattern})$`);
    return (text) => compiled.matcher(text).find();
  } catch (cause) {
    throw new PatchProblem(
      `target.${field} ${JSON.stringify(pattern)} is no regular expression of RE2: ${errorMessage(cause)}`,
      { cause },
    );
  }
}

function compileSelector(text: string | undefined, field: string): (labels: JsonValue | undefined) => boolean {
  if (text === undefined || text === "") return () => true;
  try {
    const selector = parseSelector(text);
    return (labels) => matchesSelector(selector, asLabels(labels));
  } catch (cause) {
    throw new PatchProblem(`target.${field}: ${errorMessage(cause)}`, { cause });
  }
}

/** Patches may have set numbers or nulls instead of text. */
function asLabels(value: JsonValue | undefined): Labels {
  if (!isJsonObject(value)) return {};
  return Object.fromEntries(Object.entries(value).map(([key, label]) => [key, scalarText(label)]));
}
