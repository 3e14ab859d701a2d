import type { Registry } from "../oci/registry.ts";
import type { Informer } from "../runtime/informer.ts";
import type { Metrics } from "../runtime/metrics.ts";
import type { Clock } from "../std/clock.ts";
import { certificateMetric } from "./certificate-metric.ts";
import { conditionMetric, rolledBackMetric, transitionMetric } from "./condition-metrics.ts";
import { isFips } from "./fips.ts";
import { fipsMetric, instanceMetric, operatorMetric, watchMetric } from "./instance-metric.ts";
import { intervalMetric, lastReconcileMetric, ReconcileTimes } from "./reconcile-metrics.ts";

/** What the metrics of the operator are computed from at each scrape. `informers` are those that may be in trouble. */
export type MetricSources = {
  readonly instances: Pick<Informer, "list">;
  readonly informers: () => readonly Pick<Informer, "gvk" | "trouble">[];
  readonly registry: Pick<Registry, "certificates">;
  readonly ownNamespace: string;
  readonly clock: Pick<Clock, "nowMs">;
};

/**
 * Adds all metrics that are computed from state; what is counted is added where it is counted. The times that are returned have to be told of
 * each reconcile.
 */
export function addOperatorMetrics(metrics: Metrics, sources: MetricSources): ReconcileTimes {
  const { instances, informers, registry, ownNamespace } = sources;
  const times = new ReconcileTimes(sources.clock);
  metrics.addState(operatorMetric());
  metrics.addState(fipsMetric(isFips));
  metrics.addState(watchMetric(informers));
  metrics.addState(instanceMetric(instances));
  metrics.addValues(conditionMetric(instances));
  metrics.addValues(transitionMetric(instances));
  metrics.addValues(rolledBackMetric(instances));
  metrics.addValues(lastReconcileMetric(instances, { ownNamespace, times }));
  metrics.addValues(intervalMetric(instances, ownNamespace));
  metrics.addValues(certificateMetric(instances, registry));
  return times;
}
