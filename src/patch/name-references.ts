import type { KubeObject } from "../kube/object.ts";
import { gvkOf } from "../kube/gvk.ts";
import { nameObject } from "../kube/object-id.ts";
import { isJsonArray, isJsonObject, type JsonValue } from "../std/json.ts";
import { nameReferences, type NameReference } from "./name-references-table.ts";
import { PatchProblem } from "./patch-error.ts";

/** An object that patches have renamed, and the names that it had while they were applied. */
export type Renamed = { readonly object: KubeObject; readonly from: readonly string[] };

/**
 * `object` with every reference to a renamed object taken along, as kustomize does after all patches; unchanged when there is none. Which fields
 * refer to which kinds is kustomize's own table. Unlike there, a reference follows only into its own namespace, and only a subject that is a
 * ServiceAccount follows one. Throws PatchProblem where a name may mean several objects.
 */
export function followRenames(object: KubeObject, renamed: readonly Renamed[]): KubeObject {
  const references = nameReferences.filter(({ by }) => by === object.kind);
  return references.reduce((current, reference) => followField(current, reference, renamed), object);
}

function followField(object: KubeObject, reference: NameReference, renamed: readonly Renamed[]): KubeObject {
  const fitting = renamed.filter((candidate) => isTarget(candidate.object, reference, object));
  if (fitting.length === 0) return object;
  const changed = along(object, reference.path, (value) => follow(value, fitting, object));
  return isJsonObject(changed) && changed !== object ? { ...object, ...changed } : object;
}

function isTarget(target: KubeObject, { kind, group, path }: NameReference, referrer: KubeObject): boolean {
  if (target.kind !== kind || (group !== "" && gvkOf(target).group !== group)) return false;
  if (path[0] === "roleRef") {
    const { roleRef } = referrer;
    return isJsonObject(roleRef) && roleRef["kind"] === kind && mayRefer(target, referrer);
  }
  return path[0] === "subjects" || mayRefer(target, referrer);
}

/** Whether one of them is outside namespaces, or both are in the same. */
function mayRefer(
  { metadata: { namespace: target } }: KubeObject,
  { metadata: { namespace: own } }: KubeObject,
): boolean {
  return target === undefined || own === undefined || target === own;
}

type Change = (value: JsonValue) => JsonValue;

/** Applies `change` to what is at `path`, in every item of the lists on the way. */
function along(value: JsonValue, path: readonly string[], change: Change): JsonValue {
  if (isJsonArray(value))
    return keepIfSame(
      value,
      value.map((item) => along(item, path, change)),
    );
  const [field, ...rest] = path;
  if (field === undefined) return change(value);
  if (!isJsonObject(value)) return value;
  const before = Object.hasOwn(value, field) ? value[field] : undefined;
  if (before === undefined || before === null) return value;
  const after = along(before, rest, change);
  return after === before ? value : { ...value, [field]: after };
}

function follow(value: JsonValue, renamed: readonly Renamed[], referrer: KubeObject): JsonValue {
  if (typeof value === "string") return newNameOf(value, renamed, referrer) ?? value;
  if (!isJsonObject(value) || typeof value["name"] !== "string") return value;
  const { kind, namespace } = value;
  if (kind !== undefined && kind !== "ServiceAccount") return value;
  const fitting = renamed.filter(
    ({ object }) => namespace === undefined || (object.metadata.namespace ?? namespace) === namespace,
  );
  const name = newNameOf(value["name"], fitting, referrer);
  return name === undefined ? value : { ...value, name };
}

function newNameOf(name: string, renamed: readonly Renamed[], referrer: KubeObject): string | undefined {
  const fitting = renamed.filter(({ from }) => from.includes(name));
  const [first, ...others] = new Set(fitting.map(({ object }) => object.metadata.name));
  if (others.length === 0) return first;
  const names = fitting.map(({ object }) => nameObject(object)).toSorted();
  throw new PatchProblem(
    `${nameObject(referrer)} refers to ${name}, which was the name of ${names.join(" and of ")}; give each a name that no other had`,
  );
}

function keepIfSame(before: readonly JsonValue[], after: readonly JsonValue[]): readonly JsonValue[] {
  return after.every((item, index) => item === before[index]) ? before : after;
}
