import { fieldsOf, listOf, textOf } from "../../kube/fields.ts";
import type { JsonObject, KubeObject } from "../../kube/object.ts";
import { podTemplateOf } from "../../kube/pod-template.ts";
import { readinessOf } from "../../kube/readiness.ts";
import { deepEqual } from "../../std/json.ts";

/** Why a Deployment's pods do not get ready. `terminal`: waiting does not help. */
export type Stuck = { readonly message: string; readonly terminal: boolean };

/** Reasons of a waiting container that mean trouble, and whether waiting may still help (a registry may come back). */
const waitingReasons: { readonly [reason: string]: { readonly terminal: boolean } } = {
  ErrImagePull: { terminal: false },
  ImagePullBackOff: { terminal: true },
  InvalidImageName: { terminal: true },
  ErrImageNeverPull: { terminal: true },
  CrashLoopBackOff: { terminal: true },
  CreateContainerConfigError: { terminal: false },
  CreateContainerError: { terminal: false },
  RunContainerError: { terminal: false },
};

/**
 * The trouble of the pods that run `deployment`'s current images, in their own words; undefined when there is none. Pods of an older template
 * are left out: they may be the very reason for the upgrade.
 */
export function stuckReason(deployment: KubeObject, pods: readonly KubeObject[]): Stuck | undefined {
  const template = podTemplateOf(deployment);
  const selector = fieldsOf(fieldsOf(fieldsOf(deployment["spec"])["selector"])["matchLabels"]);
  const own = pods
    .filter((pod) => pod.metadata.namespace === deployment.metadata.namespace && matches(pod, selector))
    .filter((pod) => readinessOf(pod).status !== "Current")
    .filter((pod) => pod.metadata.deletionTimestamp === undefined && isMadeFrom(pod, template));
  const troubles = own.flatMap(troubleOf);
  return troubles.find((trouble) => trouble.terminal) ?? troubles[0];
}

function troubleOf(pod: KubeObject): readonly Stuck[] {
  const status = fieldsOf(pod["status"]);
  const containers = [...listOf(status["initContainerStatuses"]), ...listOf(status["containerStatuses"])].map(fieldsOf);
  const waiting = containers.flatMap((container) => {
    const state = fieldsOf(fieldsOf(container["state"])["waiting"]);
    const reason = textOf(state["reason"]);
    const known = waitingReasons[reason];
    if (known === undefined) return [];
    const detail = reason === "CrashLoopBackOff" ? lastExit(container) : textOf(state["message"]);
    const message = `container ${textOf(container["name"])} is in ${reason}${detail === "" ? "" : `: ${detail}`}`;
    return [{ message, terminal: known.terminal }];
  });
  return [...waiting, ...unschedulable(status)];
}

/** The kubelet's own message carries a growing delay, so the exit code of the last run is reported instead. */
function lastExit(container: JsonObject): string {
  const terminated = fieldsOf(fieldsOf(container["lastState"])["terminated"]);
  const code = terminated["exitCode"];
  if (typeof code !== "number") return "";
  const reason = textOf(terminated["reason"]);
  return `exited with code ${code}${reason === "" ? "" : ` (${reason})`}`;
}

function unschedulable(status: JsonObject): readonly Stuck[] {
  const scheduled = listOf(status["conditions"])
    .map(fieldsOf)
    .find((condition) => condition["type"] === "PodScheduled" && condition["reason"] === "Unschedulable");
  return scheduled === undefined
    ? []
    : [{ message: `pod cannot be scheduled: ${textOf(scheduled["message"])}`, terminal: false }];
}

function matches(pod: KubeObject, selector: JsonObject): boolean {
  return Object.entries(selector).every(([key, value]) => pod.metadata.labels?.[key] === value);
}

/** Whether the pod runs what the template says. Its other containers are injected sidecars. */
function isMadeFrom(pod: KubeObject, template: JsonObject): boolean {
  const running = containersIn(pod);
  return containersIn(template).every((wanted) => {
    const container = running.find((candidate) => candidate["name"] === wanted["name"]);
    return ["image", "args", "command", "env"].every((field) => deepEqual(container?.[field], wanted[field]));
  });
}

function containersIn(owner: JsonObject | KubeObject): readonly JsonObject[] {
  return listOf(fieldsOf(owner["spec"])["containers"]).map(fieldsOf);
}
