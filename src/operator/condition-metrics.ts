import { conditionTypes, reasons } from "../api/reasons.ts";
import { readStatus } from "../controllers/flux-instance/status.ts";
import { findCondition, type Condition } from "../kube/conditions.ts";
import type { KubeObject } from "../kube/object.ts";
import type { Informer } from "../runtime/informer.ts";
import type { ValueMetric } from "../runtime/metrics.ts";
import { instanceLabels, type InstanceLabel } from "./instance-metric.ts";

const types = Object.values(conditionTypes);
const statuses = ["True", "False", "Unknown"] as const;

/** A row for each type and status, so that none is absent: 1 for the status that the condition has, else 0. */
export function conditionMetric(instances: Pick<Informer, "list">): ValueMetric<InstanceLabel | "type" | "status"> {
  return {
    name: "flux_instance_condition",
    help: "1 for the status that a condition of a FluxInstance has, else 0; a condition that the instance has not is 0 for all.",
    labels: ["exported_namespace", "name", "type", "status"],
    values: () =>
      instances.list().flatMap((instance) => {
        const conditions = conditionsOf(instance);
        return types.flatMap((type) => {
          const found = findCondition(conditions, type)?.status;
          return statuses.map((status) => [{ ...instanceLabels(instance), type, status }, Number(found === status)]);
        });
      }),
  };
}

/** When each condition that the instance has got its status. */
export function transitionMetric(instances: Pick<Informer, "list">): ValueMetric<InstanceLabel | "type"> {
  return {
    name: "flux_instance_condition_transition_timestamp_seconds",
    help: "When the status of a condition of a FluxInstance last changed, in seconds since 1970.",
    labels: ["exported_namespace", "name", "type"],
    values: () =>
      instances.list().flatMap((instance) =>
        conditionsOf(instance).flatMap(({ type, lastTransitionTime }) => {
          const ms = Date.parse(lastTransitionTime);
          return Number.isNaN(ms) ? [] : [[{ ...instanceLabels(instance), type }, ms / 1000]];
        }),
      ),
  };
}

/** 1 from when an upgrade has failed and is rolled back, until an upgrade succeeds or the spec changes. */
export function rolledBackMetric(instances: Pick<Informer, "list">): ValueMetric<InstanceLabel> {
  return {
    name: "flux_instance_rolled_back",
    help: "Whether an upgrade of a FluxInstance has failed and the revision before it was restored, or is being restored.",
    labels: ["exported_namespace", "name"],
    values: () =>
      instances.list().map((instance) => {
        const upToDate = findCondition(conditionsOf(instance), conditionTypes.upToDate);
        return [instanceLabels(instance), Number(upToDate?.reason === reasons.upgradeFailed)];
      }),
  };
}

function conditionsOf(instance: KubeObject): readonly Condition[] {
  return readStatus(instance["status"]).conditions;
}
