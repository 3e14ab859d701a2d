import type { JsonObject, JsonValue } from "../../src/kube/object.ts";
import type { ChartName } from "./helm.ts";

/**
 * One value of the Go operator's charts, 0.49.0: its default there, and what our chart makes of `sample`. `same`: what is rendered changes. `ignored`:
 * nothing changes but the notes, which name the value. `refused`: the chart says why.
 */
export type GoChartValue = {
  readonly value: string;
  readonly default: JsonValue;
  readonly is: "same" | "ignored" | "refused";
  readonly sample: JsonValue;
  /** What else must be set before the value counts. */
  readonly with?: JsonObject;
  /** That an ignored value is not even told of: neither of its values asks for something. */
  readonly untold?: true;
  /** Our default, where it is another one. */
  readonly ours?: JsonValue;
};

const same = "same";
const ignored = "ignored";
const refused = "refused";

const linux = {
  nodeAffinity: {
    requiredDuringSchedulingIgnoredDuringExecution: {
      nodeSelectorTerms: [{ matchExpressions: [{ key: "kubernetes.io/os", operator: "In", values: ["linux"] }] }],
    },
  },
};
const terms = "nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms";
const linuxTerms = linux.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms;
const armTerms = [{ matchExpressions: [{ key: "kubernetes.io/arch", operator: "In", values: ["arm64"] }] }];
const toleration = [{ key: "dedicated", operator: "Exists" }];
const volume = [{ name: "certs", secret: { secretName: "certs" } }];
const mount = [{ name: "certs", mountPath: "/certs" }];
const monitored = { "serviceMonitor.create": true };
const prioritised = { "apiPriority.enabled": true };

