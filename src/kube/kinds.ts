import type { GroupVersionKind } from "./gvk.ts";

/* Kinds that more than one room reads or watches, in the one version that every supported Kubernetes serves. */

export const configMapKind: GroupVersionKind = { group: "", version: "v1", kind: "ConfigMap" };
export const deploymentKind: GroupVersionKind = { group: "apps", version: "v1", kind: "Deployment" };
export const eventKind: GroupVersionKind = { group: "", version: "v1", kind: "Event" };
export const namespaceKind: GroupVersionKind = { group: "", version: "v1", kind: "Namespace" };
export const podKind: GroupVersionKind = { group: "", version: "v1", kind: "Pod" };
export const serviceKind: GroupVersionKind = { group: "", version: "v1", kind: "Service" };
export const secretKind: GroupVersionKind = { group: "", version: "v1", kind: "Secret" };
