import type { GroupVersionKind } from "./gvk.ts";

/** Built-in kinds that more than one room reads or watches, in the one version that every supported Kubernetes serves. */
function builtIn(apiGroup: string, kind: string): GroupVersionKind {
  return { group: apiGroup, version: "v1", kind };
}

export const claimKind = builtIn("", "PersistentVolumeClaim");
export const configMapKind = builtIn("", "ConfigMap");
export const deploymentKind = builtIn("apps", "Deployment");
export const eventKind = builtIn("", "Event");
export const namespaceKind = builtIn("", "Namespace");
export const podKind = builtIn("", "Pod");
export const replicaSetKind = builtIn("apps", "ReplicaSet");
export const secretKind = builtIn("", "Secret");
export const serviceKind = builtIn("", "Service");