const operator: readonly GoChartValue[] = [
  { value: `affinity.${terms}`, default: linuxTerms, is: same, sample: armTerms },
  { value: "apiPriority.enabled", default: false, is: same, sample: true },
  {
    value: "apiPriority.extraServiceAccounts",
    default: [],
    is: same,
    sample: [{ name: "kustomize-controller", namespace: "flux-system" }],
    with: prioritised,
  },
  { value: "apiPriority.level", default: "workload-high", is: same, sample: "system", with: prioritised },
  { value: "commonAnnotations", default: {}, is: same, sample: { team: "a" } },
  { value: "commonLabels", default: {}, is: same, sample: { team: "a" } },
  { value: "extraArgs", default: [], is: same, sample: ["--concurrent=5"] },
  { value: "extraEnvs", default: [], is: same, sample: [{ name: "HTTPS_PROXY", value: "http://proxy:3128" }] },
  { value: "extraVolumeMounts", default: [], is: same, sample: mount },
  { value: "extraVolumes", default: [], is: same, sample: volume },
  { value: "fullnameOverride", default: "", is: same, sample: "operator" },
  { value: "hostNetwork", default: false, is: same, sample: true },
  { value: "image.imagePullPolicy", default: "IfNotPresent", is: same, sample: "Always" },
  { value: "image.pullSecrets", default: [], is: same, sample: [{ name: "regcred" }] },
  {
    value: "image.repository",
    default: "ghcr.io/controlplaneio-fluxcd/flux-operator",
    is: same,
    sample: "registry.example.com/flux-operator",
  },
  { value: "image.tag", default: "", is: same, sample: "v9.9.9" },
  { value: "installCRDs", default: true, is: same, sample: false },
  { value: "livenessProbe.httpGet.path", default: "/healthz", is: same, sample: "/alive" },
  { value: "livenessProbe.httpGet.port", default: 8081, is: same, sample: 9081 },
  { value: "livenessProbe.initialDelaySeconds", default: 15, is: same, sample: 30 },
  { value: "livenessProbe.periodSeconds", default: 20, is: same, sample: 30 },
  { value: "logLevel", default: "info", is: same, sample: "debug" },
  { value: "marketplace.account", default: "", is: ignored, sample: "123" },
  { value: "marketplace.license", default: "", is: ignored, sample: "abc" },
  { value: "marketplace.type", default: "", is: ignored, sample: "aws" },
  { value: "multitenancy.defaultServiceAccount", default: "flux-operator", is: ignored, sample: "tenant" },
  {
    value: "multitenancy.defaultWorkloadIdentityServiceAccount",
    default: "flux-operator",
    is: ignored,
    sample: "tenant",
  },
  { value: "multitenancy.enabled", default: false, is: ignored, sample: true },
  { value: "multitenancy.enabledForWorkloadIdentity", default: false, is: ignored, sample: true },
  { value: "nameOverride", default: "", is: same, sample: "operator" },
  { value: "nodeSelector", default: {}, is: same, sample: { disk: "ssd" } },
  { value: "podSecurityContext", default: {}, is: same, sample: { fsGroup: 1337 } },
  { value: "priorityClassName", default: "", is: same, sample: "system-cluster-critical" },
  { value: "rbac.create", default: true, is: same, sample: false },
  { value: "rbac.createAggregation", default: true, is: same, sample: false },
  { value: "readinessProbe.httpGet.path", default: "/readyz", is: same, sample: "/ready" },
  { value: "readinessProbe.httpGet.port", default: 8081, is: same, sample: 9081 },
  { value: "readinessProbe.initialDelaySeconds", default: 5, is: same, sample: 30 },
  { value: "readinessProbe.periodSeconds", default: 10, is: same, sample: 30 },
  { value: "reporting.interval", default: "5m", is: ignored, sample: "10m" },
  { value: "resources.limits.cpu", default: "2000m", is: same, sample: "1" },
  { value: "resources.limits.memory", default: "1Gi", is: same, sample: "2Gi" },
  { value: "resources.requests.cpu", default: "100m", is: same, sample: "10m" },
  { value: "resources.requests.memory", default: "64Mi", ours: "128Mi", is: same, sample: "256Mi" },
  { value: "securityContext.allowPrivilegeEscalation", default: false, is: same, sample: true },
  { value: "securityContext.capabilities.drop", default: ["ALL"], is: same, sample: ["NET_RAW"] },
  { value: "securityContext.readOnlyRootFilesystem", default: true, is: same, sample: false },
  { value: "securityContext.runAsNonRoot", default: true, is: same, sample: false },
  { value: "securityContext.seccompProfile.type", default: "RuntimeDefault", is: same, sample: "Unconfined" },
  { value: "service.ipFamilyPolicy", default: "", is: same, sample: "PreferDualStack" },
  { value: "serviceAccount.automount", default: true, is: same, sample: false },
  { value: "serviceAccount.create", default: true, is: same, sample: false },
  { value: "serviceAccount.name", default: "", is: same, sample: "gitops" },
  { value: "serviceMonitor.create", default: false, is: same, sample: true },
  { value: "serviceMonitor.interval", default: "60s", is: same, sample: "15s", with: monitored },
  { value: "serviceMonitor.labels", default: {}, is: same, sample: { release: "prometheus" }, with: monitored },
  { value: "serviceMonitor.scrapeTimeout", default: "30s", is: same, sample: "10s", with: monitored },
  { value: "tolerations", default: [], is: same, sample: toleration },
  { value: "web.config", default: {}, is: ignored, sample: { baseURL: "https://flux.example.com" } },
  { value: "web.configSecretName", default: "", is: ignored, sample: "web" },
  { value: "web.enabled", default: true, is: ignored, sample: true },
  { value: "web.httpRoute.annotations", default: {}, is: ignored, sample: { a: "b" } },
  { value: "web.httpRoute.enabled", default: false, is: ignored, sample: true },
  { value: "web.httpRoute.hostnames", default: [], is: ignored, sample: ["flux.example.com"] },
  { value: "web.httpRoute.parentRefs", default: [], is: ignored, sample: [{ name: "gateway" }] },
  { value: "web.ingress.annotations", default: {}, is: ignored, sample: { a: "b" } },
  { value: "web.ingress.className", default: "", is: ignored, sample: "nginx" },
  { value: "web.ingress.enabled", default: false, is: ignored, sample: true },
  { value: "web.ingress.hosts", default: [], is: ignored, sample: [{ host: "flux.example.com" }] },
  { value: "web.ingress.tls", default: [], is: ignored, sample: [{ secretName: "tls" }] },
  { value: "web.networkPolicy.create", default: true, is: ignored, sample: false, untold: true },
  { value: "web.rbac.createAggregation", default: false, is: ignored, sample: true },
  { value: "web.rbac.createRoles", default: true, is: ignored, sample: false, untold: true },
  { value: "web.serverOnly", default: false, is: refused, sample: true },
  { value: "web.serverReplicas", default: 1, is: ignored, sample: 2 },
];

