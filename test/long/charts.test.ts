import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { rolesForOthers } from "../../scripts/manifests/instance.ts";
import { operatorObjects } from "../../scripts/manifests/operator.ts";
import { grafanaDashboard } from "../../scripts/monitoring/dashboard.ts";
import { prometheusRule } from "../../scripts/monitoring/objects.ts";
import { rulesOf } from "../../scripts/rights/policy-rule.ts";
import { renderedIn } from "../../scripts/rights/rendered.ts";
import { rightsFor } from "../../scripts/rights/rights.ts";
import { fluxInstanceCrd } from "../../src/api/crd.ts";
import { createApiClient, type OwnedApiClient } from "../../src/client/create-client.ts";
import { loadConnection } from "../../src/client/load-connection.ts";
import { fieldsOf, textOf } from "../../src/kube/fields.ts";
import type { JsonObject, KubeObject } from "../../src/kube/object.ts";
import { systemClock } from "../../src/std/clock.ts";
import { operatorVersion } from "../../src/std/version.ts";
import { chartCases, refusedValues } from "../support/chart-cases.ts";
import { startControlPlane, type ControlPlane } from "../support/control-plane.ts";
import {
  chartFolder,
  helm,
  helmDone,
  helmVersions,
  objectsIn,
  rendered,
  setArgs,
  type ChartName,
} from "../support/helm.ts";
import { startRegistry } from "../support/registry.ts";

const never = new AbortController().signal;
const chartNames: readonly ChartName[] = ["flux-operator", "flux-instance"];
/** What Helm calls Kubernetes' version without a cluster depends on how Helm was built. */
const kubeVersion = ["--kube-version", "1.33.0"];
let plane: ControlPlane;
let client: OwnedApiClient;

