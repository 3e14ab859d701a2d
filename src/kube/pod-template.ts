import { fieldsOf, listOf, textOf } from "./fields.ts";
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

/** Every image that a Deployment's pods take something from: that of each container and init container, and of each volume with one; "" where none is named. */
export function podImagesOf(workload: KubeObject): readonly string[] {
  const { containers, initContainers, volumes } = podSpecOf(workload);
  const inVolumes = listOf(volumes).flatMap((volume) => {
    const { image } = fieldsOf(volume);
    return image === undefined ? [] : [textOf(fieldsOf(image)["reference"])];
  });
  const inContainers = [containers, initContainers].flatMap(listOf).map((container) => fieldsOf(container)["image"]);
  return [...inContainers.map(textOf), ...inVolumes];
}
