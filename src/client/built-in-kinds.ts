import { groupKindKey, parseApiVersion } from "../kube/gvk.ts";
import type { ApiResource } from "./api-resource.ts";

/** Kinds that every supported Kubernetes serves in this version: apiVersion, kind, plural. */
const namespacedKinds = [
  ["v1", "ConfigMap", "configmaps"],
  ["v1", "Event", "events"],
  ["v1", "PersistentVolumeClaim", "persistentvolumeclaims"],
  ["v1", "Pod", "pods"],
  ["v1", "ResourceQuota", "resourcequotas"],
  ["v1", "Secret", "secrets"],
  ["v1", "Service", "services"],
  ["v1", "ServiceAccount", "serviceaccounts"],
  ["apps/v1", "Deployment", "deployments"],
  ["apps/v1", "ReplicaSet", "replicasets"],
  ["apps/v1", "StatefulSet", "statefulsets"],
  ["apps/v1", "DaemonSet", "daemonsets"],
  ["batch/v1", "Job", "jobs"],
  ["batch/v1", "CronJob", "cronjobs"],
  ["coordination.k8s.io/v1", "Lease", "leases"],
  ["networking.k8s.io/v1", "Ingress", "ingresses"],
  ["networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"],
  ["policy/v1", "PodDisruptionBudget", "poddisruptionbudgets"],
  ["rbac.authorization.k8s.io/v1", "Role", "roles"],
  ["rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings"],
] as const;

const clusterKinds = [
  ["v1", "Namespace", "namespaces"],
  ["v1", "Node", "nodes"],
  ["v1", "PersistentVolume", "persistentvolumes"],
  ["apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions"],
  ["rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles"],
  ["rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings"],
  ["scheduling.k8s.io/v1", "PriorityClass", "priorityclasses"],
  ["storage.k8s.io/v1", "StorageClass", "storageclasses"],
] as const;

/** By `groupKindKey`. */
export const builtInKinds: ReadonlyMap<string, ApiResource> = new Map(
  [...namespacedKinds.map((row) => resourceOf(row, true)), ...clusterKinds.map((row) => resourceOf(row, false))].map(
    (resource) => [groupKindKey(resource), resource] as const,
  ),
);

function resourceOf([apiVersion, kind, plural]: readonly [string, string, string], namespaced: boolean): ApiResource {
  return { ...parseApiVersion(apiVersion), kind, plural, namespaced };
}