before(async () => {
  plane = await startControlPlane({ variant: "light" });
  const connection = await loadConnection({ kubeconfig: plane.kubeconfigPath, env: {}, clock: systemClock });
  client = createApiClient({ connection, userAgent: "test", clock: systemClock });
  await plane.rest.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", fluxInstanceCrd());
  for (const name of ["flux-system", "gitops", "123"]) {
    const labels = { "pod-security.kubernetes.io/enforce": "restricted" };
    await plane.rest.create("/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name, labels } });
  }
});
after(async () => {
  await client.close();
  await plane.stop();
});

const kindOf = ({ kind, metadata }: KubeObject): string => `${kind}/${metadata.name}`;
const find = (objects: readonly KubeObject[], kind: string): KubeObject => {
  const found = objects.find((object) => object.kind === kind);
  assert.ok(found, `there is a ${kind}`);
  return found;
};
const sorted = (all: readonly KubeObject[]): readonly string[] => all.map((one) => JSON.stringify(one)).toSorted();
const specOf = (object: KubeObject): JsonObject => fieldsOf(object["spec"]);

for (const version of helmVersions)
  for (const chart of chartNames)
    test(`${version} lints ${chart} without a warning`, async () => {
      const said = await helmDone(version, ["lint", "--strict", chartFolder(chart), ...kubeVersion]);
      assert.doesNotMatch(said, /WARNING|ERROR/);
    });

for (const { name, chart, values, options } of chartCases)
  test(`${chart} with ${name}: both Helms render the same, and the API server takes it`, async () => {
    const { objects, hooks } = await rendered(chart, values, options);
    const { release = chart === "flux-operator" ? "flux-operator" : "flux", namespace = "flux-system" } = options ?? {};
    const args = ["template", release, chartFolder(chart), "-n", namespace, ...kubeVersion, ...setArgs(values)];
    const byHelm3 = objectsIn(await helmDone("helm", args));
    assert.deepEqual(sorted(byHelm3), sorted([...objects, ...hooks]));
    for (const object of byHelm3) {
      const answer = await client.apply(object, { fieldManager: "helm", dryRun: true }, never);
      assert.equal(kindOf(answer), kindOf(object));
    }
  });

for (const { name, chart, values, says } of refusedValues)
  for (const version of helmVersions)
    test(`${chart} with ${name} is refused by ${version}, which says where`, async () => {
      const args = ["template", "flux", chartFolder(chart), ...kubeVersion, ...setArgs(values)];
      const { exitCode, stderr } = await helm(version, args);
      assert.equal(exitCode, 1);
      assert.match(stderr, says);
    });

test("flux-operator renders these objects by default", async () => {
  const { objects, hooks } = await rendered("flux-operator", {});
  // The rules of a namespace are generated with those of the cluster, and may be in these.
  const isApart = existsSync(join(chartFolder("flux-operator"), "files/namespace-rules.yaml"));
  assert.deepEqual(objects.map(kindOf).toSorted(), [
    "ClusterRole/flux-operator-edit",
    "ClusterRole/flux-operator-manager",
    "ClusterRole/flux-operator-view",
    "ClusterRoleBinding/flux-operator-manager",
    "CustomResourceDefinition/fluxinstances.fluxcd.controlplane.io",
    "Deployment/flux-operator",
    "NetworkPolicy/flux-operator",
    ...(isApart ? ["Role/flux-operator-manager", "RoleBinding/flux-operator-manager"] : []),
    "Service/flux-operator",
    "ServiceAccount/flux-operator",
  ]);
  assert.deepEqual(hooks.map(kindOf).toSorted(), [
    "Job/flux-operator-uninstall",
    "Role/flux-operator-uninstall",
    "RoleBinding/flux-operator-uninstall",
  ]);
});

test("flux-operator brings the alerts and the dashboard of packaging/monitoring when it is asked to", async () => {
  const values = { "prometheusRule.create": true, "prometheusRule.labels": { release: "p" }, "dashboard.create": true };
  const { objects } = await rendered("flux-operator", values);
  const [rule, dashboard] = [find(objects, "PrometheusRule"), find(objects, "ConfigMap")];
  assert.deepEqual([rule.metadata.labels?.["release"], dashboard.metadata.labels?.["grafana_dashboard"]], ["p", "1"]);
  assert.deepEqual(rule["spec"], prometheusRule["spec"]);
  assert.deepEqual(JSON.parse(textOf(fieldsOf(dashboard["data"])["flux-operator.json"])), grafanaDashboard());
});

test("flux-operator with a ServiceMonitor has Prometheus find the metrics port by the labels of the Service", async () => {
  const values = { "serviceMonitor.create": true, "serviceMonitor.labels": { release: "prometheus" } };
  const { objects } = await rendered("flux-operator", values);
  const monitor = find(objects, "ServiceMonitor");
  const selector = { "app.kubernetes.io/name": "flux-operator", "app.kubernetes.io/instance": "flux-operator" };
  assert.deepEqual(monitor["spec"], {
    namespaceSelector: { matchNames: ["flux-system"] },
    selector: { matchLabels: selector },
    endpoints: [{ port: "http-metrics", path: "/metrics", interval: "60s", scrapeTimeout: "30s" }],
  });
  assert.equal(monitor.metadata.labels?.["release"], "prometheus");
  const { labels } = find(objects, "Service").metadata;
  assert.deepEqual({ ...labels, ...selector }, labels);
});

test("flux-operator has the policy for the network that install.yaml has", async () => {
  const { objects } = await rendered("flux-operator", {});
  assert.deepEqual(
    find(objects, "NetworkPolicy")["spec"],
    find(operatorObjects("flux-system", []), "NetworkPolicy")["spec"],
  );
});

test("flux-operator with external cluster roles has those of Flux, and an operator that writes none", async () => {
  const namespace = "gitops";
  const { objects } = await rendered("flux-operator", { "rbac.external": true }, { namespace });
  const rights = rightsFor(renderedIn(namespace), "external");
  const rulesIn = (kind: string) => objects.find((one) => kindOf(one) === `${kind}/flux-operator-manager`)?.["rules"];
  assert.deepEqual(rulesIn("ClusterRole"), rulesOf(rights, "cluster"));
  assert.deepEqual(rulesIn("Role"), rulesOf(rights, "namespace"));
  const ofFlux = rolesForOthers().map((role) => JSON.stringify(role).replaceAll("flux-system", namespace));
  const all = new Set(objects.map((object) => JSON.stringify(object)));
  assert.ok(ofFlux.length > 0);
  assert.deepEqual(
    ofFlux.filter((role) => !all.has(role)),
    [],
  );
});

test("flux-operator has the generated CRD, kept on uninstall", async () => {
  const crd = find((await rendered("flux-operator", {})).objects, "CustomResourceDefinition");
  assert.deepEqual(crd["spec"], fluxInstanceCrd()["spec"]);
  assert.deepEqual(crd.metadata.annotations, { "helm.sh/resource-policy": "keep" });
});

const securityContext = {
  runAsNonRoot: true,
  readOnlyRootFilesystem: true,
  allowPrivilegeEscalation: false,
  capabilities: { drop: ["ALL"] },
  seccompProfile: { type: "RuntimeDefault" },
};
const operatorResources = { limits: { cpu: "2000m", memory: "1Gi" }, requests: { cpu: "100m", memory: "128Mi" } };
const image = `ghcr.io/controlplaneio-fluxcd/flux-operator:v${operatorVersion}`;
const linux = { key: "kubernetes.io/os", operator: "In", values: ["linux"] };
const affinity = {
  nodeAffinity: {
    requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions: [linux] }] },
  },
};