const checked = { "healthcheck.enabled": true };
const checkedAs = { "healthcheck.enabled": true, "healthcheck.serviceAccount.create": true };
const synced = { "instance.sync.url": "https://example.com/fleet", "instance.sync.path": "one" };
const sharded = { "instance.sharding.shards": ["one"] };
const stored = { "instance.storage.size": "10Gi" };

const instance: readonly GoChartValue[] = [
  { value: "commonAnnotations", default: {}, is: same, sample: { "fluxcd.controlplane.io/reconcileEvery": "5m" } },
  { value: "commonLabels", default: {}, is: same, sample: { team: "a" } },
  { value: "fullnameOverride", default: "flux", is: refused, sample: "other" },
  { value: `healthcheck.affinity.${terms}`, default: linuxTerms, is: same, sample: armTerms, with: checked },
  { value: "healthcheck.enabled", default: false, is: same, sample: true },
  { value: "healthcheck.envs", default: [], is: same, sample: [{ name: "A", value: "b" }], with: checked },
  { value: "healthcheck.extraArgs", default: [], is: same, sample: ["--context=other"], with: checked },
  { value: "healthcheck.hostNetwork", default: false, is: same, sample: true, with: checked },
  {
    value: "healthcheck.image.imagePullPolicy",
    default: "IfNotPresent",
    is: same,
    sample: "Always",
    with: checked,
  },
  { value: "healthcheck.image.pullSecrets", default: [], is: same, sample: [{ name: "regcred" }], with: checked },
  {
    value: "healthcheck.image.repository",
    default: "ghcr.io/controlplaneio-fluxcd/flux-operator-cli",
    ours: "ghcr.io/controlplaneio-fluxcd/flux-operator",
    is: refused,
    sample: "registry.example.com/flux-operator-cli",
  },
  { value: "healthcheck.image.tag", default: "", is: same, sample: "v9.9.9", with: checked },
  { value: "healthcheck.nodeSelector", default: {}, is: same, sample: { disk: "ssd" }, with: checked },
  { value: "healthcheck.podSecurityContext", default: {}, is: same, sample: { fsGroup: 1337 }, with: checked },
  { value: "healthcheck.resources.limits.cpu", default: "1000m", is: same, sample: "2", with: checked },
  { value: "healthcheck.resources.limits.memory", default: "1Gi", is: same, sample: "2Gi", with: checked },
  { value: "healthcheck.resources.requests.cpu", default: "100m", is: same, sample: "10m", with: checked },
  { value: "healthcheck.resources.requests.memory", default: "64Mi", is: same, sample: "32Mi", with: checked },
  {
    value: "healthcheck.securityContext.allowPrivilegeEscalation",
    default: false,
    is: same,
    sample: true,
    with: checked,
  },
  {
    value: "healthcheck.securityContext.capabilities.drop",
    default: ["ALL"],
    is: same,
    sample: ["NET_RAW"],
    with: checked,
  },
  {
    value: "healthcheck.securityContext.readOnlyRootFilesystem",
    default: true,
    is: same,
    sample: false,
    with: checked,
  },
  { value: "healthcheck.securityContext.runAsNonRoot", default: true, is: same, sample: false, with: checked },
  {
    value: "healthcheck.securityContext.seccompProfile.type",
    default: "RuntimeDefault",
    is: same,
    sample: "Unconfined",
    with: checked,
  },
  { value: "healthcheck.serviceAccount.automount", default: true, is: same, sample: false, with: checkedAs },
  { value: "healthcheck.serviceAccount.create", default: false, is: same, sample: true, with: checked },
  { value: "healthcheck.serviceAccount.name", default: "flux-operator", is: same, sample: "checker", with: checked },
  { value: "healthcheck.timeout", default: "5m", ours: "4m", is: same, sample: "10m", with: checked },
  { value: "healthcheck.tolerations", default: [], is: same, sample: toleration, with: checked },
  { value: "healthcheck.volumeMounts", default: [], is: same, sample: mount, with: checked },
  { value: "healthcheck.volumes", default: [], is: same, sample: volume, with: checked },
  { value: "instance.cluster.domain", default: "cluster.local", is: same, sample: "example.internal" },
  { value: "instance.cluster.multitenant", default: false, is: same, sample: true },
  { value: "instance.cluster.networkPolicy", default: true, is: same, sample: false },
  { value: "instance.cluster.size", default: "", is: same, sample: "medium" },
  { value: "instance.cluster.tenantDefaultServiceAccount", default: "default", is: same, sample: "tenant" },
  { value: "instance.cluster.type", default: "kubernetes", is: same, sample: "openshift" },
  { value: "instance.commonMetadata.annotations", default: {}, is: same, sample: { a: "b" } },
  { value: "instance.commonMetadata.labels", default: {}, is: same, sample: { a: "b" } },
  {
    value: "instance.components",
    default: ["source-controller", "kustomize-controller", "helm-controller", "notification-controller"],
    is: same,
    sample: ["source-controller"],
  },
  {
    value: "instance.distribution.artifact",
    default: "oci://ghcr.io/controlplaneio-fluxcd/flux-operator-manifests:latest",
    ours: "",
    is: same,
    sample: "oci://registry.example.com/manifests:latest",
  },
  { value: "instance.distribution.artifactPullSecret", default: "", is: same, sample: "regcred" },
  { value: "instance.distribution.imagePullSecret", default: "", is: same, sample: "regcred" },
  { value: "instance.distribution.registry", default: "ghcr.io/fluxcd", is: same, sample: "registry.example.com/flux" },
  { value: "instance.distribution.variant", default: "", is: same, sample: "upstream-alpine" },
  { value: "instance.distribution.version", default: "2.x", is: same, sample: "2.8.x" },
  {
    value: "instance.kustomize.patches",
    default: [],
    is: same,
    sample: [{ patch: "- op: remove\n  path: /spec/replicas\n", target: { kind: "Deployment" } }],
  },
  {
    value: "instance.sharding.key",
    default: "sharding.fluxcd.io/key",
    is: same,
    sample: "example.com/shard",
    with: sharded,
  },
  { value: "instance.sharding.shards", default: [], is: same, sample: ["one", "two"] },
  { value: "instance.storage.class", default: "", is: same, sample: "fast", with: stored },
  { value: "instance.storage.size", default: "", is: same, sample: "10Gi" },
  { value: "instance.sync.interval", default: "1m", is: same, sample: "5m", with: synced },
  { value: "instance.sync.kind", default: "GitRepository", is: same, sample: "Bucket", with: synced },
  { value: "instance.sync.name", default: "", is: same, sample: "fleet", with: synced },
  { value: "instance.sync.path", default: "", is: same, sample: "two", with: synced },
  { value: "instance.sync.provider", default: "", is: same, sample: "azure", with: synced },
  { value: "instance.sync.pullSecret", default: "", is: same, sample: "git", with: synced },
  { value: "instance.sync.ref", default: "", is: same, sample: "refs/heads/main", with: synced },
  { value: "instance.sync.url", default: "", is: same, sample: "https://example.com/fleet" },
  { value: "nameOverride", default: "", is: same, sample: "other" },
];

/** Every value of both charts. */
export const goChartValues: { readonly [chart in ChartName]: readonly GoChartValue[] } = {
  "flux-operator": operator,
  "flux-instance": instance,
};
