import { fieldsOf, listOf, textOf } from "./fields.ts";
import { groupKindKey, gvkOf } from "./gvk.ts";
import type { JsonObject, JsonValue, KubeObject } from "./object.ts";

/**
 * Whether an object has become what its spec asks for. Statuses and rules are those of kstatus (cli-utils
 * pkg/kstatus/status); where they differ, the rule says why. `message` is stable: no times, no attempt counts.
 */
export type Readiness = {
  readonly status: "Current" | "InProgress" | "Failed" | "Terminating";
  readonly message: string;
};

type Rule = (object: KubeObject, status: JsonObject) => Readiness;

const rules: { readonly [groupKind: string]: Rule } = {
  "Deployment.apps": deployment,
  "StatefulSet.apps": statefulSet,
  "CustomResourceDefinition.apiextensions.k8s.io": customResourceDefinition,
  PersistentVolumeClaim: persistentVolumeClaim,
  Namespace: namespace,
  Pod: pod,
  Service: service,
};

/** The readiness of an object by what it says itself. Objects without a rule are Current unless a Ready condition says otherwise. Pure. */
export function readinessOf(object: KubeObject): Readiness {
  if (object.metadata.deletionTimestamp !== undefined) {
    return { status: "Terminating", message: "is being deleted" };
  }
  const status = fieldsOf(object["status"]);
  const observed = status["observedGeneration"];
  if (typeof observed === "number" && observed < (object.metadata.generation ?? 0)) {
    return { status: "InProgress", message: "its controller has not seen the latest generation yet" };
  }
  const generic = reconcilingOrStalled(status);
  if (generic !== undefined) return generic;
  const rule = rules[groupKindKey(gvkOf(object))];
  return rule === undefined ? readyCondition(status) : rule(object, status);
}

function reconcilingOrStalled(status: JsonObject): Readiness | undefined {
  const stalled = condition(status, "Stalled");
  if (stalled?.status === "True") return { status: "Failed", message: messageOf(stalled) };
  const reconciling = condition(status, "Reconciling");
  if (reconciling?.status === "True") return { status: "InProgress", message: messageOf(reconciling) };
  return undefined;
}

function readyCondition(status: JsonObject): Readiness {
  const ready = condition(status, "Ready");
  if (ready === undefined || ready.status === "True") return current();
  return inProgress(messageOf(ready));
}

function deployment(object: KubeObject, status: JsonObject): Readiness {
  const progressing = condition(status, "Progressing");
  if (progressing?.reason === "ProgressDeadlineExceeded") {
    return { status: "Failed", message: "progress deadline exceeded" };
  }
  if (object.metadata.generation !== undefined && status["observedGeneration"] === undefined) {
    return inProgress("its controller has not seen it yet");
  }
  const wanted = count(fieldsOf(object["spec"])["replicas"], 1);
  const [total, updated, available] = ["replicas", "updatedReplicas", "availableReplicas"].map((key) =>
    count(status[key], 0),
  ) as [number, number, number];
  if (updated < wanted) return inProgress(`${updated} of ${wanted} replicas updated`);
  if (total > updated) return inProgress(`${total - updated} old replicas still to go`);
  if (available < wanted) return inProgress(`${available} of ${wanted} replicas available`);
  return current();
}

function statefulSet(object: KubeObject, status: JsonObject): Readiness {
  const wanted = count(fieldsOf(object["spec"])["replicas"], 1);
  const ready = count(status["readyReplicas"], 0);
  if (ready < wanted) return inProgress(`${ready} of ${wanted} replicas ready`);
  const strategy = fieldsOf(fieldsOf(object["spec"])["updateStrategy"]);
  const isPartial = strategy["type"] === "OnDelete" || count(fieldsOf(strategy["rollingUpdate"])["partition"], 0) > 0;
  if (!isPartial && status["updateRevision"] !== status["currentRevision"])
    return inProgress("its update is not rolled out yet");
  return current();
}

/** kstatus asks for Established alone; a CRD whose names are refused must not pass. */
function customResourceDefinition(_object: KubeObject, status: JsonObject): Readiness {
  const names = condition(status, "NamesAccepted");
  if (names?.status === "False") return { status: "Failed", message: messageOf(names) };
  const established = condition(status, "Established");
  if (established?.status === "True" && names?.status === "True") return current();
  return inProgress("not established yet");
}

/**
 * Pending counts as Current, unlike in kstatus: a claim whose class waits for its first consumer is Pending by design, and the workload that
 * needs it is waited for anyway.
 */
function persistentVolumeClaim(_object: KubeObject, status: JsonObject): Readiness {
  return status["phase"] === "Lost" ? { status: "Failed", message: "its volume is lost" } : current();
}

function namespace(_object: KubeObject, status: JsonObject): Readiness {
  return status["phase"] === "Terminating" ? { status: "Terminating", message: "is being deleted" } : current();
}

function pod(_object: KubeObject, status: JsonObject): Readiness {
  if (status["phase"] === "Succeeded") return current();
  if (status["phase"] === "Failed") return { status: "Failed", message: "failed" };
  return condition(status, "Ready")?.status === "True" ? current() : inProgress("not ready");
}

function service(object: KubeObject, status: JsonObject): Readiness {
  if (fieldsOf(object["spec"])["type"] !== "LoadBalancer") return current();
  const ingress = listOf(fieldsOf(status["loadBalancer"])["ingress"]);
  return ingress.length > 0 ? current() : inProgress("has no load balancer address yet");
}

function current(): Readiness {
  return { status: "Current", message: "is ready" };
}

function inProgress(message: string): Readiness {
  return { status: "InProgress", message };
}

type ConditionFields = {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
};

function condition(status: JsonObject, type: string): ConditionFields | undefined {
  const found = listOf(status["conditions"])
    .map(fieldsOf)
    .find((entry) => entry["type"] === type);
  if (found === undefined) return undefined;
  return { type, status: textOf(found["status"]), reason: textOf(found["reason"]), message: textOf(found["message"]) };
}

function messageOf(from: ConditionFields): string {
  return from.message === "" ? from.reason : from.message;
}

function count(value: JsonValue | undefined, otherwise: number): number {
  return typeof value === "number" ? value : otherwise;
}
