import type { JsonObject } from "../../src/kube/object.ts";
import type { ChartName, RenderOptions } from "./helm.ts";

/** Values of a chart as users set them. */
export type ChartCase = {
  readonly name: string;
  readonly chart: ChartName;
  readonly values: JsonObject;
  readonly options?: RenderOptions;
};

const proxy = [{ name: "HTTPS_PROXY", value: "http://proxy:3128" }];

/** What is rendered by both Helms, and looked at by a real API server. */
export const chartCases: readonly ChartCase[] = [
  { name: "nothing but defaults", chart: "flux-operator", values: {} },
  { name: "another release name", chart: "flux-operator", values: {}, options: { release: "gitops" } },
  { name: "another namespace", chart: "flux-operator", values: {}, options: { namespace: "gitops" } },
  {
    name: "names that look like numbers",
    chart: "flux-operator",
    values: { nameOverride: "1e3", "image.tag": "1", commonLabels: { year: "2026" }, "apiPriority.enabled": true },
    options: { namespace: "123", release: "456" },
  },
  { name: "no CRD", chart: "flux-operator", values: { installCRDs: false } },
  { name: "rights of others", chart: "flux-operator", values: { "rbac.create": false } },
  {
    name: "cluster roles of Flux in the release",
    chart: "flux-operator",
    values: { "rbac.external": true },
    options: { namespace: "gitops" },
  },
  { name: "no policy for the network", chart: "flux-operator", values: { "networkPolicy.create": false } },
  { name: "no aggregation", chart: "flux-operator", values: { "rbac.createAggregation": false } },
  {
    name: "a service account of others",
    chart: "flux-operator",
    values: { "serviceAccount.create": false, "serviceAccount.name": "gitops" },
  },
  {
    name: "an image by digest with pull secrets",
    chart: "flux-operator",
    values: {
      "image.repository": "registry.example.com/flux-operator",
      "image.tag": `v1@sha256:${"a".repeat(64)}`,
      "image.pullSecrets": [{ name: "regcred" }],
    },
  },
  {
    name: "a proxy with its certificate",
    chart: "flux-operator",
    values: {
      extraEnvs: proxy,
      extraVolumes: [{ name: "certs", secret: { secretName: "certs" } }],
      extraVolumeMounts: [{ name: "certs", mountPath: "/certs", readOnly: true }],
    },
  },
  {
    name: "a place for the pods",
    chart: "flux-operator",
    values: {
      nodeSelector: { pool: "system" },
      tolerations: [{ key: "CriticalAddonsOnly", operator: "Exists" }],
      priorityClassName: "system-cluster-critical",
      affinity: null,
    },
  },
  { name: "the network of the node", chart: "flux-operator", values: { hostNetwork: true } },
  {
    name: "arguments",
    chart: "flux-operator",
    values: { logLevel: "debug", extraArgs: ["--concurrent=5", "--override-manager=argocd"] },
  },
  { name: "FIPS mode, with the provider in the image", chart: "flux-operator", values: { fips: true } },
  {
    name: "FIPS mode, with the provider in a volume",
    chart: "flux-operator",
    values: { fips: true, "fipsModule.persistentVolumeClaim": { claimName: "fips" } },
  },
  {
    name: "marks on all objects",
    chart: "flux-operator",
    values: { commonLabels: { team: "platform" }, commonAnnotations: { "example.com/owner": "platform" } },
  },
  {
    name: "a priority level",
    chart: "flux-operator",
    values: {
      "apiPriority.enabled": true,
      "apiPriority.extraServiceAccounts": [{ name: "kustomize-controller" }, { name: "other", namespace: "elsewhere" }],
    },
  },
  {
    name: "no uninstall, two IP families",
    chart: "flux-operator",
    values: { "uninstall.enabled": false, "service.ipFamilyPolicy": "PreferDualStack" },
  },
  { name: "a long uninstall", chart: "flux-operator", values: { "uninstall.timeout": "1h30m" } },
  { name: "nothing but defaults", chart: "flux-instance", values: {} },
  {
    name: "all empty, as the Go operator's chart writes it",
    chart: "flux-instance",
    values: {
      "instance.distribution.artifact": "",
      "instance.distribution.variant": "",
      "instance.cluster.size": "",
      "instance.cluster.domain": "",
      "instance.components": [],
      "instance.sharding.key": "",
    },
  },
  {
    name: "sync from Git",
    chart: "flux-instance",
    values: {
      "instance.sync.url": "https://example.com/fleet",
      "instance.sync.ref": "refs/heads/main",
      "instance.sync.path": "clusters/one",
      "instance.sync.pullSecret": "git",
    },
  },
  {
    name: "sync without a path, with a map as reference",
    chart: "flux-instance",
    values: {
      "instance.sync.kind": "OCIRepository",
      "instance.sync.url": "oci://example.com/fleet",
      "instance.sync.ref": { semver: "1.x" },
    },
  },
  {
    name: "shards",
    chart: "flux-instance",
    values: {
      "instance.sharding.shards": ["one", "two"],
      "instance.sharding.storage": "persistent",
      "instance.storage.class": "fast",
      "instance.storage.size": "10Gi",
    },
  },
  { name: "a volume of the default class", chart: "flux-instance", values: { "instance.storage.size": "10Gi" } },
  {
    name: "fields that only this operator has",
    chart: "flux-instance",
    values: {
      "instance.wait": false,
      "instance.upgrade.windows": [{ schedule: "0 3 * * 6", duration: "2h", timeZone: "Europe/Berlin" }],
      "instance.upgrade.paused": true,
      "instance.deletionPolicy": "KeepResources",
      "instance.driftIgnore": [{ target: { kind: "Deployment" }, paths: ["/spec/replicas"] }],
      "instance.kustomize.strict": true,
      "instance.kustomize.patches": [{ patch: "- op: remove\n  path: /a\n", target: { kind: "Job", name: "" } }],
    },
  },
  {
    name: "a tenancy with identities",
    chart: "flux-instance",
    values: {
      "instance.cluster.type": "azure",
      "instance.cluster.multitenant": true,
      "instance.cluster.tenantDefaultServiceAccount": "tenant",
      "instance.cluster.identities": [
        {
          components: ["source-controller"],
          azure: { clientID: "00000000-0000-0000-0000-000000000000" },
        },
      ],
    },
  },
  {
    name: "a health check",
    chart: "flux-instance",
    values: {
      "healthcheck.enabled": true,
      "healthcheck.timeout": "90s",
      "healthcheck.envs": proxy,
      commonAnnotations: { "fluxcd.controlplane.io/reconcileEvery": "30m" },
    },
  },
  {
    name: "a health check, and names that look like numbers",
    chart: "flux-instance",
    values: { "healthcheck.enabled": true, "healthcheck.image.tag": "1", nameOverride: "1e3" },
    options: { namespace: "123", release: "456" },
  },
  {
    name: "a health check with a service account of its own",
    chart: "flux-instance",
    values: {
      "healthcheck.enabled": true,
      "healthcheck.serviceAccount.create": true,
      "healthcheck.serviceAccount.name": "flux-healthcheck",
    },
  },
  {
    name: "a health check alone",
    chart: "flux-instance",
    values: {
      createInstance: false,
      "healthcheck.enabled": true,
      "healthcheck.serviceAccount.create": true,
      "healthcheck.serviceAccount.name": "flux-ready",
    },
  },
];