test("flux-operator's Deployment, whole", async () => {
  const { metadata, spec } = find((await rendered("flux-operator", {})).objects, "Deployment");
  const selector = { "app.kubernetes.io/name": "flux-operator", "app.kubernetes.io/instance": "flux-operator" };
  const labels = {
    ...selector,
    "app.kubernetes.io/part-of": "flux-operator",
    "app.kubernetes.io/version": `v${operatorVersion}`,
    "app.kubernetes.io/managed-by": "Helm",
    "helm.sh/chart": `flux-operator-${operatorVersion}`,
  };
  assert.deepEqual(metadata, { name: "flux-operator", namespace: "flux-system", labels });
  assert.deepEqual(spec, {
    replicas: 1,
    revisionHistoryLimit: 3,
    strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
    selector: { matchLabels: selector },
    template: {
      metadata: { labels, annotations: { "kubectl.kubernetes.io/default-container": "manager" } },
      spec: {
        serviceAccountName: "flux-operator",
        affinity,
        terminationGracePeriodSeconds: 15,
        containers: [
          {
            name: "manager",
            image,
            imagePullPolicy: "IfNotPresent",
            args: ["--log-level=info", "--log-encoding=json", "--enable-leader-election=true"],
            env: [
              { name: "RUNTIME_NAMESPACE", valueFrom: { fieldRef: { fieldPath: "metadata.namespace" } } },
              { name: "RUNTIME_POD_UID", valueFrom: { fieldRef: { fieldPath: "metadata.uid" } } },
            ],
            ports: [
              { name: "http-metrics", containerPort: 8080, protocol: "TCP" },
              { name: "http-health", containerPort: 8081, protocol: "TCP" },
            ],
            livenessProbe: {
              httpGet: { path: "/healthz", port: 8081 },
              initialDelaySeconds: 15,
              periodSeconds: 20,
            },
            readinessProbe: { httpGet: { path: "/readyz", port: 8081 }, initialDelaySeconds: 5, periodSeconds: 10 },
            resources: operatorResources,
            securityContext,
            volumeMounts: [{ name: "tmp", mountPath: "/tmp" }],
          },
        ],
        volumes: [{ name: "tmp", emptyDir: {} }],
      },
    },
  });
});

test("flux-operator's uninstall Job runs the command line of the operator's image, and gives up before Helm does", async () => {
  const { hooks } = await rendered("flux-operator", {}, { namespace: "gitops" });
  const spec = specOf(find(hooks, "Job"));
  assert.deepEqual(spec, {
    backoffLimit: 0,
    activeDeadlineSeconds: 285,
    template: {
      metadata: {
        labels: {
          "app.kubernetes.io/name": "flux-operator-uninstall",
          "app.kubernetes.io/instance": "flux-operator",
        },
      },
      spec: {
        serviceAccountName: "flux-operator",
        affinity,
        restartPolicy: "Never",
        containers: [
          {
            name: "uninstall",
            image,
            imagePullPolicy: "IfNotPresent",
            command: ["/nodejs/bin/node", "--openssl-config=/dev/null", "/app/flux-operator.mjs"],
            args: ["delete", "instance", "flux", "--namespace=gitops", "--timeout=4m"],
            resources: operatorResources,
            securityContext,
            volumeMounts: [{ name: "tmp", mountPath: "/tmp" }],
          },
        ],
        volumes: [{ name: "tmp", emptyDir: {} }],
      },
    },
  });
});

test("flux-operator on the network of the node never has two pods there at once", async () => {
  const { objects } = await rendered("flux-operator", { hostNetwork: true });
  const { strategy } = specOf(find(objects, "Deployment"));
  assert.deepEqual(strategy, { type: "RollingUpdate", rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } });
});

const names = [
  { release: "flux-operator", values: {}, want: "flux-operator" },
  { release: "gitops", values: {}, want: "gitops-flux-operator" },
  { release: "my-flux-operator", values: {}, want: "my-flux-operator" },
  { release: "gitops", values: { nameOverride: "installer" }, want: "gitops-installer" },
  { release: "gitops", values: { fullnameOverride: "installer" }, want: "installer" },
];
for (const { release, values, want } of names)
  test(`flux-operator as release ${release} with ${JSON.stringify(values)} is named ${want}`, async () => {
    const { objects } = await rendered("flux-operator", values, { release });
    assert.equal(find(objects, "Deployment").metadata.name, want);
  });

test("all pods of both charts satisfy the Pod Security Standard restricted", async () => {
  const [operator, instance] = [
    await rendered("flux-operator", {}),
    await rendered("flux-instance", { "healthcheck.enabled": true }),
  ];
  const owners = [find(operator.objects, "Deployment"), find(operator.hooks, "Job"), find(instance.hooks, "Job")];
  await plane.rest.create("/api/v1/namespaces/flux-system/serviceaccounts", {
    apiVersion: "v1",
    kind: "ServiceAccount",
    metadata: { name: "flux-operator" },
  });
  for (const owner of owners) {
    const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "one", namespace: "flux-system" } };
    const answer = await client.create(
      { ...pod, spec: fieldsOf(specOf(owner)["template"])["spec"] ?? {} },
      { fieldManager: "test", dryRun: true },
      never,
    );
    assert.equal(answer.kind, "Pod");
  }
});

