import { fieldsOf, listOf } from "./fields.ts";
import type { JsonObject, KubeObject } from "./object.ts";

/** `spec.template` of a Deployment; an empty object when there is none. */
export function podTemplateOf(workload: KubeObject): JsonObject {
  return fieldsOf(fieldsOf(workload["spec"])["template"]);
}

/** `spec.template.spec` of a Deployment; an empty object when there is none. */
export function podSpecOf(workload: KubeObject): JsonObject {
  return fieldsOf(podTemplateOf(workload)["spec"]);
}

/** The containers of a Deployment's pods, without init containers. */
export function containersOf(workload: KubeObject): readonly JsonObject[] {
  return listOf(podSpecOf(workload)["containers"]).map(fieldsOf);
}
