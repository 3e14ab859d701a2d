import { gvkOf, parseApiVersion } from "./gvk.ts";
import type { ObjectKey, KubeObject } from "./object.ts";

/** The identity of an object in any version. `namespace` is "" for cluster-scoped kinds. */
export type ObjectId = {
  readonly group: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
};

/** The identity of an object. */
export function objectIdOf(object: Pick<KubeObject, "apiVersion" | "kind" | "metadata">): ObjectId {
  const { group, kind } = gvkOf(object);
  return { group, kind, namespace: object.metadata.namespace ?? "", name: object.metadata.name };
}

/**
 * "<namespace>_<name>_<group>_<kind>", the inventory id of cli-utils and of the Go operator's `status.inventory`.
 * A ":" in a name (RBAC allows it) is written "__", as cli-utils' object.ObjMetadata does.
 */
export function formatObjectId(id: ObjectId): string {
  return `${id.namespace}_${id.name.replaceAll(":", "__")}_${id.group}_${id.kind}`;
}

/** The reverse of `formatObjectId`; undefined for text of another form. */
export function parseObjectId(text: string): ObjectId | undefined {
  const first = text.indexOf("_");
  const last = text.lastIndexOf("_");
  const middle = text.lastIndexOf("_", last - 1);
  if (first === -1 || middle <= first || last <= middle) return undefined;
  const name = text.slice(first + 1, middle).replaceAll("__", ":");
  const kind = text.slice(last + 1);
  if (name === "" || kind === "") return undefined;
  return { namespace: text.slice(0, first), name, group: text.slice(middle + 1, last), kind };
}

/** "Kind/namespace/name" or "Kind/name", the form in which messages name objects. */
export function describeObject(id: Pick<ObjectId, "kind" | "namespace" | "name">): string {
  return id.namespace === "" ? `${id.kind}/${id.name}` : `${id.kind}/${id.namespace}/${id.name}`;
}

/** `describeObject` of a whole object. */
export function nameObject(object: Pick<KubeObject, "apiVersion" | "kind" | "metadata">): string {
  return describeObject(objectIdOf(object));
}

/** Whether both are the same object. */
export function sameObject(left: ObjectId, right: ObjectId): boolean {
  return formatObjectId(left) === formatObjectId(right);
}

/** Whether `apiVersion` belongs to the core of Kubernetes or to a `*.k8s.io` group, and not to a custom resource. */
export function isBuiltInGroup(apiVersion: string): boolean {
  return isBuiltIn(parseApiVersion(apiVersion));
}

/** `isBuiltInGroup` of a kind. */
export function isBuiltIn({ group }: { readonly group: string }): boolean {
  return group === "" || !group.includes(".") || group.endsWith(".k8s.io");
}

/** The key of an object. */
export function keyOf(object: KubeObject): ObjectKey {
  return { namespace: object.metadata.namespace ?? "", name: object.metadata.name };
}
