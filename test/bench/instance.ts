import { fieldsOf, listOf } from "../../src/kube/fields.ts";
import type { GroupVersionKind } from "../../src/kube/gvk.ts";
import type { JsonObject, KubeObject, ObjectKey } from "../../src/kube/object.ts";

export const namespace = "flux-system";
export const instanceKey: ObjectKey = { namespace, name: "flux" };
export const instanceKind: GroupVersionKind = { group: "fluxcd.controlplane.io", version: "v1", kind: "FluxInstance" };
export const fromVersion = "2.8.3";
export const toVersion = "2.9.4";

/** Six components, locked down for tenants, in two shards: 16 Deployments, about 70 objects. */
export const instance: KubeObject = {
  apiVersion: "fluxcd.controlplane.io/v1",
  kind: "FluxInstance",
  metadata: { ...instanceKey },
  spec: {
    distribution: { version: fromVersion, registry: "ghcr.io/fluxcd" },
    components: [
      "source-controller",
      "kustomize-controller",
      "helm-controller",
      "notification-controller",
      "image-reflector-controller",
      "image-automation-controller",
    ],
    cluster: { multitenant: true },
    sharding: { shards: ["shard1", "shard2"] },
  },
};

/** Ready, for what the spec says now, at that version. */
export function isReadyAt(object: KubeObject, version: string): boolean {
  const status = fieldsOf(object["status"]);
  const ready = conditionsOf(status).find((condition) => condition["type"] === "Ready");
  if (ready?.["status"] === "False")
    throw new Error(`Cannot measure: the instance is not ready: ${JSON.stringify(ready["message"])}`);
  return (
    ready?.["status"] === "True" &&
    status["observedGeneration"] === object.metadata.generation &&
    status["lastAppliedVersion"] === version
  );
}

function conditionsOf(status: JsonObject): readonly JsonObject[] {
  return listOf(status["conditions"]).map(fieldsOf);
}
