import type { KubeObject } from "../kube/object.ts";
import { formatObjectId, nameObject, objectIdOf, type ObjectId } from "../kube/object-id.ts";
import { UnreachableError } from "../std/errors.ts";
import { isJsonObject, type JsonValue } from "../std/json.ts";
import { YamlError } from "../std/yaml.ts";
import { duplicateKeys } from "./duplicate-keys.ts";
import { applyJsonPatch, type JsonPatchOperation } from "./json-patch.ts";
import { followRenames } from "./name-references.ts";
import { parsePatch, type MergeDocument } from "./parse-patch.ts";
import { PatchError, PatchProblem } from "./patch-error.ts";
import { scalarText } from "./scalar-text.ts";
import { mergeStrategically } from "./strategic-merge.ts";
import {
  compileTarget,
  effectiveNamespace,
  isEmptyTarget,
  type PatchTarget,
  type TargetCandidate,
  type TargetMatcher,
} from "./target.ts";

/** One entry of `spec.kustomize.patches`: the YAML or JSON text of JSON6902 operations (a list) or of strategic merge documents. */
export type Patch = { readonly patch: string; readonly target?: PatchTarget };

/** An object with the names and namespaces, oldest first, that it had before suffixes and namespace were set. */
export type PatchResource = TargetCandidate;

/** Which objects the patch at `index` matched, by the names that they had before it. */
export type PatchReport = { readonly index: number; readonly matched: readonly ObjectId[] };

/** The patched objects, and what each patch has matched. */
export type PatchOutcome = {
  readonly resources: readonly PatchResource[];
  readonly reports: readonly PatchReport[];
};

/** What a document without a target names. */
export type NamedDocument = Pick<MergeDocument, "apiVersion" | "kind" | "name" | "namespace">;

/** Why there is no such object, as a clause; undefined when only the patch can be wrong. */
export type WhyAbsent = (named: NamedDocument, resources: readonly PatchResource[]) => string | undefined;

/** What is asked besides what kustomize knows. */
export type PatchContext = {
  /** About an object that a document names and that is not there. */
  readonly whyAbsent?: WhyAbsent;
  /** About each object that a patch has changed; throws PatchProblem. */
  readonly refuse?: (before: KubeObject, after: KubeObject) => void;
};

/**
 * Applies the patches in order, each to the result of those before it, as `patches` of a kustomization (api v0.21.1). A patch with a target may
 * match nothing. References to what patches rename are taken along. Objects that no patch touches are returned as they are; nothing is mutated. Throws PatchError naming the patch, the object,
 * what is wrong and the remedy.
 */
export function applyPatches(
  resources: readonly PatchResource[],
  patches: readonly Patch[],
  context: PatchContext = {},
): PatchOutcome {
  const steps = patches.map((patch, index) => naming(`Cannot read ${nameOf(index)}`, () => readStep(patch)));
  const reports: PatchReport[] = [];
  let current: readonly Patched[] = resources;
  for (const [index, step] of steps.entries()) {
    const matched: ObjectId[] = [];
    current = applyStep(current, step, { ...context, index, matched });
    reports.push({ index, matched });
  }
  return { resources: withReferences(current), reports };
}

/** An object while it is patched, with the names that patches have taken from it. */
type Patched = PatchResource & { readonly renamedFrom?: readonly string[] };

/** What refers to a renamed object by name refers to it still. */
function withReferences(patched: readonly Patched[]): readonly PatchResource[] {
  const renamed = patched.flatMap(({ object, renamedFrom }) =>
    renamedFrom === undefined ? [] : [{ object, from: renamedFrom }],
  );
  if (renamed.length === 0) return patched;
  return patched.map((resource) => {
    const object = naming("Cannot apply spec.kustomize.patches", () => followRenames(resource.object, renamed));
    return object === resource.object ? resource : { ...resource, object };
  });
}

type Step =
  | { readonly kind: "json6902"; readonly operations: readonly JsonPatchOperation[]; readonly matches: TargetMatcher }
  | { readonly kind: "merge-into-target"; readonly document: MergeDocument; readonly matches: TargetMatcher }
  | { readonly kind: "merge-by-name"; readonly documents: readonly MergeDocument[] };

