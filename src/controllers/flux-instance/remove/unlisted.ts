import { objectAnnotations, ownerOf } from "../../../api/names.ts";
import type { ManagedObject } from "../../../apply/inventory.ts";
import { isKept, isOwned } from "../../../apply/ownership.ts";
import { requestLimit } from "../../../apply/request.ts";
import type { ApiClient } from "../../../client/api-client.ts";
import { formatObjectId, nameObject, objectIdOf } from "../../../kube/object-id.ts";
import type { KubeObject } from "../../../kube/object.ts";
import { mapConcurrent } from "../../../std/concurrent.ts";
import { ReasonedError } from "../../../std/errors.ts";
import { enumerate } from "../../../std/shorten.ts";
import { managedKinds, type ManagedKind } from "../managed-kinds.ts";
import { ownerSelector, type World } from "../world.ts";

/** The instance owns objects that its inventory does not list. Nothing has been written. */
export class UnlistedError extends ReasonedError {}

/** What the inventory lists, and which objects the deletion policy deletes. */
export type Listed = {
  readonly objects: readonly ManagedObject[];
  readonly goes: (kind: Pick<ManagedObject, "group" | "version" | "kind">) => boolean;
};

const namedAtMost = 3;

/**
 * Refuses a removal that would leave objects of the instance behind, since its inventory lacks them: the status was lost or cut, or a Go
 * operator was interrupted, which writes the new inventory before it deletes. They are named and never deleted, since others can write the
 * labels too. Throws UnlistedError, and as ApiClient.
 */
export async function refuseUnlisted(
  { objects, goes }: Listed,
  world: World,
  { client }: { readonly client: Pick<ApiClient, "list"> },
  signal: AbortSignal,
): Promise<void> {
  const listed = new Set(objects.map(formatObjectId));
  const found = await mapConcurrent(managedKinds.filter(goes), requestLimit, async (kind) =>
    (await ownedOf(kind, world, client, signal)).filter((object) => !listed.has(formatObjectId(objectIdOf(object)))),
  );
  const names = found.flat().map(nameObject).toSorted();
  if (names.length === 0) return;
  const message = `Cannot remove all of Flux: not in the inventory of this instance, but with its labels: ${enumerate(names, namedAtMost)}`;
  throw new UnlistedError({ reason: "ReconciliationFailed", retry: "backoff", message: `${message}; ${advice}` });
}

const advice =
  "to have them removed, set spec.deletionPolicy to Orphan, create the FluxInstance again, and delete it when it is Ready; what is still named then, delete yourself";

/** What would be left of a kind: not what is being deleted or what the user keeps. */
async function ownedOf(
  kind: ManagedKind,
  world: World,
  client: Pick<ApiClient, "list">,
  signal: AbortSignal,
): Promise<readonly KubeObject[]> {
  const { key } = world;
  const selection = { labelSelector: ownerSelector(key), metadataOnly: true };
  const place = kind.namespaced ? { namespace: key.namespace } : {};
  const { items } = await client.list(kind, { ...selection, ...place }, signal);
  return items.filter(
    (object) =>
      isOwned(object, ownerOf(key)) &&
      object.metadata.deletionTimestamp === undefined &&
      !isKept(object, objectAnnotations.prune) &&
      (kind.kind !== "Namespace" || object.metadata.name === key.namespace),
  );
}
