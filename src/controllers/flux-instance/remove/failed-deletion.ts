import { objectAnnotations, operatorName } from "../../../api/names.ts";
import type { ManagedObject } from "../../../apply/inventory.ts";
import { isConflict, isNotFound } from "../../../client/api-error.ts";
import { deletionFailure, servedKind } from "../../../kube/definition.ts";
import { microTimestamp, type Clock } from "../../../std/clock.ts";
import type { World } from "../world.ts";
import { ourDefinition, resourcesOf, type CustomResourceDeps } from "./custom-resources.ts";

type RetryDeps = CustomResourceDeps & { readonly clock: Clock };

/**
 * Has the API server finish a CRD of ours whose resources it has failed to delete. By itself it tries again after pauses of up to 16 minutes, or 5
 * minutes later where it takes the conflict with its own last write for the end of its work; but it tries at once when the CRD is changed
 * (apiextensions-apiserver, pkg/controller/finalizer/crd_finalizer.go). Throws as ApiClient.
 */
export async function retryDeletion(
  definition: ManagedObject,
  world: World,
  { client, clock }: RetryDeps,
  signal: AbortSignal,
): Promise<void> {
  const crd = await ourDefinition(definition, world, { client }, signal);
  const failure = crd === undefined ? undefined : deletionFailure(crd);
  if (crd === undefined || failure === undefined) return;
  const kind = servedKind(crd);
  // It would wait for them for another minute, and it waits for few CRDs at a time.
  if (failure.isWait && kind !== undefined && (await resourcesOf(kind, undefined, { client }, signal)).length > 0)
    return;
  const annotations = { [objectAnnotations.deletionRetriedAt]: microTimestamp(clock) };
  const { uid = "", resourceVersion = "" } = crd.metadata;
  const value = { metadata: { uid, resourceVersion, annotations } };
  try {
    const target = { gvk: definition, key: definition };
    await client.patch(target, { kind: "merge", value }, { fieldManager: operatorName }, signal);
  } catch (error) {
    // Whoever has changed it has done as well.
    if (!isConflict(error) && !isNotFound(error)) throw error;
  }
}
