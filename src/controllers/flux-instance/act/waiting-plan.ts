// Tests: test/integration/upgrade-policy.test.ts
import { inventoryOf, staleObjects, type InventoryEntry } from "../../../apply/inventory.ts";
import { planApply, PlanError, type PlanDeps } from "../../../apply/plan/plan-apply.ts";
import type { ApiClient } from "../../../client/api-client.ts";
import type { Hold } from "../decision.ts";
import { planOf, type Plan } from "../plan.ts";
import type { World } from "../world.ts";
import { foreseeMigration } from "./migration.ts";

/** The plan of an upgrade that waits. */
export type WaitingPlan = {
  readonly plan: Plan;
  /** Why the API server refuses what waits. */
  readonly refusal?: string;
};

/** A client that reads and dry-runs. The ledger is read and not changed. */
export type WaitingPlanDeps = PlanDeps & { readonly client: Pick<ApiClient, "listPage"> };

/**
 * The plan of an upgrade that waits; `inventory` is what runs. The API server is asked once for each revision, since the plan in status stays
 * valid; a refused plan is asked about again. Writes nothing. Throws as ApiClient.
 */
export async function planWaiting(
  { waiting: { rendering }, from }: Hold,
  { world, inventory }: { readonly world: World; readonly inventory: readonly InventoryEntry[] },
  deps: WaitingPlanDeps,
  signal: AbortSignal,
): Promise<WaitingPlan> {
  const { plan: known } = world.recorded;
  const isKnown = known?.revision === rendering.revision && known.from === from && known.startedAt === undefined;
  if (isKnown && known.added !== undefined) return { plan: known };
  try {
    const planned = await planApply(rendering, world.live, { ...deps, ledger: readOnly(deps.ledger) }, signal);
    const outlook = await foreseeMigration(planned, deps, signal);
    const stale = staleObjects(inventory, inventoryOf(rendering.objects));
    return { plan: planOf(rendering, from, { planned, stale, ...outlook }) };
  } catch (error) {
    if (!(error instanceof PlanError)) throw error;
    return { plan: planOf(rendering, from), refusal: error.message };
  }
}

/** The ledger must not record what waits as what is desired now. */
function readOnly(ledger: PlanDeps["ledger"]): PlanDeps["ledger"] {
  return {
    isUnchanged: (desired, live) => ledger.isUnchanged(desired, live),
    isPaused: (desired) => ledger.isPaused(desired),
    record: () => undefined,
  };
}