/** Values that are refused, by the schema or by the chart, and what is said of them. */
export const refusedValues: readonly (ChartCase & { readonly says: RegExp })[] = [
  {
    name: "a value that does not exist",
    chart: "flux-operator",
    values: { "image.tagg": "v1" },
    says: /at '\/image': additional properties 'tagg' not allowed/,
  },
  {
    name: "a word where true or false is expected",
    chart: "flux-operator",
    values: { installCRDs: "no" },
    says: /at '\/installCRDs': got string, want boolean/,
  },
  {
    name: "a log level that does not exist",
    chart: "flux-operator",
    values: { logLevel: "warn" },
    says: /at '\/logLevel': value must be one of 'trace', 'debug', 'info', 'error'/,
  },
  {
    name: "a time limit that is no duration",
    chart: "flux-operator",
    values: { "uninstall.timeout": "soon" },
    says: /at '\/uninstall\/timeout': 'soon' does not match pattern/,
  },
  {
    name: "a field of the spec that does not exist",
    chart: "flux-instance",
    values: { "instance.cluster.multiTenant": true },
    says: /at '\/instance\/cluster': additional properties 'multiTenant' not allowed/,
  },
  {
    name: "a component that does not exist",
    chart: "flux-instance",
    values: { "instance.components": ["helm"] },
    says: /at '\/instance\/components\/0': value must be one of/,
  },
  {
    name: "a patch without a patch",
    chart: "flux-instance",
    values: { "instance.kustomize.patches": [{ target: { kind: "Deployment" } }] },
    says: /at '\/instance\/kustomize\/patches\/0': missing property 'patch'/,
  },
  {
    name: "a size of a volume that is none",
    chart: "flux-instance",
    values: { "instance.storage.size": "big" },
    says: /at '\/instance\/storage\/size': 'big' does not match pattern/,
  },
  {
    name: "another name than flux",
    chart: "flux-instance",
    values: { fullnameOverride: "prod" },
    says: /fullnameOverride: a cluster has one FluxInstance, and its name is flux; remove the value/,
  },
];
