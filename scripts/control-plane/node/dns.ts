import type { KubeObject } from "../../../src/kube/object.ts";
import { addresses, registryHost } from "./addresses.ts";

const namespace = "kube-system";
const labels = { "k8s-app": "kube-dns" };
const rbac = "rbac.authorization.k8s.io";

const corefile = `.:5353 {
  errors
  health :8080
  ready :8181
  kubernetes cluster.local in-addr.arpa ip6.arpa
  cache 30
}
`;

/** The cluster's DNS, and what kube-proxy may read. */
export const clusterServices: readonly KubeObject[] = [
  { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "coredns", namespace } },
  {
    apiVersion: `${rbac}/v1`,
    kind: "ClusterRole",
    metadata: { name: "system:coredns" },
    rules: [
      { apiGroups: [""], resources: ["services", "pods", "namespaces"], verbs: ["list", "watch"] },
      { apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: ["list", "watch"] },
    ],
  },
  {
    apiVersion: `${rbac}/v1`,
    kind: "ClusterRoleBinding",
    metadata: { name: "system:coredns" },
    roleRef: { apiGroup: rbac, kind: "ClusterRole", name: "system:coredns" },
    subjects: [{ kind: "ServiceAccount", name: "coredns", namespace }],
  },
  {
    apiVersion: `${rbac}/v1`,
    kind: "ClusterRoleBinding",
    metadata: { name: "kube-proxy" },
    roleRef: { apiGroup: rbac, kind: "ClusterRole", name: "system:node-proxier" },
    subjects: [{ kind: "User", name: "system:kube-proxy", apiGroup: rbac }],
  },
  { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "coredns", namespace }, data: { Corefile: corefile } },
  {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "coredns", namespace },
    spec: {
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          serviceAccountName: "coredns",
          dnsPolicy: "Default",
          containers: [
            {
              name: "coredns",
              image: `${registryHost}/coredns:1`,
              args: ["-conf", "/etc/coredns/Corefile"],
              volumeMounts: [{ name: "config", mountPath: "/etc/coredns", readOnly: true }],
              readinessProbe: { httpGet: { path: "/ready", port: 8181 }, periodSeconds: 1 },
            },
          ],
          volumes: [{ name: "config", configMap: { name: "coredns" } }],
        },
      },
    },
  },
  {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "kube-dns", namespace },
    spec: {
      clusterIP: addresses.dns,
      selector: labels,
      ports: [
        { name: "dns", port: 53, targetPort: 5353, protocol: "UDP" },
        { name: "dns-tcp", port: 53, targetPort: 5353, protocol: "TCP" },
      ],
    },
  },
];
