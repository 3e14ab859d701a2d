import { finalizer, operatorName } from "../../../api/names.ts";
import type { ApiClient } from "../../../client/api-client.ts";
import { gvkOf, type GroupVersionKind } from "../../../kube/gvk.ts";
import { keyOf } from "../../../kube/object-id.ts";
import type { KubeObject } from "../../../kube/object.ts";

type FinalizerClient = Pick<ApiClient, "patch" | "getOrUndefined">;

/** Whether the object has our finalizer. */
export function hasFinalizer({ metadata }: KubeObject): boolean {
  return metadata.finalizers?.includes(finalizer) === true;
}

/** Adds our finalizer to the instance, unless it is there already. Throws as ApiClient. */
export async function ensureFinalizer(
  instance: KubeObject,
  client: FinalizerClient,
  signal: AbortSignal,
): Promise<void> {
  if (hasFinalizer(instance)) return;
  const finalizers = [...(instance.metadata.finalizers ?? []), finalizer];
  await patchFinalizers({ gvk: gvkOf(instance), object: instance }, finalizers, client, signal);
}

/**
 * Removes our finalizer, so that the API server can delete the instance. Does nothing when the instance is gone or was recreated. Throws as
 * ApiClient.
 */
export async function removeFinalizer(
  instance: KubeObject,
  client: FinalizerClient,
  signal: AbortSignal,
): Promise<void> {
  const fresh = await client.getOrUndefined(gvkOf(instance), keyOf(instance), signal);
  if (fresh === undefined || fresh.metadata.uid !== instance.metadata.uid) return;
  const others = (fresh.metadata.finalizers ?? []).filter((name) => name !== finalizer);
  await patchFinalizers({ gvk: gvkOf(fresh), object: fresh }, others, client, signal);
}

/**
 * Replaces the finalizers of `object`. The resourceVersion makes sure that no finalizer is lost that another client adds at the same moment.
 * Throws as ApiClient.
 */
export async function patchFinalizers(
  { gvk, object }: { readonly gvk: GroupVersionKind; readonly object: KubeObject },
  finalizers: readonly string[],
  client: Pick<ApiClient, "patch">,
  signal: AbortSignal,
): Promise<void> {
  const { resourceVersion = "" } = object.metadata;
  const value = { metadata: { resourceVersion, finalizers } };
  await client.patch({ gvk, key: keyOf(object) }, { kind: "merge", value }, { fieldManager: operatorName }, signal);
}