type Run = { readonly index: number; readonly matched: ObjectId[] } & PatchContext;

function nameOf(index: number): string {
  return `spec.kustomize.patches[${index}]`;
}

function readStep({ patch, target }: Patch): Step {
  const parsed = parsePatch(patch);
  const matches = target === undefined ? undefined : compileTarget(target);
  if (parsed.kind === "json6902") {
    if (parsed.operations.length === 0) return { kind: "merge-by-name", documents: [] };
    if (matches === undefined) throw new PatchProblem("JSON6902 operations need a target; add one with kind and name");
    return { kind: "json6902", operations: parsed.operations, matches };
  }
  const [document, second] = parsed.documents;
  if (matches === undefined || document === undefined) return { kind: "merge-by-name", documents: parsed.documents };
  if (second !== undefined) {
    throw new PatchProblem(
      "a patch with a target must be one document; write one entry for each, or leave the target out",
    );
  }
  if (document.value["$patch"] === "delete" && isEmptyTarget(target ?? {})) {
    throw new PatchProblem(
      "$patch: delete with an empty target would delete every object; say which, or leave the target out",
    );
  }
  return { kind: "merge-into-target", document, matches };
}

function applyStep(resources: readonly Patched[], step: Step, run: Run): readonly Patched[] {
  switch (step.kind) {
    case "json6902":
      return refuseTwins(
        changeMatching(resources, run, step.matches, (resource) => applyOperations(resource, step.operations)),
        run,
      );
    case "merge-into-target":
      return changeMatching(resources, run, step.matches, (resource) => mergeDocument(resource, step.document));
    case "merge-by-name":
      return step.documents.reduce((current, document) => {
        const named = findNamed(current, document, run);
        return changeMatching(
          current,
          run,
          (resource) => resource === named,
          (found) => mergeDocument(found, document),
        );
      }, resources);
    default:
      throw new UnreachableError(step);
  }
}

type Change = (resource: Patched) => Patched | undefined;

function changeMatching(
  resources: readonly Patched[],
  run: Run,
  matches: TargetMatcher,
  change: Change,
): readonly Patched[] {
  return resources.flatMap((resource) => {
    if (!matches(resource)) return [resource];
    run.matched.push(objectIdOf(resource.object));
    const changed = naming(`Cannot apply ${nameOf(run.index)} to ${nameObject(resource.object)}`, () => {
      const result = change(resource);
      if (result === undefined) return undefined;
      refuseNewDuplicates(resource.object, result.object);
      run.refuse?.(resource.object, result.object);
      return result;
    });
    return changed === undefined ? [] : [changed];
  });
}

function applyOperations(resource: Patched, operations: readonly JsonPatchOperation[]): Patched {
  const object = asKubeObject(applyJsonPatch(withAnnotations(resource.object), operations));
  const { name, namespace } = resource.object.metadata;
  const renamed = object.metadata.name !== name;
  const moved = object.metadata.namespace !== namespace;
  return {
    ...resource,
    object,
    ...(renamed ? { renamedFrom: [...(resource.renamedFrom ?? []), name] } : {}),
    previousNames: [...(resource.previousNames ?? []), ...(renamed ? [name] : [])],
    previousNamespaces: [...(resource.previousNamespaces ?? []), ...(moved ? [namespace ?? ""] : [])],
  };
}

/** Under kustomize every object has annotations while it is patched (its own bookkeeping), so that operations can add to them. */
function withAnnotations(object: KubeObject): KubeObject {
  if (object.metadata.annotations !== undefined) return object;
  return { ...object, metadata: { ...object.metadata, annotations: {} } };
}

