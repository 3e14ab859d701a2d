import type { CanonicalSpec, ClusterSpec, Component } from "../../src/api/spec.ts";
import { noLiveDigests, type LiveDigests } from "../../src/distribution/images.ts";
import type { Release } from "../../src/distribution/release.ts";
import type { KubeObject } from "../../src/kube/object.ts";
import type { RenderContext } from "../../src/render/draft.ts";

type SpecParts = Partial<Omit<CanonicalSpec, "cluster" | "distribution">> & {
  readonly cluster?: Partial<ClusterSpec>;
  readonly distribution?: Partial<CanonicalSpec["distribution"]>;
};

/** A canonical spec with everything at its default but `parts`, and one controller. */
export function specOf({ cluster, distribution, ...parts }: SpecParts = {}): CanonicalSpec {
  return {
    distribution: {
      version: "2.x",
      registry: "ghcr.io/fluxcd",
      artifactInsecure: false,
      digests: "Catalog",
      requireDigests: false,
      ...distribution,
    },
    components: ["source-controller"],
    cluster: { ...clusterDefaults, ...cluster },
    commonMetadata: { labels: {}, annotations: {} },
    kustomize: { patches: [], strict: false },
    wait: true,
    migrateResources: true,
    upgrade: { paused: false, rollback: true, windows: [] },
    driftIgnore: [],
    ...parts,
  };
}

const clusterDefaults: ClusterSpec = {
  type: "kubernetes",
  domain: "cluster.local",
  networkPolicy: true,
  multitenant: false,
  tenantDefaultServiceAccount: "default",
  objectLevelWorkloadIdentity: false,
  multitenantWorkloadIdentity: false,
  tenantDefaultDecryptionServiceAccount: "default",
  tenantDefaultKubeConfigServiceAccount: "default",
  identities: [],
};

/** A release with just what a stage looks at: a ServiceAccount, a Service and a Deployment for each component. */
export function releaseOf(version: string, components: readonly Component[] = ["source-controller"]): Release {
  return {
    version,
    components: Object.fromEntries(components.map((component) => [component, controllerObjects(component)])),
    rbac: [],
    policies: [],
    images: {},
  };
}

export function contextOf(spec: CanonicalSpec, release: Release, live: LiveDigests = noLiveDigests): RenderContext {
  return { spec, release, instance: { name: "flux", namespace: "flux-system" }, live };
}

function controllerObjects(component: Component): readonly KubeObject[] {
  return [
    { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: component } },
    { apiVersion: "v1", kind: "Service", metadata: { name: component }, spec: { selector: { app: component } } },
    smallDeployment(component, flags(component)),
  ];
}

/** The Deployment of a controller, reduced to names, flags and the volume of artifacts. */
export function smallDeployment(component: string, args: readonly string[]): KubeObject {
  const manager = {
    name: "manager",
    image: `fluxcd/${component}:v1.0.0`,
    args,
    volumeMounts: [{ mountPath: "/data", name: "data" }],
  };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: component },
    spec: {
      selector: { matchLabels: { app: component } },
      template: {
        metadata: { labels: { app: component } },
        spec: { containers: [manager], volumes: [{ emptyDir: {}, name: "data" }] },
      },
    },
  };
}

function flags(component: Component): readonly string[] {
  const common = ["--watch-all-namespaces", "--log-level=info"];
  const events = component === "notification-controller" ? [] : ["--events-addr=http://notification-controller./"];
  const storage = component.startsWith("source-") ? [`--storage-adv-addr=${component}.`] : [];
  return [...events, ...common, ...storage];
}
