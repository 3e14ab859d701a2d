import { labels, operatorName } from "../../src/api/names.ts";
import type { JsonObject } from "../../src/std/json.ts";
import { defaultNamespace } from "../manifests/operator.ts";
import { alerts } from "./alerts.ts";

/** Has no name of a release, so that the pods of the charts are selected too. */
const selector = { matchLabels: { "app.kubernetes.io/name": operatorName } };
const endpoint = { port: "http-metrics", path: "/metrics", interval: "60s", scrapeTimeout: "30s" };

/** Each pod is scraped: one that stands by tells that it does not lead. */
export const podMonitor = object("PodMonitor", { selector, podMetricsEndpoints: [endpoint] });

/** The same by way of the Service, for who has no PodMonitors. */
export const serviceMonitor = object("ServiceMonitor", { selector, endpoints: [endpoint] });

/** `spec.groups` of the rule. */
export const ruleGroups: readonly JsonObject[] = [
  {
    name: operatorName,
    rules: alerts.map(({ name, expr, forMinutes, severity, summary, description, runbook }) => ({
      alert: name,
      expr,
      for: `${forMinutes}m`,
      labels: { severity },
      annotations: { summary, description, runbook: `docs/${runbook}` },
    })),
  },
];

export const prometheusRule = object("PrometheusRule", { groups: ruleGroups });

/** The dashboard becomes a ConfigMap with the label that Grafana's sidecar looks for. */
export const kustomization: JsonObject = {
  apiVersion: "kustomize.config.k8s.io/v1beta1",
  kind: "Kustomization",
  namespace: defaultNamespace,
  resources: ["podmonitor.yaml", "prometheusrule.yaml"],
  configMapGenerator: [
    {
      name: `${operatorName}-dashboard`,
      files: [`${operatorName}.json=dashboard.json`],
      options: { disableNameSuffixHash: true, labels: { grafana_dashboard: "1" } },
    },
  ],
};

function object(kind: string, spec: JsonObject): JsonObject {
  const metadata = {
    name: operatorName,
    namespace: defaultNamespace,
    labels: { "app.kubernetes.io/name": operatorName, [labels.partOf]: operatorName },
  };
  return { apiVersion: "monitoring.coreos.com/v1", kind, metadata, spec };
}
