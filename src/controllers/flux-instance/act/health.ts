// Tests: test/integration/rollback.test.ts, test/integration/drift.test.ts
import { formatUnready, type Unready } from "../../../apply/health/health-board.ts";
import { waitUntilReady, type WaitDeps, type WaitOptions, type WaitResult } from "../../../apply/health/wait.ts";
import { objectIdOf } from "../../../kube/object-id.ts";
import type { KubeObject } from "../../../kube/object.ts";
import { readinessOf } from "../../../kube/readiness.ts";
import type { Target } from "../../../render/target.ts";
import { UnreachableError } from "../../../std/errors.ts";
import type { LiveIndex } from "../wake/live-index.ts";
import { DriftedError, HealthError, interrupted } from "./act-error.ts";

/**
 * Verifies health when nothing was written: it is read from the watch, and only unhealthy Deployments are waited for. Throws as
 * `throwUnlessHealthy`.
 */
export async function verifyHealth(
  { spec, rendering }: Target,
  wait: WaitOptions,
  deps: WaitDeps & { readonly liveIndex: Pick<LiveIndex, "deployment"> },
  signal: AbortSignal,
): Promise<void> {
  if (!spec.wait) return;
  const ill = rendering.objects.filter((object) => object.kind === "Deployment" && !isHealthy(object, deps.liveIndex));
  if (ill.length > 0) throwUnlessHealthy(await waitUntilReady(ill, wait, deps, signal));
}

function isHealthy(object: KubeObject, liveIndex: Pick<LiveIndex, "deployment">): boolean {
  const live = liveIndex.deployment(objectIdOf(object));
  return live !== undefined && readinessOf(live).status === "Current";
}

/** Throws HealthError, DriftedError or InterruptedError for a wait that did not end with all objects ready. */
export function throwUnlessHealthy(result: WaitResult): void {
  switch (result.kind) {
    case "ready":
      return;
    case "failed":
      throw unhealthy(result.unready, "will not become ready");
    case "timeout":
      throw unhealthy(result.unready, "not ready in time");
    case "drifted":
      throw new DriftedError({
        reason: "ReconciliationFailed",
        retry: "backoff",
        message: `Stopped waiting for health, to repair drift: ${formatUnready(result.unready)}`,
      });
    case "interrupted":
      throw interrupted();
    default:
      throw new UnreachableError(result);
  }
}

function unhealthy(unready: readonly Unready[], what: string): HealthError {
  return new HealthError({
    reason: "HealthCheckFailed",
    retry: "backoff",
    message: `${unready.length} ${unready.length === 1 ? "object" : "objects"} ${what}: ${formatUnready(unready)}`,
  });
}
