// Written by scripts/generate-name-references.ts; do not edit.

/** A field of the kind `by` that holds the name of an object of `kind` and `group` ("": any); lists on the way are all looked into. */
export type NameReference = {
  readonly kind: string;
  readonly group: string;
  readonly by: string;
  readonly path: readonly string[];
};

export const nameReferences: readonly NameReference[] = [
  {
    kind: "ConfigMap",
    group: "",
    by: "Deployment",
    path: ["spec", "template", "spec", "volumes", "configMap", "name"],
  },
  {
    kind: "ConfigMap",
    group: "",
    by: "Deployment",
    path: ["spec", "template", "spec", "containers", "env", "valueFrom", "configMapKeyRef", "name"],
  },
  {
    kind: "ConfigMap",
    group: "",
    by: "Deployment",
    path: ["spec", "template", "spec", "initContainers", "env", "valueFrom", "configMapKeyRef", "name"],
  },
  {
    kind: "ConfigMap",
    group: "",
    by: "Deployment",
    path: ["spec", "template", "spec", "containers", "envFrom", "configMapRef", "name"],
  },
  {
    kind: "ConfigMap",
    group: "",
    by: "Deployment",
    path: ["spec", "template", "spec", "initContainers", "envFrom", "configMapRef", "name"],
  },
  {
    kind: "ConfigMap",
    group: "",
    by: "Deployment",
    path: ["spec", "template", "spec", "volumes", "projected", "sources", "configMap", "name"],
  },
  { kind: "ConfigMap", group: "", by: "Role", path: ["rules", "resourceNames"] },
  { kind: "ConfigMap", group: "", by: "ClusterRole", path: ["rules", "resourceNames"] },
  {
    kind: "Secret",
    group: "",
    by: "Deployment",
    path: ["spec", "template", "spec", "volumes", "secret", "secretName"],
  },
  {
    kind: "Secret",
    group: "",
    by: "Deployment",
    path: ["spec", "template", "spec", "containers", "env", "valueFrom", "secretKeyRef", "name"],
  },
  {
    kind: "Secret",
    group: "",
    by: "Deployment",
    path: ["spec", "template", "spec", "initContainers", "env", "valueFrom", "secretKeyRef", "name"],
  },
  {
    kind: "Secret",
    group: "",
    by: "Deployment",
    path: ["spec", "template", "spec", "containers", "envFrom", "secretRef", "name"],
  },
  {
    kind: "Secret",
    group: "",
    by: "Deployment",
    path: ["spec", "template", "spec", "initContainers", "envFrom", "secretRef", "name"],
  },
  { kind: "Secret", group: "", by: "Deployment", path: ["spec", "template", "spec", "imagePullSecrets", "name"] },
  {
    kind: "Secret",
    group: "",
    by: "Deployment",
    path: ["spec", "template", "spec", "volumes", "projected", "sources", "secret", "name"],
  },
  { kind: "Secret", group: "", by: "ServiceAccount", path: ["imagePullSecrets", "name"] },
  { kind: "Secret", group: "", by: "Role", path: ["rules", "resourceNames"] },
  { kind: "Secret", group: "", by: "ClusterRole", path: ["rules", "resourceNames"] },
  { kind: "Role", group: "rbac.authorization.k8s.io", by: "RoleBinding", path: ["roleRef", "name"] },
  { kind: "ClusterRole", group: "rbac.authorization.k8s.io", by: "RoleBinding", path: ["roleRef", "name"] },
  { kind: "ClusterRole", group: "rbac.authorization.k8s.io", by: "ClusterRoleBinding", path: ["roleRef", "name"] },
  { kind: "ServiceAccount", group: "", by: "RoleBinding", path: ["subjects"] },
  { kind: "ServiceAccount", group: "", by: "ClusterRoleBinding", path: ["subjects"] },
  { kind: "ServiceAccount", group: "", by: "Deployment", path: ["spec", "template", "spec", "serviceAccountName"] },
  {
    kind: "PersistentVolumeClaim",
    group: "",
    by: "Deployment",
    path: ["spec", "template", "spec", "volumes", "persistentVolumeClaim", "claimName"],
  },
  { kind: "PersistentVolume", group: "", by: "PersistentVolumeClaim", path: ["spec", "volumeName"] },
  { kind: "PersistentVolume", group: "", by: "ClusterRole", path: ["rules", "resourceNames"] },
  { kind: "StorageClass", group: "storage.k8s.io", by: "PersistentVolumeClaim", path: ["spec", "storageClassName"] },
  {
    kind: "PriorityClass",
    group: "scheduling.k8s.io",
    by: "Deployment",
    path: ["spec", "template", "spec", "priorityClassName"],
  },
];
