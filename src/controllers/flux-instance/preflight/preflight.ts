import { planApply, PlanError, type PlanDeps } from "../../../apply/plan/plan-apply.ts";
import type { PlannedObject } from "../../../apply/planned-object.ts";
import { requestLimit } from "../../../apply/request.ts";
import { ApiError, isForbidden } from "../../../client/api-error.ts";
import type { Target } from "../../../render/target.ts";
import { mapConcurrent } from "../../../std/concurrent.ts";
import { ReasonedError } from "../../../std/errors.ts";
import type { World } from "../world.ts";
import { checks, type PreflightClient } from "./checks.ts";
import { warn, type Finding, type Subject } from "./subject.ts";

/** The preflight checks refuse the plan. Nothing has been written. */
export class PreflightError extends ReasonedError {}

/** A client that reads and dry-runs, and the ledger that spares unchanged objects the dry-run. */
export type PreflightDeps = PlanDeps & { readonly client: PlanDeps["client"] & PreflightClient };

/** What is checked. `isChecked`: the checks were made in this reconcile already, and are not repeated. */
export type Checked = { readonly target: Target; readonly world: World; readonly isChecked?: boolean };

/**
 * The plan by dry-run and, before an install or upgrade, the checks for what a dry-run cannot show. A settle skips them, unless it has warnings
 * to clear. `report` gets the warnings; an empty list clears older ones. Throws PreflightError before PlanError, since it is often the cause of
 * that.
 */
export async function planChecked(
  { target, world, isChecked = false }: Checked,
  report: (warnings: readonly string[]) => void,
  deps: PreflightDeps,
  signal: AbortSignal,
): Promise<readonly PlannedObject[]> {
  const plan = planApply(target.rendering, world.live, deps, signal);
  const begins = world.recorded.lastAppliedRevision !== target.rendering.revision;
  if (isChecked || (!begins && world.recorded.warnings === undefined)) return await plan;
  const [outcome] = await Promise.allSettled([plan]);
  signal.throwIfAborted();
  const planned = outcome.status === "fulfilled" ? outcome.value : [];
  const isForbiddenPlan = outcome.status === "rejected" && isLackOfRights(outcome.reason);
  const findings = await check({ target, world, planned, isForbidden: isForbiddenPlan }, deps.client, signal);
  report(textsOf(findings, "warn"));
  const refusals = textsOf(findings, "refuse");
  if (begins && refusals.length > 0) throw refused(refusals, target);
  return await plan;
}

function isLackOfRights(reason: unknown): boolean {
  return reason instanceof PlanError && reason.cause instanceof ApiError && isForbidden(reason.cause);
}

async function check(subject: Subject, client: PreflightClient, signal: AbortSignal): Promise<readonly Finding[]> {
  const needed = checks.filter(({ when }) => when(subject));
  const findings = await mapConcurrent(needed, requestLimit, async ({ name, check: run }) => {
    try {
      return await run(subject, client, signal);
    } catch (error) {
      if (!(error instanceof ApiError) || !isForbidden(error)) throw error;
      return [warn(`could not check ${name}: ${error.statusMessage}`)];
    }
  });
  return findings.flat();
}

function textsOf(findings: readonly Finding[], kind: Finding["kind"]): readonly string[] {
  return findings.filter((finding) => finding.kind === kind).map(({ text }) => text);
}

function refused(reasons: readonly string[], { rendering }: Target): PreflightError {
  return new PreflightError({
    reason: "PreflightFailed",
    retry: "backoff",
    message: `Cannot apply Flux ${rendering.version}: ${reasons.join("; ")}; nothing was changed`,
  });
}
