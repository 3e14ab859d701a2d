import assert from "node:assert/strict";
import { test } from "node:test";
import { contextOf, releaseOf, smallDeployment, specOf } from "../../../test/support/small-release.ts";
import type { ClusterSpec, Component } from "../../api/spec.ts";
import { fieldsOf } from "../../kube/fields.ts";
import type { KubeObject } from "../../kube/object.ts";
import { managerOf, podSpec, podTemplate } from "../deployment.ts";
import type { Draft, Stage } from "../draft.ts";
import { readField, setField } from "../edit.ts";
import { acceptExternalArtifacts } from "./accept-external-artifacts.ts";
import { configureControllers } from "./configure-controllers.ts";
import { fitClusterType } from "./fit-cluster-type.ts";
import { fitSize } from "./fit-size.ts";
import { lockDown } from "./lock-down.ts";

const every: readonly Component[] = [
  "source-controller",
  "kustomize-controller",
  "helm-controller",
  "notification-controller",
  "source-watcher",
];

/** Flags and resources by component that `stage` leaves of a Deployment without any. */
function changed(stage: Stage, cluster: Partial<ClusterSpec>, components = every) {
  const drafts = components.map((component) => ({ object: smallDeployment(component, []), component }));
  const context = contextOf(specOf({ cluster, components }), releaseOf("2.9.4"));
  return Object.fromEntries(
    stage(drafts, context).map(({ object }) => {
      const { args, resources } = managerOf(object) ?? {};
      return [object.metadata.name, resources === undefined ? args : { args, resources }];
    }),
  );
}
const quantities = (requests: string, limits: string) => {
  const [requestCpu, requestMemory] = requests.split("/");
  const [cpu, memory] = limits.split("/");
  return { requests: { cpu: requestCpu, memory: requestMemory }, limits: { cpu, memory } };
};
const small = quantities("100m/64Mi", "1000m/512Mi");
const cache = (size: number) => [
  `--helm-cache-max-size=${size}`,
  "--helm-cache-ttl=720m",
  "--helm-cache-purge-interval=60m",
];

for (const { name, stage, cluster, want } of [
  {
    name: "fitSize() sizes every controller of a small cluster",
    stage: fitSize,
    cluster: { size: "small" as const },
    want: {
      "source-controller": { args: cache(10), resources: small },
      "kustomize-controller": { args: ["--concurrent=5", "--requeue-dependency=10s"], resources: small },
      "helm-controller": { args: ["--concurrent=5", "--requeue-dependency=10s"], resources: small },
      "notification-controller": { args: [], resources: small },
      "source-watcher": { args: [], resources: small },
    },
  },
  {
    name: "fitSize() sizes the busy controllers of a large cluster",
    stage: fitSize,
    cluster: { size: "large" as const },
    want: {
      "source-controller": {
        args: [...cache(100), "--concurrent=10"],
        resources: quantities("100m/256Mi", "2000m/2Gi"),
      },
      "kustomize-controller": {
        args: ["--concurrent=20", "--requeue-dependency=5s"],
        resources: quantities("100m/256Mi", "3000m/3Gi"),
      },
      "helm-controller": {
        args: ["--concurrent=20", "--requeue-dependency=5s"],
        resources: quantities("100m/256Mi", "3000m/3Gi"),
      },
      "notification-controller": [],
      "source-watcher": [],
    },
  },
  {
    name: "lockDown() keeps tenants apart",
    stage: lockDown,
    cluster: { multitenant: true, tenantDefaultServiceAccount: "t" },
    want: {
      "source-controller": [],
      "kustomize-controller": [
        "--no-cross-namespace-refs=true",
        "--no-remote-bases=true",
        "--default-service-account=t",
      ],
      "helm-controller": ["--no-cross-namespace-refs=true", "--default-service-account=t"],
      "notification-controller": ["--no-cross-namespace-refs=true"],
      "source-watcher": ["--no-cross-namespace-refs=true"],
    },
  },
  {
    name: "acceptExternalArtifacts() opens the gate of those who consume artifacts",
    stage: acceptExternalArtifacts,
    cluster: {},
    want: {
      "source-controller": [],
      "kustomize-controller": ["--feature-gates=ExternalArtifact=true"],
      "helm-controller": ["--feature-gates=ExternalArtifact=true"],
      "notification-controller": [],
      "source-watcher": [],
    },
  },
]) {
  test(name, () => assert.deepEqual(changed(stage, cluster), want));
}

