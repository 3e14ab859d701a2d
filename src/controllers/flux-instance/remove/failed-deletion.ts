import { objectAnnotations, operatorName } from "../../../api/names.ts";
import type { ManagedObject } from "../../../apply/inventory.ts";
import { isConflict, isNotFound } from "../../../client/api-error.ts";
import { servedKind } from "../../../kube/definition.ts";
import { fieldsOf, listOf, textOf } from "../../../kube/fields.ts";
import type { KubeObject } from "../../../kube/object.ts";
import type { Clock } from "../../../std/clock.ts";
import type { World } from "../world.ts";
import { ownDefinition, resourcesOf, type CustomResourceDeps } from "./custom-resources.ts";

/** `isWait`: it has deleted the resources of a CRD, and some were still there a minute later. */
type DeletionFailure = { readonly message: string; readonly isWait: boolean };

/** Why the API server has given up, for now, to delete the resources of a CRD that is being deleted; undefined while it has not. */
export function deletionFailure(definition: KubeObject): DeletionFailure | undefined {
  const conditions = listOf(fieldsOf(definition["status"])["conditions"]).map(fieldsOf);
  const { reason, message } = conditions.find(({ type }) => type === "Terminating") ?? {};
  if (reason !== "InstanceDeletionFailed" && reason !== "InstanceDeletionCheck") return undefined;
  return { message: textOf(message), isWait: reason === "InstanceDeletionCheck" };
}

type RetryDeps = CustomResourceDeps & { readonly clock: Pick<Clock, "nowMs"> };

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
  const crd = await ownDefinition(definition, world, { client }, signal);
  const failure = crd === undefined ? undefined : deletionFailure(crd);
  if (crd === undefined || failure === undefined) return;
  const kind = servedKind(crd);
  // It would wait for them for another minute, and it waits for few CRDs at a time.
  if (failure.isWait && kind !== undefined && (await resourcesOf(kind, undefined, { client }, signal)).length > 0)
    return;
  const annotations = { [objectAnnotations.deletionRetriedAt]: new Date(clock.nowMs()).toISOString() };
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
