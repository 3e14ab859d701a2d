import { readAnnotations } from "../api/annotations.ts";
import { conditionTypes } from "../api/reasons.ts";
import { readStatus } from "../controllers/flux-instance/status.ts";
import { findCondition } from "../kube/conditions.ts";
import { keyOf } from "../kube/object-id.ts";
import type { KubeObject, ObjectKey } from "../kube/object.ts";
import type { Informer } from "../runtime/informer.ts";
import type { ValueMetric } from "../runtime/metrics.ts";
import type { Clock } from "../std/clock.ts";
import { instanceLabels, type InstanceLabel } from "./instance-metric.ts";

/** When reconciles ended in this process. Bounded by the instances that exist, as of the last `keep`. */
export class ReconcileTimes {
  readonly #clock: Pick<Clock, "nowMs">;
  readonly #startedMs: number;
  readonly #endedMs = new Map<string, number>();

  constructor(clock: Pick<Clock, "nowMs">) {
    this.#clock = clock;
    this.#startedMs = clock.nowMs();
  }

  /** What the reconcile of the key resolves to. */
  async note<T>(key: ObjectKey, reconcile: Promise<T>): Promise<T> {
    try {
      return await reconcile;
    } finally {
      this.#endedMs.set(idOf(key), this.#clock.nowMs());
    }
  }

  /** When the last reconcile of the key ended; the start of this process where none has. */
  lastMs(key: ObjectKey): number {
    return this.#endedMs.get(idOf(key)) ?? this.#startedMs;
  }

  /** Forgets all other keys. */
  keep(keys: readonly ObjectKey[]): void {
    const kept = new Set(keys.map(idOf));
    for (const id of this.#endedMs.keys()) if (!kept.has(id)) this.#endedMs.delete(id);
  }
}

/** When the operator last looked at each instance of its namespace. */
export function lastReconcileMetric(
  instances: Pick<Informer, "list">,
  { ownNamespace, times }: { readonly ownNamespace: string; readonly times: Pick<ReconcileTimes, "lastMs" | "keep"> },
): ValueMetric<InstanceLabel> {
  return {
    name: "flux_instance_last_reconcile_timestamp_seconds",
    help: "When the last reconcile of a FluxInstance in the operator's namespace ended, in seconds since 1970; where none has, when this process started.",
    labels: ["exported_namespace", "name"],
    values: () => {
      times.keep(instances.list().map(keyOf));
      const own = instances.list().filter(({ metadata }) => metadata.namespace === ownNamespace);
      return own.map((instance) => [instanceLabels(instance), times.lastMs(keyOf(instance)) / 1000]);
    },
  };
}

/** How often the operator looks at each instance of its namespace by itself: what the last reconcile is to be compared with. */
export function intervalMetric(instances: Pick<Informer, "list">, ownNamespace: string): ValueMetric<InstanceLabel> {
  return {
    name: "flux_instance_reconcile_interval_seconds",
    help: "How often a FluxInstance in the operator's namespace is reconciled without any change; 0 where it is not: reconciliation is disabled, or the instance is Stalled.",
    labels: ["exported_namespace", "name"],
    values: () => {
      const own = instances.list().filter(({ metadata }) => metadata.namespace === ownNamespace);
      return own.map((instance) => [instanceLabels(instance), intervalMs(instance) / 1000]);
    },
  };
}

function intervalMs(instance: KubeObject): number {
  const { reconcile, reconcileEveryMs = 0 } = readAnnotations(instance.metadata.annotations);
  const isStalled = findCondition(readStatus(instance["status"]).conditions, conditionTypes.stalled) !== undefined;
  return reconcile === "disabled" || isStalled ? 0 : reconcileEveryMs;
}

function idOf({ namespace, name }: ObjectKey): string {
  return `${namespace}/${name}`;
}