const distribution = { version: "2.x", registry: "ghcr.io/fluxcd" };
const components = ["source-controller", "kustomize-controller", "helm-controller", "notification-controller"];
const cluster = {
  type: "kubernetes",
  domain: "cluster.local",
  networkPolicy: true,
  multitenant: false,
  tenantDefaultServiceAccount: "default",
};
const defaults = { distribution, components, cluster };
const { domain: _, ...withoutDomain } = cluster;
const specs: { readonly [name: string]: JsonObject } = {
  "nothing but defaults": defaults,
  "all empty, as the Go operator's chart writes it": { distribution, cluster: withoutDomain },
  "sync from Git": {
    ...defaults,
    sync: {
      kind: "GitRepository",
      url: "https://example.com/fleet",
      ref: "refs/heads/main",
      path: "clusters/one",
      interval: "1m",
      pullSecret: "git",
    },
  },
  "sync without a path, with a map as reference": {
    ...defaults,
    sync: {
      kind: "OCIRepository",
      url: "oci://example.com/fleet",
      ref: { semver: "1.x" },
      path: "",
      interval: "1m",
    },
  },
  shards: {
    ...defaults,
    sharding: { key: "sharding.fluxcd.io/key", shards: ["one", "two"], storage: "persistent" },
    storage: { class: "fast", size: "10Gi" },
  },
  "a volume of the default class": { ...defaults, storage: { class: "", size: "10Gi" } },
  "fields that only this operator has": {
    ...defaults,
    wait: false,
    upgrade: { windows: [{ schedule: "0 3 * * 6", duration: "2h", timeZone: "Europe/Berlin" }], paused: true },
    deletionPolicy: "KeepResources",
    driftIgnore: [{ target: { kind: "Deployment" }, paths: ["/spec/replicas"] }],
    kustomize: {
      strict: true,
      patches: [{ patch: "- op: remove\n  path: /a\n", target: { kind: "Job", name: "" } }],
    },
  },
};
for (const [name, want] of Object.entries(specs))
  test(`flux-instance with ${name}: the spec, whole`, async () => {
    const found = chartCases.find((one) => one.chart === "flux-instance" && one.name === name);
    assert.ok(found, "there is such a case");
    const { objects } = await rendered("flux-instance", found.values);
    const { metadata, spec } = find(objects, "FluxInstance");
    assert.deepEqual([metadata.namespace, metadata.name], ["flux-system", "flux"]);
    assert.deepEqual(spec, want);
  });

test("flux-instance without the instance waits for that of another tool, and says nothing of it", async () => {
  const found = chartCases.find(({ name }) => name === "a health check alone");
  const { objects, hooks, notes } = await rendered("flux-instance", found?.values ?? {});
  const [account, ...rights] = ["ServiceAccount/flux-ready", "Role/flux-healthcheck", "RoleBinding/flux-healthcheck"];
  assert.deepEqual(objects.map(kindOf).toSorted(), [...rights, account]);
  assert.deepEqual(hooks.map(kindOf), ["Job/flux-healthcheck"]);
  assert.equal(notes.trim(), "");
});

for (const version of helmVersions)
  test(`${version} pushes both charts to a registry, and pulls and renders what it pushed`, async () => {
    await using registry = await startRegistry({ kind: "open" }, never);
    const folder = await mkdtemp(join(tmpdir(), "charts-"));
    try {
      await helmDone(version, ["package", ...chartNames.map(chartFolder), "--destination", folder]);
      for (const chart of chartNames) {
        const place = `oci://${registry.host}/charts`;
        const file = `${chart}-${operatorVersion}.tgz`;
        await helmDone(version, ["push", join(folder, file), place, "--plain-http"]);
        await rm(join(folder, file));
        await helmDone(version, ["pull", `${place}/${chart}`, "--plain-http", "--destination", folder]);
        const render = (from: readonly string[]) =>
          helmDone(version, ["template", "flux", ...from, "-n", "flux-system", ...kubeVersion]);
        const remote = await render([`${place}/${chart}`, "--version", operatorVersion, "--plain-http"]);
        assert.equal(remote, await render([chartFolder(chart)]));
        assert.equal(await render([join(folder, file)]), remote);
      }
      assert.deepEqual(
        (await readdir(folder)).toSorted(),
        chartNames.map((chart) => `${chart}-${operatorVersion}.tgz`).toSorted(),
      );
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
