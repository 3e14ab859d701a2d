// Tests: src/controllers/flux-instance/remove/uninstall.test.ts
import type { ApiClient } from "../../client/api-client.ts";
import { formatApiVersion, groupKindKey } from "../../kube/gvk.ts";
import { isBuiltInGroup } from "../../kube/object-id.ts";
import { mapConcurrent } from "../../std/concurrent.ts";
import type { ManagedObject } from "../inventory.ts";
import { requestLimit } from "../request.ts";

/**
 * `objects` at versions that the API server serves. A version that an inventory has recorded may have been dropped from its CRD since, and at
 * such a version a living object looks like one that is deleted. Unchanged when no version of the kind is served: then no object of it exists.
 * Throws as ApiClient.
 */
export async function atServedVersions(
  objects: readonly ManagedObject[],
  { client: { discovery } }: { readonly client: Pick<ApiClient, "discovery"> },
  signal: AbortSignal,
): Promise<readonly ManagedObject[]> {
  const custom = objects.filter((object) => !isBuiltInGroup(formatApiVersion(object)));
  for (const group of new Set(custom.map((object) => object.group))) discovery.invalidate(group);
  const kinds = Map.groupBy(custom, versionedKind);
  const served = new Map<string, string>();
  await mapConcurrent([...kinds], requestLimit, async ([key, [first]]) => {
    if (first === undefined) return;
    const kind = { group: first.group, version: first.version, kind: first.kind };
    const found = (await discovery.find(kind, signal)) ?? (await discovery.findPreferred(kind, signal));
    if (found !== undefined) served.set(key, found.version);
  });
  return objects.map((object) => ({ ...object, version: served.get(versionedKind(object)) ?? object.version }));
}

function versionedKind(object: ManagedObject): string {
  return `${groupKindKey(object)} ${object.version}`;
}
