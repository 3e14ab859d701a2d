import type { JsonObject, KubeObject } from "../kube/object.ts";
import type { Shapes } from "./shapes.ts";

/** The objects of `policies.yaml`, in its order. */
export function buildPolicies(shapes: Shapes): readonly KubeObject[] {
  return [
    networkPolicy("allow-egress", {
      podSelector: {},
      policyTypes: ["Ingress", "Egress"],
      ingress: [{ from: [{ podSelector: {} }] }],
      egress: [{}],
    }),
    networkPolicy("allow-scraping", {
      podSelector: {},
      policyTypes: ["Ingress"],
      ingress: [{ from: anyNamespace, ports: [{ port: 8080, protocol: "TCP" }] }],
    }),
    networkPolicy("allow-webhooks", {
      podSelector: { matchLabels: { app: "notification-controller" } },
      policyTypes: ["Ingress"],
      ingress: [{ from: anyNamespace, ...(shapes.webhookPort ? { ports: [{ port: 9292, protocol: "TCP" }] } : {}) }],
    }),
  ];
}

const anyNamespace: readonly JsonObject[] = [{ namespaceSelector: {} }];

function networkPolicy(name: string, spec: JsonObject): KubeObject {
  return { apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata: { name }, spec };
}
