import { instanceValues, operatorValues } from "../../scripts/timoni/values.ts";
import type { JsonValue, KubeObject } from "../../src/kube/object.ts";
import { isJsonObject } from "../../src/std/json.ts";
import { chartCases, type ChartCase } from "./chart-cases.ts";

/** What the modules are tried with beside the cases of the charts: what CUE could read otherwise than Helm. */
const more: readonly ChartCase[] = [
  {
    name: "a ServiceMonitor",
    chart: "flux-operator",
    values: {
      "serviceMonitor.create": true,
      "serviceMonitor.interval": "30s",
      "serviceMonitor.labels": { release: "prometheus" },
    },
  },
  {
    name: "defaults taken away and replaced",
    chart: "flux-operator",
    values: {
      "resources.limits.cpu": null,
      "resources.requests": null,
      "livenessProbe.periodSeconds": 5,
      "livenessProbe.timeoutSeconds": 3,
      readinessProbe: null,
      "podSecurityContext.fsGroup": 1337,
      "securityContext.runAsUser": 65532,
      "securityContext.capabilities.drop": ["NET_RAW"],
      "affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution": [
        { weight: 1, podAffinityTerm: { topologyKey: "kubernetes.io/hostname" } },
      ],
    },
  },
  { name: "no resources", chart: "flux-operator", values: { "resources.limits": null, "resources.requests": null } },
  {
    name: "names of another length",
    chart: "flux-operator",
    values: { nameOverride: `${"a".repeat(62)}-b`, "serviceAccount.automount": false },
  },
  { name: "a full name", chart: "flux-operator", values: { fullnameOverride: "installer" } },
  { name: "no service account", chart: "flux-operator", values: { "serviceAccount.create": false } },
  {
    name: "maps in maps that are empty",
    chart: "flux-instance",
    values: {
      "instance.distribution.artifact": "oci://registry.example.com/manifests",
      "instance.distribution.verify": {
        provider: "cosign",
        secretRef: { name: "" },
        trustedRootSecretRef: { name: "root" },
        matchOIDCIdentity: [],
        images: false,
      },
      "instance.cluster.proxy": { http: "", https: "", noProxy: [] },
      "instance.commonMetadata.labels": { team: "platform", empty: "" },
      "instance.storage.class": "fast",
      "instance.sync.name": "fleet",
      "instance.wait": true,
    },
  },
  {
    name: "shards of v1alpha1",
    chart: "flux-instance",
    values: { "instance.shards": ["one"], "instance.components": ["source-controller"] },
  },
  {
    name: "a verified source",
    chart: "flux-instance",
    values: {
      "instance.sync.url": "https://example.com/fleet",
      "instance.sync.path": "./clusters/one",
      "instance.sync.provider": "github",
      "instance.sync.verify": { mode: "HEAD", secretRef: { name: "signers" } },
    },
  },
  {
    name: "a name and marks",
    chart: "flux-instance",
    values: { nameOverride: `${"a".repeat(62)}-b`, commonLabels: { team: "platform" } },
  },
];

const without = { "flux-operator": operatorValues.without, "flux-instance": instanceValues.without };

/** The cases of the charts without the values that the modules do not have; of those that come to the same, one. */
export const timoniCases: readonly ChartCase[] = [...chartCases, ...more]
  .map(withOurValues)
  .filter((one, index, all) => all.findIndex((other) => comesTo(other) === comesTo(one)) === index);

function withOurValues({ chart, values, ...others }: ChartCase): ChartCase {
  const kept = Object.entries(values).filter(([path]) => without[chart][path.split(".")[0] ?? ""] === undefined);
  return { chart, values: Object.fromEntries(kept), ...others };
}

function comesTo({ chart, values, options }: ChartCase): string {
  return JSON.stringify([chart, values, options]);
}

/** What Timoni's objects have instead of what Helm's have; undefined: nothing. */
const marks: { readonly [key: string]: (value: JsonValue) => readonly [string, JsonValue] | undefined } = {
  // It names the chart, and a module is none.
  "helm.sh/chart": () => undefined,
  "app.kubernetes.io/managed-by": (value) => ["app.kubernetes.io/managed-by", value === "Helm" ? "timoni" : value],
  // Each has its own word for an object that stays.
  "helm.sh/resource-policy": () => ["action.timoni.sh/prune", "disabled"],
};

