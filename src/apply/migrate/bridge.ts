import { type DefinedKind, definedKind, versionsOf, storedAs, nameOf } from "../../kube/definition.ts";
import { fieldsOf } from "../../kube/fields.ts";
import { parseApiVersion } from "../../kube/gvk.ts";
import type { JsonObject, KubeObject, ManagedFieldsEntry } from "../../kube/object.ts";
import { unionFields } from "../adopt/field-set.ts";
import type { Installer } from "../installer.ts";

/**
 * How to get from a live CRD to one that has fewer versions: apply the bridge, if there is one; bring the objects of `kind` to its storage
 * version; then apply the desired CRD.
 */
export type Migration = {
  /** As the desired CRD has it. */
  readonly kind: DefinedKind;
  /**
   * A CRD with the live versions and the new ones, and the storage version of the desired CRD. Absent when objects can be moved with the live
   * CRD.
   */
  readonly bridge?: KubeObject;
  /**
   * Stored versions that are dropped: the API server refuses the desired CRD while objects may be stored in them. When empty, only
   * managedFields name dropped versions.
   */
  readonly droppedStored: readonly string[];
};

/** How to get from the CRD `live` to `desired`; undefined when `desired` keeps every version of `live`. */
export function migrationOf(live: KubeObject, desired: KubeObject): Migration | undefined {
  const kind = definedKind(desired);
  const before = definedKind(live);
  const isDropped = (version: string): boolean => !kind.versions.includes(version);
  const droppedStored = before.stored.filter(isDropped);
  if (droppedStored.length === 0 && !before.versions.some(isDropped)) return undefined;
  const moves = droppedStored.length > 0 && before.storage !== kind.storage;
  const isServed = versionsOf(live).some((version) => nameOf(version) === kind.storage && version["served"] === true);
  return moves || !isServed ? { kind, droppedStored, bridge: bridgeOf(live, desired) } : { kind, droppedStored };
}

/**
 * `desired` with the live versions as they are, so that their clients keep working, and those of its own that are new. The storage version is
 * that of `desired`, and is served, so that objects can be written in it.
 */
function bridgeOf(live: KubeObject, desired: KubeObject): KubeObject {
  const kept = versionsOf(live);
  const known = new Set(kept.map(nameOf));
  const { storage } = definedKind(desired);
  const fresh = versionsOf(desired).filter((version) => !known.has(nameOf(version)));
  const versions = [...fresh, ...kept].map((version) => storedIf(nameOf(version) === storage, version));
  return { ...desired, spec: { ...fieldsOf(desired["spec"]), versions } };
}

function storedIf(storage: boolean, version: JsonObject): JsonObject {
  return { ...version, storage, served: storage || version["served"] === true };
}

/** An empty list would leave managedFields as they are. Source: Kubernetes, "Clearing managedFields". */
const cleared: readonly ManagedFieldsEntry[] = [{}];

/**
 * Entries at versions that `kind` no longer has are rewritten to its storage version: one such entry, of any field manager, makes every later
 * server-side apply of the object fail (kubernetes#111937). Two entries that become one keep the fields of both. `migrationManager` gives up
 * what it got for the defaults of a new version, or the next client to apply them would get a conflict. Undefined when there is nothing to
 * rewrite.
 */
export function rewriteManagedFields(
  entries: readonly ManagedFieldsEntry[],
  kind: DefinedKind,
  { migrationManager }: Pick<Installer, "migrationManager">,
): readonly ManagedFieldsEntry[] | undefined {
  if (!entries.some((entry) => isStray(entry, kind) || entry.manager === migrationManager)) return undefined;
  const byManager = new Map<string, ManagedFieldsEntry>();
  for (const old of entries) {
    if (old.manager === migrationManager) continue;
    const entry = isStray(old, kind) ? { ...old, apiVersion: storedAs(kind) } : old;
    const same = byManager.get(managerKey(entry));
    byManager.set(managerKey(entry), same === undefined ? entry : mergeEntries(same, entry));
  }
  return byManager.size === 0 ? cleared : [...byManager.values()];
}

function isStray({ apiVersion = "" }: ManagedFieldsEntry, kind: DefinedKind): boolean {
  const { group, version } = parseApiVersion(apiVersion);
  return group === kind.group && !kind.versions.includes(version);
}

/** Entries of one key overwrite each other in the API server. Source: structured-merge-diff managers, BuildManagerIdentifier. */
function managerKey({ manager = "", operation = "", apiVersion = "", subresource = "" }: ManagedFieldsEntry): string {
  return JSON.stringify([manager, operation, operation === "Apply" ? "" : apiVersion, subresource]);
}

function mergeEntries(left: ManagedFieldsEntry, right: ManagedFieldsEntry): ManagedFieldsEntry {
  const newest = (left.time ?? "") > (right.time ?? "") ? left : right;
  return { ...newest, fieldsV1: unionFields(left.fieldsV1 ?? {}, right.fieldsV1 ?? {}) };
}
