import { conditionTypes, reasons, type Reason } from "../../../api/reasons.ts";
import { requestLimit } from "../../../apply/request.ts";
import type { ApiClient } from "../../../client/api-client.ts";
import type { ConditionStatus } from "../../../kube/conditions.ts";
import { fieldsOf, listOf, textOf } from "../../../kube/fields.ts";
import { gvkOf } from "../../../kube/gvk.ts";
import { isBuiltInGroup, nameObject, objectIdOf } from "../../../kube/object-id.ts";
import type { KubeObject } from "../../../kube/object.ts";
import { readinessOf } from "../../../kube/readiness.ts";
import { mapConcurrent } from "../../../std/concurrent.ts";

/** The Synced condition, without its generation. */
export type SyncHealth = {
  readonly type: typeof conditionTypes.synced;
  readonly status: ConditionStatus;
  readonly reason: Reason;
  readonly message: string;
};

/** How often the sync objects are checked while they are not ready and no watch tells when they are. */
export const syncRecheckMs = 10_000;

/** Health of the sync source and the Kustomization among `objects`; undefined when there are none. It never affects Ready. Throws as ApiClient. */
export async function readSyncHealth(
  objects: readonly KubeObject[],
  { client }: { readonly client: Pick<ApiClient, "getOrUndefined"> },
  signal: AbortSignal,
): Promise<SyncHealth | undefined> {
  const wanted = objects.filter(({ apiVersion }) => !isBuiltInGroup(apiVersion));
  if (wanted.length === 0) return undefined;
  const verdicts = await mapConcurrent(wanted, requestLimit, async (object) =>
    judge(object, await client.getOrUndefined(gvkOf(object), objectIdOf(object), signal)),
  );
  const worst = severity.flatMap((reason) => verdicts.filter((verdict) => verdict.reason === reason))[0];
  const message = verdicts.map(({ text }) => text).join("; ");
  if (worst === undefined) return { ...condition("True", reasons.syncSucceeded), message };
  const status = worst.reason === reasons.syncProgressing ? "Unknown" : "False";
  return { ...condition(status, worst.reason), message };
}

const severity: readonly Reason[] = [reasons.syncFailed, reasons.syncSuspended, reasons.syncProgressing];

type SyncState = { readonly reason: Reason; readonly text: string };

function judge(wanted: KubeObject, live: KubeObject | undefined): SyncState {
  const name = nameObject(wanted);
  if (live === undefined) return { reason: reasons.syncFailed, text: `${name} is missing` };
  if (fieldsOf(live["spec"])["suspend"] === true)
    return { reason: reasons.syncSuspended, text: `${name} is suspended` };
  const readiness = readinessOf(live);
  if (readiness.status === "Current") return { reason: reasons.syncSucceeded, text: `${name} is ready` };
  const failed = readiness.status === "Failed" || isNotReady(live);
  const reason = failed ? reasons.syncFailed : reasons.syncProgressing;
  return { reason, text: `${name}: ${readiness.message}` };
}

/** Flux sets Ready to False when it has failed and retries. */
function isNotReady(live: KubeObject): boolean {
  return listOf(fieldsOf(live["status"])["conditions"])
    .map(fieldsOf)
    .some((entry) => textOf(entry["type"]) === "Ready" && textOf(entry["status"]) === "False");
}

function condition(status: ConditionStatus, reason: Reason): Omit<SyncHealth, "message"> {
  return { type: conditionTypes.synced, status, reason };
}
