import { outcomeAnnotation } from "../../scripts/control-plane/stages.ts";
import { loadRelease } from "../../src/distribution/load.ts";
import type { Release } from "../../src/distribution/release.ts";
import { fieldsOf } from "../../src/kube/fields.ts";
import type { KubeObject } from "../../src/kube/object.ts";

/** The release with pods that crash. */
export function brokenRelease(version: string): Release {
  const release = loadRelease(version);
  const components = Object.entries(release.components).map(([name, objects]) => [name, objects.map(crashing)]);
  return { ...release, components: Object.fromEntries(components) as Release["components"] };
}

function crashing(object: KubeObject): KubeObject {
  if (object.kind !== "Deployment") return object;
  const { template, ...others } = fieldsOf(object["spec"]);
  const { metadata, ...rest } = fieldsOf(template);
  const annotations = { ...fieldsOf(fieldsOf(metadata)["annotations"]), [outcomeAnnotation]: "crash-loop" };
  return { ...object, spec: { ...others, template: { ...rest, metadata: { ...fieldsOf(metadata), annotations } } } };
}