/** An object that Helm has rendered, with Timoni's marks. */
export function asTimoni(object: KubeObject): KubeObject {
  return translated(object) as KubeObject;
}

function translated(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(translated);
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, member]) => {
      const mark = marks[key];
      const entry = mark === undefined ? ([key, translated(member)] as const) : mark(member);
      return entry === undefined ? [] : [entry];
    }),
  );
}

/** Values that CUE refuses, and what it says of them: the path of the value comes first. */
export const refusedByTimoni: readonly (Omit<ChartCase, "options"> & {
  readonly kubeVersion?: string;
  readonly says: RegExp;
})[] = [
  {
    name: "a value that does not exist",
    chart: "flux-operator",
    values: { "image.tagg": "v1" },
    says: /^values\.image\.tagg: field not allowed:$/m,
  },
  {
    name: "a word where true or false is expected",
    chart: "flux-operator",
    values: { installCRDs: "no" },
    says: /^values\.installCRDs: conflicting values "no" and bool/m,
  },
  {
    name: "a log level that does not exist",
    chart: "flux-operator",
    values: { logLevel: "warn" },
    says: /^values\.logLevel: conflicting values "info" and "warn"/m,
  },
  {
    name: "the uninstallation of the chart",
    chart: "flux-operator",
    values: { "uninstall.enabled": false },
    says: /^values\.uninstall: field not allowed:$/m,
  },
  {
    name: "a variable without a name",
    chart: "flux-operator",
    values: { extraEnvs: [{ value: "x" }] },
    says: /\.env\.2\.name: field is required but not present/,
  },
  {
    name: "a toleration whose key is a number",
    chart: "flux-operator",
    values: { tolerations: [{ key: 1 }] },
    says: /^values\.tolerations\.0\.key: conflicting values 1 and string/m,
  },
  {
    name: "a misspelt limit",
    chart: "flux-operator",
    values: { "resources.limts": { cpu: "1" } },
    says: /^values\.resources\.limts: field not allowed:$/m,
  },
  {
    name: "a misspelt probe",
    chart: "flux-operator",
    values: { "livenessProbe.httpGet.prt": 1 },
    says: /^values\.livenessProbe\.httpGet\.prt: field not allowed:$/m,
  },
  {
    name: "a volume that Kubernetes does not have",
    chart: "flux-operator",
    values: { fips: true, "fipsModule.disk": {} },
    says: /volumes\.1\.disk: field not allowed:$/m,
  },
  {
    name: "a Kubernetes that is too old",
    chart: "flux-operator",
    values: {},
    kubeVersion: "1.29.9",
    says: /clusterVersion\.minor: invalid value 29 \(out of bound >=30\)/,
  },
  {
    name: "a field of the spec that does not exist",
    chart: "flux-instance",
    values: { "instance.cluster.multiTenant": true },
    says: /^values\.instance\.cluster\.multiTenant: field not allowed:$/m,
  },
  {
    name: "a component that does not exist",
    chart: "flux-instance",
    values: { "instance.components": ["helm"] },
    says: /^values\.instance\.components\.0: conflicting values "helm-controller" and "helm"/m,
  },
  {
    name: "a patch without a patch",
    chart: "flux-instance",
    values: { "instance.kustomize.patches": [{ target: { kind: "Deployment" } }] },
    says: /\.spec\.kustomize\.patches\.0\.patch: field is required but not present/,
  },
  {
    name: "a size of a volume that is none",
    chart: "flux-instance",
    values: { "instance.storage.size": "big" },
    says: /^values\.instance\.storage\.size: invalid value "big" \(out of bound =~/m,
  },
  {
    name: "an instance without a registry",
    chart: "flux-instance",
    values: { "instance.distribution.registry": "" },
    says: /\.spec\.distribution\.registry: field is required but not present/,
  },
  {
    name: "another name than flux",
    chart: "flux-instance",
    values: { fullnameOverride: "prod" },
    says: /^values\.fullnameOverride: field not allowed:$/m,
  },
];