test("acceptExternalArtifacts() changes nothing without source-watcher", () => {
  assert.deepEqual(changed(acceptExternalArtifacts, {}, ["helm-controller"]), { "helm-controller": [] });
});

test("lockDown() lets the synced Kustomization act as kustomize-controller", () => {
  const object: KubeObject = {
    apiVersion: "kustomize.toolkit.fluxcd.io/v1",
    kind: "Kustomization",
    metadata: { name: "flux-system" },
    spec: { path: "p" },
  };
  const context = contextOf(specOf({ cluster: { multitenant: true } }), releaseOf("2.9.4"));
  assert.deepEqual(lockDown([{ object }], context)[0]?.object["spec"], {
    path: "p",
    serviceAccountName: "kustomize-controller",
  });
});

const flags = ["--watch-all-namespaces", "--log-level=debug", "--events-addr=http://x", "--storage-adv-addr=y"];
function configured(component: Component, components: readonly Component[], imagePullSecret?: string) {
  const distribution = imagePullSecret === undefined ? {} : { imagePullSecret };
  const spec = specOf({ components, distribution, cluster: { domain: "corp.internal" } });
  const draft: Draft = { object: smallDeployment(component, flags), component };
  const [result] = configureControllers([draft], contextOf(spec, releaseOf("2.9.4")));
  return result?.object ?? smallDeployment("none", []);
}

for (const { name, object, want } of [
  {
    name: "names the cluster's own addresses",
    object: configured("source-controller", ["source-controller", "notification-controller"]),
    want: [
      "--watch-all-namespaces=true",
      "--log-level=info",
      "--events-addr=http://notification-controller.flux-system.svc.corp.internal./",
      "--storage-adv-addr=source-controller.$(RUNTIME_NAMESPACE).svc.corp.internal.",
    ],
  },
  {
    name: "sends no events when nobody listens",
    object: configured("helm-controller", ["helm-controller"]),
    want: ["--watch-all-namespaces=true", "--log-level=info", "--events-addr=", "--storage-adv-addr=y"],
  },
]) {
  test(`configureControllers() ${name}`, () => assert.deepEqual(managerOf(object)?.["args"], want));
}

test("configureControllers() puts pods on Linux nodes, with the pull secret and safe to evict", () => {
  const object = configured("helm-controller", ["helm-controller"], "auth");
  const { containers: _containers, volumes: _volumes, ...pod } = fieldsOf(readField(object, podSpec));
  assert.deepEqual(pod, { nodeSelector: { "kubernetes.io/os": "linux" }, imagePullSecrets: [{ name: "auth" }] });
  assert.deepEqual(readField(object, [...podTemplate, "metadata"]), {
    labels: { app: "helm-controller", "app.kubernetes.io/part-of": "flux" },
    annotations: { "cluster-autoscaler.kubernetes.io/safe-to-evict": "true" },
  });
});

test("fitClusterType() takes users, seccomp and pod-security warnings away on OpenShift only", () => {
  const securityContext = {
    runAsNonRoot: true,
    seccompProfile: { type: "RuntimeDefault" },
    readOnlyRootFilesystem: true,
  };
  const bare = smallDeployment("helm-controller", []);
  const containers = [{ name: "manager", securityContext }];
  const object = setField(setField(bare, [...podSpec, "containers"], containers), [...podSpec, "securityContext"], {
    fsGroup: 1337,
  });
  const namespace = {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: "x", labels: { "pod-security.kubernetes.io/warn": "restricted", a: "b" } },
  };
  const drafts: readonly Draft[] = [{ object, component: "helm-controller" }, { object: namespace }];
  const fit = (type: ClusterSpec["type"]) =>
    fitClusterType(drafts, contextOf(specOf({ cluster: { type } }), releaseOf("2.9.4"))).map((draft) => draft.object);
  assert.deepEqual(fit("openshift"), [
    setField(
      bare,
      [...podSpec, "containers"],
      [{ name: "manager", securityContext: { readOnlyRootFilesystem: true } }],
    ),
    { ...namespace, metadata: { name: "x", labels: { a: "b" } } },
  ]);
  assert.deepEqual(fit("aws"), [object, namespace]);
});
