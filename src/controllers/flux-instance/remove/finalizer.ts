import { finalizer, operatorName } from "../../../api/names.ts";
import type { ApiClient } from "../../../client/api-client.ts";
import { gvkOf } from "../../../kube/gvk.ts";
import type { KubeObject } from "../../../kube/object.ts";

type FinalizerClient = Pick<ApiClient, "patch" | "getOrUndefined">;

export function hasFinalizer({ metadata }: KubeObject): boolean {
  return metadata.finalizers?.includes(finalizer) === true;
}

export async function ensureFinalizer(
  instance: KubeObject,
  client: FinalizerClient,
  signal: AbortSignal,
): Promise<void> {
  if (hasFinalizer(instance)) return;
  await patchFinalizers(instance, [...(instance.metadata.finalizers ?? []), finalizer], client, signal);
}

/** Lets the instance go. One that is gone, or was created anew since, is let be. */
export async function removeFinalizer(
  instance: KubeObject,
  client: FinalizerClient,
  signal: AbortSignal,
): Promise<void> {
  const key = { namespace: instance.metadata.namespace ?? "", name: instance.metadata.name };
  const fresh = await client.getOrUndefined(gvkOf(instance), key, signal);
  if (fresh === undefined || fresh.metadata.uid !== instance.metadata.uid) return;
  const others = (fresh.metadata.finalizers ?? []).filter((name) => name !== finalizer);
  await patchFinalizers(fresh, others, client, signal);
}

/** The resourceVersion makes sure that no finalizer is lost that somebody adds at the same moment. */
async function patchFinalizers(
  instance: KubeObject,
  finalizers: readonly string[],
  client: FinalizerClient,
  signal: AbortSignal,
): Promise<void> {
  const { namespace = "", name, resourceVersion = "" } = instance.metadata;
  const ref = { gvk: gvkOf(instance), key: { namespace, name } };
  const value = { metadata: { resourceVersion, finalizers } };
  await client.patch(ref, { kind: "merge", value }, { fieldManager: operatorName }, signal);
}
