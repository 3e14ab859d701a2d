// Tests: test/integration/flux-instance.test.ts
import { operatorName } from "../../api/names.ts";
import { eventReasons, reasons } from "../../api/reasons.ts";
import type { ApiClient } from "../../client/api-client.ts";
import type { Outcome } from "../../runtime/controller.ts";
import { isHeld, leaseKind } from "../../runtime/lease.ts";
import type { Clock } from "../../std/clock.ts";
import type { Conclusion } from "./conclude/conclude.ts";
import { elsewhereStatus } from "./conclude/instance-status.ts";
import { hasFinalizer, removeFinalizer } from "./remove/finalizer.ts";
import type { World } from "./world.ts";

/** An instance in another namespace, and whether it is being deleted and needs no removal. */
export type Elsewhere = { readonly world: World; readonly conclusion: Conclusion; readonly isLetGo: boolean };

/** How often an instance of another operator is looked at, in case that operator is removed. */
const otherOperatorMs = 60_000;

/**
 * Tells an instance in another namespace that it has no effect, or takes our finalizer off it when it is let go. Where another operator leads, the
 * instance is that one's own, status and finalizer included, and is left alone. Throws as ApiClient.
 */
export async function leaveElsewhere(
  { world, conclusion, isLetGo }: Elsewhere,
  deps: { readonly client: Pick<ApiClient, "getOrUndefined" | "patch">; readonly clock: Pick<Clock, "nowMs"> },
  signal: AbortSignal,
): Promise<Outcome> {
  if (await isServedByAnother(world.key.namespace, deps, signal)) {
    conclusion.log.ended({ kind: "reconciled" });
    return { kind: "settled", recheckMs: otherOperatorMs };
  }
  if (isLetGo && hasFinalizer(world.instance)) {
    await removeFinalizer(world.instance, deps.client, signal);
    const message = `This FluxInstance in namespace ${world.key.namespace}, where no operator runs, is deleted; nothing else is`;
    conclusion.note({ type: "Normal", reason: eventReasons.uninstalled, message });
    conclusion.log.ended({ kind: "reconciled" });
    return { kind: "settled" };
  }
  const isNews = await conclusion.write(elsewhereStatus(world, conclusion.nowIso), signal);
  if (isNews) conclusion.log.noted("This FluxInstance is not in the operator's namespace", reasons.wrongNamespace);
  conclusion.log.ended({ kind: "reconciled" });
  return { kind: "settled" };
}

/** Whether ours or the Go operator leads in `namespace`: it holds the lease there. */
async function isServedByAnother(
  namespace: string,
  { client, clock }: { readonly client: Pick<ApiClient, "getOrUndefined">; readonly clock: Pick<Clock, "nowMs"> },
  signal: AbortSignal,
): Promise<boolean> {
  const lease = await client.getOrUndefined(leaseKind, { namespace, name: operatorName }, signal);
  return lease !== undefined && isHeld(lease, clock.nowMs());
}
