import { fieldsOf, listOf, textOf } from "./fields.ts";
import { type GroupKind, type GroupVersionKind, formatApiVersion, gvkOf } from "./gvk.ts";
import type { JsonObject, KubeObject } from "./object.ts";

/** What a CustomResourceDefinition says about its kind. */
export type DefinedKind = {
  readonly group: string;
  readonly kind: string;
  readonly versions: readonly string[];
  /** The version in which objects are written to etcd. */
  readonly storage: string;
  /** Versions in which objects may still be stored in etcd (`status.storedVersions`); empty before the API server has seen the CRD. */
  readonly stored: readonly string[];
};

/** What the CRD `definition` says about its kind. Missing fields are read as "". */
export function definedKind(definition: KubeObject): DefinedKind {
  const spec = fieldsOf(definition["spec"]);
  const versions = versionsOf(definition);
  return {
    group: textOf(spec["group"]),
    kind: textOf(fieldsOf(spec["names"])["kind"]),
    versions: versions.map(nameOf),
    storage: nameOf(versions.find((version) => version["storage"] === true) ?? {}),
    stored: listOf(fieldsOf(definition["status"])["storedVersions"]).map(textOf),
  };
}

/** Whether the object is a CustomResourceDefinition. */
export function isDefinition(object: KubeObject): boolean {
  return object.kind === "CustomResourceDefinition" && gvkOf(object).group === "apiextensions.k8s.io";
}

/** `spec.versions` of a CRD. */
export function versionsOf(definition: KubeObject): readonly JsonObject[] {
  return listOf(fieldsOf(definition["spec"])["versions"]).map(fieldsOf);
}

/** The API version in which objects of the kind are stored. */
export function storedAs({ group, storage }: DefinedKind): string {
  return formatApiVersion({ group, version: storage });
}

/** The kind in the version in which its objects are stored. */
export function storedKind({ group, kind, storage }: DefinedKind): GroupVersionKind {
  return { group, version: storage, kind };
}

/** The name of one of `versionsOf`. */
export function nameOf(version: JsonObject): string {
  return textOf(version["name"]);
}

/** The kind that a CRD defines. */
export function kindDefinedBy(definition: KubeObject): GroupKind {
  const spec = fieldsOf(definition["spec"]);
  return { group: textOf(spec["group"]), kind: textOf(fieldsOf(spec["names"])["kind"]) };
}

/** A kind as its CRD serves it: in the storage version if that is served. */
export type ServedKind = { readonly gvk: GroupVersionKind; readonly plural: string };

/** The kind that `crd` serves; undefined when it serves no version. */
export function servedKind(crd: KubeObject): ServedKind | undefined {
  const spec = fieldsOf(crd["spec"]);
  const served = listOf(spec["versions"])
    .map(fieldsOf)
    .filter((version) => version["served"] === true);
  const chosen = served.find((version) => version["storage"] === true) ?? served[0];
  if (chosen === undefined) return undefined;
  const names = fieldsOf(spec["names"]);
  const gvk = { group: textOf(spec["group"]), version: textOf(chosen["name"]), kind: textOf(names["kind"]) };
  return { gvk, plural: textOf(names["plural"]) };
}

/** `isWait`: it has deleted the resources of a CRD, and some were still there a minute later. */
export type DeletionFailure = { readonly message: string; readonly isWait: boolean };

/** Why the API server has given up, for now, to delete the resources of a CRD that is being deleted; undefined while it has not. */
export function deletionFailure(definition: KubeObject): DeletionFailure | undefined {
  const conditions = listOf(fieldsOf(definition["status"])["conditions"]).map(fieldsOf);
  const { reason, message } = conditions.find(({ type }) => type === "Terminating") ?? {};
  if (reason !== "InstanceDeletionFailed" && reason !== "InstanceDeletionCheck") return undefined;
  return { message: textOf(message), isWait: reason === "InstanceDeletionCheck" };
}
