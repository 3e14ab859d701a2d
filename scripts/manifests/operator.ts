import { fluxInstance, group, labels, operatorName } from "../../src/api/names.ts";
import { fluxInstanceCrd } from "../../src/api/crd.ts";
import type { JsonObject, KubeObject, ObjectMeta } from "../../src/kube/object.ts";
import { operatorVersion } from "../../src/std/version.ts";
import type { Right } from "../../src/controllers/flux-instance/rights/right.ts";
import { rulesOf } from "../rights/policy-rule.ts";

/** Registry and path below which everything is published. Nothing is yet: whoever publishes puts his own in here, and only here. */
export const publishedPath = "ghcr.io/controlplaneio-fluxcd";

/** The image that is installed. */
export const image = `${publishedPath}/flux-operator:v${operatorVersion}`;

/** The oldest Kubernetes whose API server takes the CRD. */
export const oldestKubernetes = "1.30.0";

/** The namespace of the files in packaging/yaml. */
export const defaultNamespace = "flux-system";

/** The role and its binding are not named as the Go operator's, whose binding is to cluster-admin and cannot be changed to another role. */
export const roleName = `${operatorName}-manager`;
const rbacGroup = "rbac.authorization.k8s.io";
const selector = { "app.kubernetes.io/name": operatorName, [labels.instance]: operatorName };
const ports = { metrics: 8080, health: 8081 };

/** All objects of an installation in `namespace`, in the order in which they are applied. */
export function operatorObjects(namespace: string, rights: readonly Right[]): readonly KubeObject[] {
  return [
    namespaceObject(namespace),
    fluxInstanceCrd(),
    object("v1", "ServiceAccount", { name: operatorName, namespace }),
    ...userRoles,
    ...rolesOf(rights, namespace),
    object("v1", "Service", { name: operatorName, namespace }, { spec: service }),
    object("networking.k8s.io/v1", "NetworkPolicy", { name: operatorName, namespace }, { spec: networkPolicy }),
    object("apps/v1", "Deployment", { name: operatorName, namespace }, { spec: deployment }),
  ];
}

/**
 * The operator and all Flux controllers run as the strictest of the Pod Security Standards wants it. Labels that tell whose it is are the instance's: with
 * them, an apply of a later installation would conflict.
 */
function namespaceObject(name: string): KubeObject {
  const standards = ["enforce", "warn"].flatMap((mode) => [
    [`pod-security.kubernetes.io/${mode}`, "restricted"],
    [`pod-security.kubernetes.io/${mode}-version`, "latest"],
  ]);
  return { apiVersion: "v1", kind: "Namespace", metadata: { name, labels: Object.fromEntries(standards) } };
}

function rolesOf(rights: readonly Right[], namespace: string): readonly KubeObject[] {
  const subjects = [{ kind: "ServiceAccount", name: operatorName, namespace }];
  const roleRef = (kind: string): JsonObject => ({ apiGroup: rbacGroup, kind, name: roleName });
  return [
    rbac("ClusterRole", { name: roleName }, { rules: rulesOf(rights, "cluster") }),
    rbac("ClusterRoleBinding", { name: roleName }, { roleRef: roleRef("ClusterRole"), subjects }),
    rbac("Role", { name: roleName, namespace }, { rules: rulesOf(rights, "namespace") }),
    rbac("RoleBinding", { name: roleName, namespace }, { roleRef: roleRef("Role"), subjects }),
  ];
}

/** Whoever may view or edit a namespace may do so with its FluxInstance. */
const userRoles: readonly KubeObject[] = [
  userRole("edit", ["admin", "edit"], ["create", "delete", "deletecollection", "patch", "update"]),
  userRole("view", ["admin", "edit", "view"], ["get", "list", "watch"]),
];

function userRole(name: string, aggregatedTo: readonly string[], verbs: readonly string[]): KubeObject {
  const aggregation = Object.fromEntries(aggregatedTo.map((role) => [`${rbacGroup}/aggregate-to-${role}`, "true"]));
  const rules = [{ apiGroups: [group], resources: [fluxInstance.plural], verbs }];
  return rbac("ClusterRole", { name: `${operatorName}-${name}`, labels: aggregation }, { rules });
}

const service = {
  type: "ClusterIP",
  selector,
  ports: [{ name: "http-metrics", port: ports.metrics, protocol: "TCP", targetPort: "http-metrics" }],
};

/** Metrics for everybody, probes for the kubelet, which no policy keeps out; nothing else is served. */
const networkPolicy = {
  podSelector: { matchLabels: selector },
  policyTypes: ["Ingress"],
  ingress: [{ from: [{ namespaceSelector: {} }], ports: [{ port: "http-metrics", protocol: "TCP" }] }],
};

/** A successor is ready before it leads, and leads as soon as the lease is given back, so that a rolling update needs no gap. */
const deployment = {
  replicas: 1,
  revisionHistoryLimit: 3,
  strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
  selector: { matchLabels: selector },
  template: {
    metadata: {
      labels: { ...selector, [labels.version]: `v${operatorVersion}` },
      annotations: { "kubectl.kubernetes.io/default-container": "manager" },
    },
    spec: {
      serviceAccountName: operatorName,
      // It stops within 8 seconds.
      terminationGracePeriodSeconds: 15,
      nodeSelector: { "kubernetes.io/os": "linux" },
      // No priorityClassName: clusters that keep the critical classes to kube-system need a ResourceQuota first, which Flux brings only later.
      securityContext: {
        runAsNonRoot: true,
        runAsUser: 65532,
        runAsGroup: 65532,
        seccompProfile: { type: "RuntimeDefault" },
      },
      containers: [container()],
    },
  },
};

function container(): JsonObject {
  return {
    name: "manager",
    image,
    imagePullPolicy: "IfNotPresent",
    args: ["--log-level=info", "--log-encoding=json", "--enable-leader-election=true"],
    env: [
      { name: "RUNTIME_NAMESPACE", valueFrom: { fieldRef: { fieldPath: "metadata.namespace" } } },
      { name: "RUNTIME_POD_UID", valueFrom: { fieldRef: { fieldPath: "metadata.uid" } } },
    ],
    ports: [
      { name: "http-metrics", containerPort: ports.metrics, protocol: "TCP" },
      { name: "http-health", containerPort: ports.health, protocol: "TCP" },
    ],
    livenessProbe: { ...healthGet("/healthz"), initialDelaySeconds: 15, periodSeconds: 20 },
    readinessProbe: { ...healthGet("/readyz"), initialDelaySeconds: 5, periodSeconds: 10 },
    resources: { requests: { cpu: "50m", memory: "128Mi" }, limits: { cpu: "1000m", memory: "512Mi" } },
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { drop: ["ALL"] },
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      seccompProfile: { type: "RuntimeDefault" },
    },
  };
}

function healthGet(path: string): JsonObject {
  return { httpGet: { path, port: "http-health" } };
}

function rbac(kind: string, metadata: ObjectMeta, fields: JsonObject): KubeObject {
  return object(`${rbacGroup}/v1`, kind, metadata, fields);
}

function object(apiVersion: string, kind: string, metadata: ObjectMeta, fields: JsonObject = {}): KubeObject {
  const common = { ...selector, [labels.partOf]: operatorName, [labels.version]: `v${operatorVersion}` };
  return { apiVersion, kind, metadata: { ...metadata, labels: { ...common, ...metadata.labels } }, ...fields };
}
