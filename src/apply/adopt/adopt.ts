import { fieldsOf } from "../../kube/fields.ts";
import type { KubeObject, ManagedFieldsEntry } from "../../kube/object.ts";
import { formatPointer } from "../../std/json-pointer.ts";
import type { Installer } from "../installer.ts";
import type { Adoption } from "../planned-object.ts";
import {
  commonFields,
  isEmptySet,
  otherFields,
  removeFields,
  splitFields,
  unionFields,
  type FieldSet,
} from "./field-set.ts";

/** Who takes over, and how much. */
export type AdoptOptions = {
  readonly installer: Installer;
  /** More field managers whose fields are taken over, by their exact names, whatever the operation. */
  readonly overrideManagers: readonly string[];
  /** Take over only fields that we apply ourselves, and remove no others. */
  readonly keepOthers: boolean;
};

/**
 * Fields that stay with their field manager: they block a deletion, tell a controller what to do with the object, or say that it must not be
 * touched. Without the `restartedAt` annotation, pods would be restarted once more.
 */
function neverTaken({ userAnnotations }: Installer): FieldSet {
  return {
    "f:status": {},
    "f:metadata": {
      "f:finalizers": {},
      "f:ownerReferences": {},
      "f:annotations": Object.fromEntries(userAnnotations.map((name) => [`f:${name}`, {}])),
    },
    "f:spec": {
      "f:suspend": {},
      "f:template": { "f:metadata": { "f:annotations": { "f:kubectl.kubernetes.io/restartedAt": {} } } },
    },
  };
}

/** Kinds whose other fields are not the installation's business: labels of a namespace configure meshes and policies. */
const sharedKinds: ReadonlySet<string> = new Set(["Namespace"]);

/**
 * How to take `live` over from its previous field managers, given what the API server makes of our apply to it (`answer`, of a dry-run). An
 * apply, even a forced one, only removes what its own manager has owned (kubernetes#99003), so their fields have to become ours first.
 * Undefined when there is nothing to take over.
 */
export function adopt(live: KubeObject, answer: KubeObject, options: AdoptOptions): Adoption | undefined {
  // An object without managedFields gets them with its first apply, and then `before-first-apply` owns all that it had.
  const entries = live.metadata.managedFields ?? answer.metadata.managedFields ?? [];
  const ours = ownFields(answer, options);
  const keepOthers = options.keepOthers || sharedKinds.has(live.kind);
  const shares = entries
    .filter((entry) => isTaken(entry, options))
    .map((entry) => shareOf(entry, keepOthers ? ours : undefined, options))
    .filter(({ taken }) => !isEmptySet(taken));
  const marks = staleMarks(live, ours, options);
  if (shares.length === 0 && marks.length === 0) return undefined;
  const managedFields = foldEntries(entries, shares, {
    apiVersion: answer.apiVersion,
    fieldManager: options.installer.fieldManager,
  });
  const taken = managedFields.find((entry) => isOwn(entry, options.installer))?.fieldsV1 ?? {};
  const kept = [ours, ...leftFields(answer, shares, options)];
  const { value, removed } = removeFields(withoutMarks(answer, marks), taken, kept);
  const managers = new Set(shares.map(({ entry }) => entry.manager ?? ""));
  return {
    operations: [
      ...marks.map(({ field, key }) => ({ op: "remove", path: formatPointer(["metadata", field, key]) })),
      ...(shares.length === 0 ? [] : [{ op: "add", path: "/metadata/managedFields", value: managedFields }]),
    ],
    managers: [...managers].filter((name) => name !== options.installer.fieldManager).toSorted(),
    removed: removed.toSorted(),
    after: { ...answer, ...fieldsOf(value) },
    remaining: (object) => removeFields(object, taken, kept).removed,
  };
}

/** Whether the installer has applied the object before. */
export function isApplied({ metadata }: KubeObject, installer: Pick<Installer, "fieldManager">): boolean {
  return (metadata.managedFields ?? []).some((entry) => isOwn(entry, installer));
}

type Share = { readonly entry: ManagedFieldsEntry; readonly taken: FieldSet; readonly left: FieldSet };

