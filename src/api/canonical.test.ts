import assert from "node:assert/strict";
import { test } from "node:test";
import { canonicalSpec } from "./canonical.ts";
import type { FluxInstanceSpec } from "./schema/spec.ts";
import type { CanonicalSpec } from "./spec.ts";

const distribution = { version: "2.x", registry: "ghcr.io/fluxcd" };

const minimal: CanonicalSpec = {
  distribution: { ...distribution, artifactInsecure: false, digests: "Catalog", requireDigests: false },
  components: ["source-controller", "kustomize-controller", "helm-controller", "notification-controller"],
  cluster: {
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
  },
  commonMetadata: { labels: {}, annotations: {} },
  kustomize: { patches: [], strict: false },
  wait: true,
  migrateResources: true,
  upgrade: { paused: false, rollback: true, windows: [] },
  driftIgnore: [],
};

const cases: readonly { name: string; spec: FluxInstanceSpec; want: CanonicalSpec }[] = [
  { name: "fills every default", spec: { distribution }, want: minimal },
  {
    name: "reads empty text as absent",
    spec: {
      distribution: { ...distribution, imagePullSecret: "", artifactPullSecret: "" },
      components: [],
      cluster: { domain: "", tenantDefaultServiceAccount: "" },
    },
    want: minimal,
  },
  {
    name: "folds pullSecret and trims the registry",
    spec: { distribution: { version: "2.2.x", registry: "host:5000/flux//", pullSecret: "auth" } },
    want: {
      ...minimal,
      distribution: {
        ...minimal.distribution,
        version: "2.2.x",
        registry: "host:5000/flux",
        imagePullSecret: "auth",
        digests: "RegistryIfReachable",
      },
    },
  },
  ...[
    { written: { registry: "host/flux" }, digests: "RegistryIfReachable" },
    { written: { registry: "host/flux", digests: "Catalog" }, digests: "Catalog" },
    { written: { registry: "host/flux", digests: "Registry" }, digests: "Registry" },
    { written: { registry: "host/flux", variant: "upstream-alpine" }, digests: "Catalog" },
    { written: { registry: "host/flux", source: "Embedded" }, digests: "Catalog" },
    { written: { registry: "ghcr.io/fluxcd" }, digests: "Catalog" },
  ].map(({ written, digests }) => ({
    name: `takes digests from ${digests} with ${JSON.stringify(written)}`,
    spec: { distribution: { ...distribution, ...written } } as FluxInstanceSpec,
    want: { ...minimal, distribution: { ...minimal.distribution, ...written, digests } } as CanonicalSpec,
  })),
  {
    name: "takes the same value under both names once",
    spec: { distribution: { ...distribution, pullSecret: "auth", imagePullSecret: "auth" } },
    want: { ...minimal, distribution: { ...minimal.distribution, imagePullSecret: "auth" } },
  },
  {
    name: "folds shards",
    spec: { distribution, shards: ["a", "b"] },
    want: { ...minimal, sharding: { key: "sharding.fluxcd.io/key", shards: ["a", "b"], storage: "ephemeral" } },
  },
  {
    name: "joins shards with the rest of sharding",
    spec: { distribution, shards: ["a"], sharding: { key: "example.com/shard", storage: "persistent" } },
    want: { ...minimal, sharding: { key: "example.com/shard", shards: ["a"], storage: "persistent" } },
  },
  ...(["aks azure", "eks aws", "gke gcp", "azure azure", "openshift openshift"] as const).map((pair) => {
    const [written, type] = pair.split(" ") as ["aks", "azure"];
    return {
      name: `reads cluster type ${written} as ${type}`,
      spec: { distribution, cluster: { type: written } },
      want: { ...minimal, cluster: { ...minimal.cluster, type } },
    };
  }),
  {
    name: "keeps each component once, in the order written",
    spec: { distribution, components: ["helm-controller", "source-controller", "helm-controller"] },
    want: { ...minimal, components: ["helm-controller", "source-controller"] },
  },
  {
    name: "names the sync after the namespace",
    spec: { distribution, sync: { kind: "Bucket", url: "minio", ref: "fleet", path: "./", name: "", pullSecret: "" } },
    want: {
      ...minimal,
      sync: { name: "platform", kind: "Bucket", url: "minio", ref: "fleet", path: "./", interval: "1m" },
    },
  },
  {
    name: "keeps all that was written",
    spec: {
      distribution: {
        ...distribution,
        artifact: "oci://host/a",
        artifactPullSecret: "s",
        variant: "upstream-alpine",
        digests: "Registry",
        requireDigests: true,
      },
      cluster: { size: "small", networkPolicy: false, multitenant: true, proxy: { http: "http://p" } },
      storage: { class: "standard", size: "10Gi" },
      commonMetadata: { labels: { a: "b" } },
      kustomize: { patches: [{ patch: "x" }], strict: true },
      sync: {
        kind: "GitRepository",
        url: "https://x",
        ref: "r",
        path: "p",
        name: "n",
        interval: "5m",
        pullSecret: "s",
        provider: "github",
      },
      wait: false,
      migrateResources: false,
      upgrade: { paused: true, rollback: false, windows: [{ schedule: "0 3 * * *", duration: "2h" }] },
      driftIgnore: [{ target: { kind: "Deployment" }, paths: ["/spec/replicas"] }],
      deletionPolicy: "Orphan",
    },
    want: {
      distribution: {
        ...distribution,
        artifact: "oci://host/a",
        artifactPullSecret: "s",
        variant: "upstream-alpine",
        digests: "Registry",
        requireDigests: true,
        artifactInsecure: false,
      },
      components: minimal.components,
      cluster: {
        ...minimal.cluster,
        size: "small",
        networkPolicy: false,
        multitenant: true,
        proxy: { http: "http://p" },
      },
      storage: { class: "standard", size: "10Gi" },
      commonMetadata: { labels: { a: "b" }, annotations: {} },
      kustomize: { patches: [{ patch: "x" }], strict: true },
      sync: {
        kind: "GitRepository",
        url: "https://x",
        ref: "r",
        path: "p",
        name: "n",
        interval: "5m",
        pullSecret: "s",
        provider: "github",
      },
      wait: false,
      migrateResources: false,
      upgrade: { paused: true, rollback: false, windows: [{ schedule: "0 3 * * *", duration: "2h", timeZone: "UTC" }] },
      driftIgnore: [{ target: { kind: "Deployment" }, paths: ["/spec/replicas"] }],
    },
  },
];

for (const { name, spec, want } of cases) {
  test(`canonicalSpec() ${name}`, () => assert.deepEqual(canonicalSpec(Object.freeze(spec), "platform"), want));
}