/** Checks what operations have left. Annotations become text, and are removed when none are left, as kustomize writes them. */
function asKubeObject(value: JsonValue): KubeObject {
  const { apiVersion, kind, metadata } = isJsonObject(value) ? value : {};
  if (typeof apiVersion !== "string" || apiVersion === "" || typeof kind !== "string" || kind === "") {
    throw new PatchProblem("the operations leave no apiVersion or kind; keep them");
  }
  if (
    !isJsonObject(value) ||
    !isJsonObject(metadata) ||
    typeof metadata["name"] !== "string" ||
    metadata["name"] === ""
  ) {
    throw new PatchProblem("the operations leave no metadata.name; keep it");
  }
  const { annotations, name, ...others } = metadata;
  if (annotations !== undefined && annotations !== null && !isJsonObject(annotations)) {
    throw new PatchProblem("the operations leave metadata.annotations that are no map; keep one");
  }
  const texts = textsOf(annotations ?? {});
  const kept = Object.keys(texts).length === 0 ? {} : { annotations: texts };
  return { ...value, apiVersion, kind, metadata: { ...others, name, ...kept } };
}

function textsOf(annotations: { readonly [key: string]: JsonValue }): { readonly [key: string]: string } {
  return Object.fromEntries(
    Object.entries(annotations).map(([key, value]) => [key, value === null ? "null" : scalarText(value)]),
  );
}

function mergeDocument(resource: Patched, document: MergeDocument): Patched | undefined {
  const object = mergeStrategically(resource.object, document.value);
  return object === undefined ? undefined : { ...resource, object };
}

/** The only object that a document without target names, by its present or a former name and namespace. */
function findNamed(resources: readonly Patched[], document: MergeDocument, run: Run): Patched {
  const namespace = effectiveNamespace(document, document.namespace);
  const found = resources.filter(({ object, previousNames = [], previousNamespaces = [] }) => {
    if (object.apiVersion !== document.apiVersion || object.kind !== document.kind) return false;
    if (![object.metadata.name, ...previousNames].includes(document.name)) return false;
    return [object.metadata.namespace, ...previousNamespaces].some(
      (candidate) => effectiveNamespace(object, candidate) === namespace,
    );
  });
  const [first, second] = found;
  if (first !== undefined && second === undefined) return first;
  const place = document.namespace === "" ? "" : ` in namespace ${document.namespace}`;
  const wanted = `${document.apiVersion} ${document.kind} ${document.name}${place}`.trim();
  const names = found.map(({ object }) => nameObject(object)).join(", ");
  const problem =
    first === undefined
      ? noObject(wanted, run.whyAbsent?.(document, resources))
      : `${wanted} may be any of ${names}; add a target`;
  throw new PatchError(`Cannot apply ${nameOf(run.index)}: ${problem}`);
}

function noObject(wanted: string, why: string | undefined): string {
  if (why === undefined) return `there is no ${wanted}; correct apiVersion, kind, name and namespace, or add a target`;
  return `there is no ${wanted}: ${why}; change that, correct apiVersion, kind, name and namespace, or remove the patch`;
}

function refuseNewDuplicates(before: KubeObject, after: KubeObject): void {
  const made = duplicateKeys(after);
  if (made.length === 0) return;
  const known = duplicateKeys(before);
  const added = made.filter((duplicate) => !known.includes(duplicate));
  if (added.length === 0) return;
  throw new PatchProblem(
    `it makes duplicate keys: ${added.join("; ")}; change the item that is there instead of adding one`,
  );
}

/** Operations may rename an object to one that exists already. */
function refuseTwins(resources: readonly Patched[], run: Run): readonly Patched[] {
  const seen = new Set<string>();
  for (const { object } of resources) {
    const id = formatObjectId(objectIdOf(object));
    if (seen.has(id))
      throw new PatchError(`Cannot apply ${nameOf(run.index)}: it makes a second ${nameObject(object)}; rename one`);
    seen.add(id);
  }
  return resources;
}

/** Runs `read`, and adds the place to a PatchProblem or YamlError that it throws. */
function naming<Result>(place: string, read: () => Result): Result {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof PatchProblem) throw new PatchError(`${place}: ${cause.message}`, cause);
    if (cause instanceof YamlError) throw new PatchError(`${place}: it is no YAML: ${cause.problem}`, cause);
    throw cause;
  }
}
