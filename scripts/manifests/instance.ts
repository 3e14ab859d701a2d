import { fluxInstance } from "../../src/api/names.ts";
import type { KubeObject } from "../../src/kube/object.ts";
import { defaultNamespace } from "./operator.ts";

/** A FluxInstance to begin with: the newest Flux 2, kept up to date, without anything to sync from. */
export const defaultInstance: KubeObject = {
  apiVersion: fluxInstance.storageApiVersion,
  kind: fluxInstance.kind,
  metadata: { name: fluxInstance.name, namespace: defaultNamespace },
  spec: {
    distribution: { version: "2.x", registry: "ghcr.io/fluxcd" },
    components: ["source-controller", "kustomize-controller", "helm-controller", "notification-controller"],
    cluster: { type: "kubernetes", networkPolicy: true },
  },
};
