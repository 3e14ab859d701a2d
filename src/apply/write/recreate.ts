import type { ApiClient } from "../../client/api-client.ts";
import { type ApiError, isConflict } from "../../client/api-error.ts";
import { groupKindKey, gvkOf, type GroupKind } from "../../kube/gvk.ts";
import { nameObject, keyOf } from "../../kube/object-id.ts";
import type { KubeObject } from "../../kube/object.ts";
import type { Clock } from "../../std/clock.ts";
import { isApplied } from "../adopt/adopt.ts";
import { ApplyError } from "../apply-error.ts";
import type { Installer } from "../installer.ts";

/** Immutable fields of kinds whose deletion loses nothing. CRDs, namespaces and claims are not here, and must never be. */
const immutableFields: { readonly [groupKind: string]: string } = {
  "Deployment.apps": "spec.selector",
  "ClusterRoleBinding.rbac.authorization.k8s.io": "roleRef",
  "RoleBinding.rbac.authorization.k8s.io": "roleRef",
};

/**
 * Whether an object that we have never applied can only become ours by being recreated. Other faults may come from the mixture of the two:
 * `dryRunRecreation` shows what is wrong with ours alone.
 */
export function mustRecreate(
  live: KubeObject,
  { status, causes }: ApiError,
  installer: Pick<Installer, "fieldManager">,
): boolean {
  const field = immutableFields[groupKindKey(gvkOf(live))];
  if (field === undefined || status !== 422 || isApplied(live, installer)) return false;
  return causes.some((cause) => cause.field === field);
}

/** Whether `dryRunRecreation` may be asked about objects of the kind. */
export function isRecreatable(kind: GroupKind): boolean {
  return immutableFields[groupKindKey(kind)] !== undefined;
}

/** The name under which `dryRunRecreation` tries the object `name`. */
export function trialName(name: string, { fieldManager }: Pick<Installer, "fieldManager">): string {
  return `${name.slice(0, 40)}${fieldManager}`;
}

/** Dry-runs `object` under another name, to find faults other than the immutable field. Throws as ApiClient. */
export async function dryRunRecreation(
  object: KubeObject,
  {
    client,
    installer,
  }: { readonly client: Pick<ApiClient, "apply">; readonly installer: Pick<Installer, "fieldManager"> },
  signal: AbortSignal,
): Promise<void> {
  const { metadata } = object;
  const { fieldManager } = installer;
  const other = { ...object, metadata: { ...metadata, name: trialName(metadata.name, installer) } };
  await client.apply(other, { fieldManager, dryRun: true }, signal);
}

/** A client that deletes, and reads until the object is gone. */
export type RecreateDeps = { readonly client: Pick<ApiClient, "getOrUndefined" | "delete">; readonly clock: Clock };

const pollMs = 150;

/**
 * Deletes `live`, and resolves when it is gone with all that it owns: pods of the old Deployment must not run beside those of the new one.
 * Throws ApplyError when it is still there after `timeoutMs`, or when another client has recreated it.
 */
export async function deleteForRecreation(
  live: KubeObject,
  timeoutMs: number,
  { client, clock }: RecreateDeps,
  signal: AbortSignal,
): Promise<void> {
  const [gvk, key, startMs] = [gvkOf(live), keyOf(live), clock.monotonicMs()];
  const { uid } = live.metadata;
  try {
    const options = { propagationPolicy: "Foreground", ...(uid === undefined ? {} : { uid }) } as const;
    await client.delete({ gvk, key }, options, signal);
  } catch (error) {
    // Another object has this name by now; the next plan looks at that.
    if (!isConflict(error)) throw error;
    throw notRecreated(live, "another client has recreated it meanwhile", error);
  }
  for (;;) {
    const left = await client.getOrUndefined(gvk, key, signal);
    if (left === undefined || left.metadata.uid !== uid) return;
    if (clock.monotonicMs() - startMs >= timeoutMs) {
      const held = (left.metadata.finalizers ?? []).join(", ");
      throw notRecreated(live, `it is being deleted, and held by ${held === "" ? "its pods" : held}`);
    }
    await clock.sleep(pollMs, signal);
  }
}

function notRecreated(object: KubeObject, why: string, cause?: unknown): ApplyError {
  return new ApplyError({
    reason: "ReconciliationFailed",
    retry: "backoff",
    message: `Cannot delete ${nameObject(object)} to recreate it: ${why}`,
    cause,
  });
}
