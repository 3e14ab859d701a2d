// Tests: src/controllers/flux-instance/preflight/judge.test.ts
import { fieldsOf, listOf, textOf } from "../../../kube/fields.ts";
import { nameObject, objectIdOf, sameObject } from "../../../kube/object-id.ts";
import type { JsonObject, KubeObject } from "../../../kube/object.ts";
import { podSpecOf } from "../../../kube/pod-template.ts";
import { quantityNanos } from "../../../kube/quantity.ts";
import { deploymentsOf, refuse, type Finding, type Subject } from "./subject.ts";

/** What the names in a ResourceQuota count of one pod, in billionths. Source: Kubernetes' quota evaluator for pods. */
const measures: { readonly [resource: string]: (pod: JsonObject) => bigint } = {
  pods: () => 1_000_000_000n,
  "count/pods": () => 1_000_000_000n,
  cpu: (pod) => total(pod, "requests", "cpu"),
  memory: (pod) => total(pod, "requests", "memory"),
  "requests.cpu": (pod) => total(pod, "requests", "cpu"),
  "requests.memory": (pod) => total(pod, "requests", "memory"),
  "limits.cpu": (pod) => total(pod, "limits", "cpu"),
  "limits.memory": (pod) => total(pod, "limits", "memory"),
};

/**
 * Refuses quotas that have no room for the pods of the plan. A dry-run does not show that, since the Deployment is admitted and its pods are
 * not. Quotas of the plan itself are left out. Pods that replace others are not counted, so a rollout may still wait for room.
 */
export function judgeQuotas(quotas: readonly KubeObject[], { planned }: Subject): readonly Finding[] {
  const foreign = quotas.filter(
    (quota) => !planned.some(({ object }) => sameObject(objectIdOf(object), objectIdOf(quota))),
  );
  return foreign.flatMap((quota) => {
    const hard = fieldsOf(fieldsOf(quota["spec"])["hard"]);
    const short = Object.keys(hard).filter((resource) => isShort(quota, resource, planned));
    if (short.length === 0) return [];
    const limits = short.toSorted().map((resource) => `${resource}: ${textOf(hard[resource])}`);
    return [
      refuse(`${nameObject(quota)} has no room for the pods of Flux (${limits.join(", ")}); raise it or remove it`),
    ];
  });
}

function isShort(quota: KubeObject, resource: string, planned: Subject["planned"]): boolean {
  const measure = measures[resource];
  const hard = quantityNanos(textOf(fieldsOf(fieldsOf(quota["spec"])["hard"])[resource]));
  if (measure === undefined || hard === undefined) return false;
  const used = quantityNanos(textOf(fieldsOf(fieldsOf(quota["status"])["used"])[resource])) ?? 0n;
  const growth = deploymentsOf(planned)
    .filter(({ action }) => action !== "unchanged")
    .map(
      ({ object, live }) => demand(object, quota, measure) - (live === undefined ? 0n : demand(live, quota, measure)),
    )
    .reduce((sum, one) => sum + one, 0n);
  return growth > 0n && used + growth > hard;
}

function demand(deployment: KubeObject, quota: KubeObject, measure: (pod: JsonObject) => bigint): bigint {
  const spec = fieldsOf(deployment["spec"]);
  const pod = podSpecOf(deployment);
  if (!counts(quota, pod)) return 0n;
  const replicas = typeof spec["replicas"] === "number" ? spec["replicas"] : 1;
  return measure(pod) * BigInt(replicas);
}

/** A limit without a request is the request, too, as the API server defaults it. */
function total(pod: JsonObject, kind: "requests" | "limits", resource: string): bigint {
  return listOf(pod["containers"])
    .map((container) => fieldsOf(fieldsOf(container)["resources"]))
    .map((resources) => fieldsOf(resources[kind])[resource] ?? fieldsOf(resources["limits"])[resource])
    .map((quantity) => quantityNanos(typeof quantity === "number" ? String(quantity) : textOf(quantity)) ?? 0n)
    .reduce((sum, one) => sum + one, 0n);
}

/** Whether a pod is in all scopes of a quota. It is not in one that we do not know, which may leave it out. */
function counts(quota: KubeObject, pod: JsonObject): boolean {
  const spec = fieldsOf(quota["spec"]);
  const plain = listOf(spec["scopes"]).map((scope) => ({ scopeName: scope, operator: "Exists" }));
  const selected = listOf(fieldsOf(spec["scopeSelector"])["matchExpressions"]).map(fieldsOf);
  return [...plain, ...selected].every((term) => scopes[textOf(term["scopeName"])]?.(pod, term) ?? false);
}

const scopes: { readonly [scope: string]: (pod: JsonObject, term: JsonObject) => boolean } = {
  NotTerminating: (pod) => pod["activeDeadlineSeconds"] === undefined,
  Terminating: (pod) => pod["activeDeadlineSeconds"] !== undefined,
  BestEffort: (pod) => isBestEffort(pod),
  NotBestEffort: (pod) => !isBestEffort(pod),
  PriorityClass: (pod, { operator, values }) => {
    const name = textOf(pod["priorityClassName"]);
    const listed = listOf(values).includes(name);
    const table: { readonly [operator: string]: boolean } = {
      In: listed,
      NotIn: !listed,
      Exists: name !== "",
      DoesNotExist: name === "",
    };
    return table[textOf(operator)] ?? false;
  },
};

function isBestEffort(pod: JsonObject): boolean {
  return ["cpu", "memory"].every((resource) => total(pod, "requests", resource) === 0n);
}
