import type { KubeObject, ManagedFieldsEntry } from "../../../src/kube/object.ts";
import {
  compareAll,
  compareFields,
  fieldsOfValue,
  formatFields,
  mergeApplied,
  parseFields,
  removeFields,
  withParents,
  type FieldSet,
} from "./field-set.ts";
import type { MergeType } from "./list-types.ts";

/** Who writes, and how. */
export type Writer = {
  readonly manager: string;
  readonly operation: "Apply" | "Update";
  readonly apiVersion: string;
  readonly subresource?: string;
};

type Owned = Writer & { readonly time: string; readonly fields: FieldSet };

/** Fields of another manager that an apply would take without force. */
export type ManagerConflict = { readonly manager: string; readonly path: string };

/** What nobody owns. Source: apimachinery managedfields/internal/stripmeta.go. */
const unowned: FieldSet = new Set(
  [
    ["f:apiVersion"],
    ["f:kind"],
    ["f:metadata"],
    ...[
      "name",
      "namespace",
      "creationTimestamp",
      "selfLink",
      "uid",
      "generation",
      "managedFields",
      "resourceVersion",
    ].map((name) => ["f:metadata", `f:${name}`]),
  ].map((elements) => elements.join("\u0001")),
);
/** What an apply or a write by this subresource cannot change, and so does not own. */
export type Ownable = (path: string) => boolean;

function strip(fields: FieldSet, ownable: Ownable): FieldSet {
  return new Set([...fields].filter((path) => !isUnowned(path) && ownable(path)));
}

function isUnowned(path: string): boolean {
  return (
    unowned.has(path) ||
    path.startsWith("f:metadata\u0001f:managedFields") ||
    path.startsWith("f:metadata\u0001f:deletion")
  );
}

type Update = {
  readonly writer: Writer;
  readonly type: MergeType;
  readonly time: string;
  readonly ownable: Ownable;
  readonly isCustom: boolean;
};

/** The object after a write by `writer`, with its managers. `ownable` says which fields the writer can own. */
export function afterUpdate(
  live: KubeObject | undefined,
  next: KubeObject,
  { writer, type, time, ownable, isCustom }: Update,
): KubeObject {
  const managers = readManagers(next);
  const { changed, removed } = compareAll(withoutManagers(live ?? empty(next)), withoutManagers(next), type, isCustom);
  const mine = managers.get(idOf(writer))?.fields ?? new Set<string>();
  const gone = new Set([...changed, ...removed]);
  for (const [id, owned] of managers) {
    if (id !== idOf(writer)) managers.set(id, { ...owned, fields: without(owned.fields, gone) });
  }
  const fields = without(new Set([...mine, ...strip(changed, ownable)]), removed);
  managers.set(idOf(writer), { ...writer, time, fields });
  return withManagers(next, managers, live);
}

export type Applied = { readonly object: KubeObject } | { readonly conflicts: readonly ManagerConflict[] };

/** The object after a server-side apply of `config`. */
export function afterApply(
  live: KubeObject | undefined,
  config: KubeObject,
  options: { writer: Writer; type: MergeType; time: string; ownable: Ownable; force: boolean },
): Applied {
  const { writer, type, time, ownable, force } = options;
  const managers = live === undefined ? new Map<string, Owned>() : readManagers(live);
  const base = live ?? empty(config);
  if (live !== undefined && managers.size === 0) {
    const fields = strip(fieldsOfValue(withoutManagers(live), type), () => true);
    const first = { manager: "before-first-apply", operation: "Update", apiVersion: live.apiVersion } as const;
    managers.set(idOf(first), { ...first, time, fields });
  }
  const before = managers.get(idOf(writer))?.fields ?? new Set<string>();
  const fields = strip(fieldsOfValue(config, type), ownable);
  managers.set(idOf(writer), { ...writer, time, fields });
  const merged = mergeApplied(withoutManagers(base), config, type) as KubeObject;
  const owned = withParents([...managers.values()].flatMap(({ fields }) => Array.from(fields)));
  const pruned = removeFields(merged, type, without(withParents(before), owned)) as KubeObject;
  const { changed, removed } = compareFields(withoutManagers(base), pruned, type);
  const conflicts = [...managers].flatMap(([id, one]) =>
    id === idOf(writer)
      ? []
      : [...one.fields].filter((path) => changed.has(path)).map((path) => ({ manager: one.manager, path })),
  );
  if (conflicts.length > 0 && !force) return { conflicts };
  const gone = new Set([...changed, ...removed]);
  for (const [id, one] of managers) {
    if (id !== idOf(writer)) managers.set(id, { ...one, fields: without(one.fields, gone) });
  }
  const kept = { ...pruned, metadata: { ...pruned.metadata, managedFields: live?.metadata.managedFields ?? [] } };
  return { object: withManagers(kept, managers, live) };
}

function without(fields: FieldSet, gone: FieldSet): FieldSet {
  return gone.size === 0 ? fields : new Set([...fields].filter((path) => !gone.has(path)));
}

function empty({ apiVersion, kind, metadata: { name, namespace } }: KubeObject): KubeObject {
  return { apiVersion, kind, metadata: { name, ...(namespace === undefined ? {} : { namespace }) } };
}

export function withoutManagers(object: KubeObject): KubeObject {
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}

function idOf({ manager, operation, apiVersion, subresource = "" }: Writer): string {
  return [operation, manager, operation === "Update" ? apiVersion : "", subresource].join("\u0001");
}

function readManagers({ metadata }: KubeObject): Map<string, Owned> {
  return new Map((metadata.managedFields ?? []).map(readEntry).map((owned) => [idOf(owned), owned]));
}

function readEntry(entry: ManagedFieldsEntry): Owned {
  const { manager = "", operation, apiVersion = "", subresource, time = "", fieldsV1 } = entry;
  return {
    manager,
    operation: operation === "Apply" ? "Apply" : "Update",
    apiVersion,
    time,
    fields: parseFields(fieldsV1),
    ...(subresource === undefined ? {} : { subresource }),
  };
}

/** Entries that have not changed keep their time; the order is that of Kubernetes: applies first, then by time. */
function withManagers(
  object: KubeObject,
  managers: ReadonlyMap<string, Owned>,
  live: KubeObject | undefined,
): KubeObject {
  const old = new Map((live?.metadata.managedFields ?? []).map((entry) => [idOf(readEntry(entry)), entry]));
  const entries = [...managers].flatMap(([id, { fields, ...owned }]): readonly ManagedFieldsEntry[] => {
    if (fields.size === 0) return [];
    const fieldsV1 = formatFields(fields);
    const was = old.get(id);
    const isSame =
      was !== undefined && was.apiVersion === owned.apiVersion && sameFields(parseFields(was.fieldsV1), fields);
    return [{ ...owned, time: isSame ? (was.time ?? owned.time) : owned.time, fieldsType: "FieldsV1", fieldsV1 }];
  });
  const sorted = entries.toSorted((left, right) => rank(left).localeCompare(rank(right)));
  const { managedFields: _, ...metadata } = object.metadata;
  if (sorted.length === 0) return { ...object, metadata };
  return {
    ...object,
    metadata: { ...metadata, managedFields: sorted },
  };
}

function sameFields(left: FieldSet, right: FieldSet): boolean {
  return left.size === right.size && [...left].every((path) => right.has(path));
}

function rank({ operation = "", time = "", manager = "" }: ManagedFieldsEntry): string {
  return `${operation}\u0001${time}\u0001${manager}`;
}