function isTaken({ manager = "", operation, subresource = "" }: ManagedFieldsEntry, options: AdoptOptions): boolean {
  if (subresource !== "") return false;
  // Our own patches: what an apply does not set is not desired.
  if (manager === options.installer.fieldManager) return operation === "Update";
  if (options.overrideManagers.includes(manager)) return true;
  return options.installer.previousManagers.some(
    ({ name, operation: only }) =>
      (typeof name === "string" ? name === manager : name.test(manager)) && (only === undefined || only === operation),
  );
}

function shareOf(entry: ManagedFieldsEntry, wanted: FieldSet | undefined, { installer }: AdoptOptions): Share {
  const fields = entry.fieldsV1 ?? {};
  if (wanted !== undefined) return { entry, taken: commonFields(fields, wanted), left: otherFields(fields, wanted) };
  const kept = neverTaken(installer);
  const { "f:spec": _, ...lasting } = kept;
  const { below, rest } = splitFields(fields, entry.manager === installer.fieldManager ? lasting : kept);
  return { entry, taken: rest, left: below };
}

/** One entry of ours with all that was taken over, at the API version of our apply; what was left to others stays theirs. */
function foldEntries(
  entries: readonly ManagedFieldsEntry[],
  shares: readonly Share[],
  own: { readonly apiVersion: string; readonly fieldManager: string },
): readonly ManagedFieldsEntry[] {
  const ours = entries.find((entry) => isOwn(entry, own));
  const fieldsV1 = shares.reduce((fields, { taken }) => unionFields(fields, taken), ours?.fieldsV1 ?? {});
  const others = entries.flatMap((entry) => {
    if (entry === ours) return [];
    const share = shares.find((candidate) => candidate.entry === entry);
    if (share === undefined) return [entry];
    return isEmptySet(share.left) ? [] : [{ ...entry, fieldsV1: share.left }];
  });
  if (isEmptySet(fieldsV1)) return others;
  const { apiVersion, fieldManager: manager } = own;
  const time = ours?.time ?? shares[0]?.entry.time;
  const folded = { manager, operation: "Apply", apiVersion, ...(time === undefined ? {} : { time }) };
  return [{ ...folded, fieldsType: "FieldsV1", fieldsV1 }, ...others];
}

function isOwn(entry: ManagedFieldsEntry, { fieldManager }: { readonly fieldManager: string }): boolean {
  return entry.manager === fieldManager && entry.operation === "Apply" && (entry.subresource ?? "") === "";
}

function ownFields({ metadata }: KubeObject, { installer }: AdoptOptions): FieldSet {
  return metadata.managedFields?.find((entry) => isOwn(entry, installer))?.fieldsV1 ?? {};
}

/** What is owned after our apply by field managers from which nothing is taken over, and what is left to the others. */
function leftFields(answer: KubeObject, shares: readonly Share[], options: AdoptOptions): readonly FieldSet[] {
  const others = (answer.metadata.managedFields ?? []).filter(
    (entry) => !isOwn(entry, options.installer) && !isTaken(entry, options),
  );
  return [...others.map(({ fieldsV1 = {} }) => fieldsV1), ...shares.map(({ left }) => left)];
}

type Mark = { readonly field: "annotations" | "labels"; readonly key: string };

/** The marks to remove. Those that the user's patches set stay. */
function staleMarks({ metadata }: KubeObject, ours: FieldSet, { installer }: AdoptOptions): readonly Mark[] {
  const marks: readonly Mark[] = [
    ...installer.staleMarks.annotations.map((key) => ({ field: "annotations", key }) as const),
    ...installer.staleMarks.labels.map((key) => ({ field: "labels", key }) as const),
  ];
  const wanted = fieldsOf(ours["f:metadata"]);
  return marks.filter(
    ({ field, key }) =>
      metadata[field]?.[key] !== undefined && fieldsOf(wanted[`f:${field}`])[`f:${key}`] === undefined,
  );
}

function withoutMarks(object: KubeObject, marks: readonly Mark[]): KubeObject {
  const without = (field: Mark["field"]): { readonly [key: string]: string } => {
    const stale = new Set(marks.filter((mark) => mark.field === field).map(({ key }) => key));
    return Object.fromEntries(Object.entries(object.metadata[field] ?? {}).filter(([key]) => !stale.has(key)));
  };
  if (marks.length === 0) return object;
  return {
    ...object,
    metadata: { ...object.metadata, labels: without("labels"), annotations: without("annotations") },
  };
}
