import { variantOfRegistry, type DigestSource } from "../distribution/images.ts";
import type { ObjectKey } from "../kube/object.ts";
import type { FluxInstance } from "./schema/instance.ts";
import type { FluxInstanceSpec } from "./schema/spec.ts";
import { canonicalRef } from "./sync-ref.ts";
import type {
  CanonicalSpec,
  ClusterSpec,
  ClusterType,
  Component,
  DistributionSpec,
  ShardingSpec,
  SyncSpec,
  UpgradeSpec,
} from "./spec.ts";

const defaultComponents: readonly Component[] = [
  "source-controller",
  "kustomize-controller",
  "helm-controller",
  "notification-controller",
];

const defaultShardingKey = "sharding.fluxcd.io/key";

const clusterTypes: { readonly [written in NonNullable<NonNullable<Written["cluster"]>["type"]>]: ClusterType } = {
  kubernetes: "kubernetes",
  openshift: "openshift",
  aws: "aws",
  azure: "azure",
  gcp: "gcp",
  eks: "aws",
  aks: "azure",
  gke: "gcp",
};

type Written = FluxInstanceSpec;

/** The key of an instance, and what its user means. */
export type CanonicalInstance = { readonly key: ObjectKey; readonly spec: CanonicalSpec };

/** The canonical form of an instance that has been parsed. */
export function canonicalInstance({ metadata, spec }: FluxInstance): CanonicalInstance {
  const { namespace = "", name } = metadata;
  return { key: { namespace, name }, spec: canonicalSpec(spec, namespace) };
}

/**
 * What the user means: names of v1alpha1 folded into those of v1, defaults filled in, "" read as absent where the Go
 * operator does so. `spec` has passed `parseFluxInstance`; of two names of one thing the v1 name counts.
 * `namespace` is the instance's own and names the sync objects that have no name.
 */
export function canonicalSpec(spec: FluxInstanceSpec, namespace: string): CanonicalSpec {
  const sharding = shardingOf(spec);
  return {
    distribution: distributionOf(spec.distribution),
    components: componentsOf(spec.components),
    cluster: clusterOf(spec.cluster),
    ...(sharding !== undefined && { sharding }),
    ...(spec.storage !== undefined && { storage: spec.storage }),
    commonMetadata: {
      labels: spec.commonMetadata?.labels ?? {},
      annotations: spec.commonMetadata?.annotations ?? {},
    },
    kustomize: { patches: spec.kustomize?.patches ?? [], strict: spec.kustomize?.strict ?? false },
    ...(spec.sync !== undefined && { sync: syncOf(spec.sync, namespace) }),
    wait: spec.wait ?? true,
    migrateResources: spec.migrateResources ?? true,
    upgrade: upgradeOf(spec.upgrade),
    driftIgnore: spec.driftIgnore ?? [],
  };
}

function distributionOf(written: Written["distribution"]): DistributionSpec {
  const { pullSecret, imagePullSecret, artifact: _, artifactPullSecret: __, ...rest } = written;
  const secret = textOf(imagePullSecret) ?? textOf(pullSecret);
  const artifact = textOf(written.artifact);
  const artifactPullSecret = textOf(written.artifactPullSecret);
  return {
    ...rest,
    registry: written.registry.replace(/\/+$/, ""),
    ...(secret !== undefined && { imagePullSecret: secret }),
    ...(artifact !== undefined && { artifact }),
    ...(artifactPullSecret !== undefined && { artifactPullSecret }),
    artifactInsecure: written.artifactInsecure ?? false,
    digests: written.digests ?? digestSourceOf(written),
    requireDigests: written.requireDigests ?? false,
  };
}

/** The release has the digests of a variant; a mirror whose variant is not known can only be asked, and Embedded asks nothing. */
function digestSourceOf({ registry, variant, source }: Written["distribution"]): DigestSource {
  const isKnown = variant !== undefined || variantOfRegistry(registry) !== undefined;
  return isKnown || source === "Embedded" ? "Catalog" : "RegistryIfReachable";
}

function componentsOf(written: Written["components"]): readonly Component[] {
  return written === undefined || written.length === 0 ? defaultComponents : [...new Set(written)];
}

function clusterOf(written: Written["cluster"] = {}): ClusterSpec {
  return {
    type: clusterTypes[written.type ?? "kubernetes"],
    domain: textOf(written.domain) ?? "cluster.local",
    ...(written.size !== undefined && { size: written.size }),
    networkPolicy: written.networkPolicy ?? true,
    multitenant: written.multitenant ?? false,
    tenantDefaultServiceAccount: textOf(written.tenantDefaultServiceAccount) ?? "default",
    objectLevelWorkloadIdentity: written.objectLevelWorkloadIdentity ?? false,
    multitenantWorkloadIdentity: written.multitenantWorkloadIdentity ?? false,
    tenantDefaultDecryptionServiceAccount: textOf(written.tenantDefaultDecryptionServiceAccount) ?? "default",
    tenantDefaultKubeConfigServiceAccount: textOf(written.tenantDefaultKubeConfigServiceAccount) ?? "default",
    identities: written.identities ?? [],
    ...(written.proxy !== undefined && { proxy: written.proxy }),
  };
}

function shardingOf(written: Written): ShardingSpec | undefined {
  const shards = written.sharding?.shards ?? written.shards;
  if (shards === undefined || shards.length === 0) return undefined;
  return {
    key: textOf(written.sharding?.key) ?? defaultShardingKey,
    shards,
    storage: written.sharding?.storage ?? "ephemeral",
  };
}

function syncOf(written: NonNullable<Written["sync"]>, namespace: string): SyncSpec {
  const { pullSecret: _, name, ...rest } = written;
  const pullSecret = textOf(written.pullSecret);
  return {
    ...rest,
    ref: canonicalRef(written.ref),
    name: textOf(name) ?? namespace,
    interval: written.interval ?? "1m",
    ...(pullSecret !== undefined && { pullSecret }),
  };
}

function upgradeOf(written: Written["upgrade"]): UpgradeSpec {
  const windows = written?.windows ?? [];
  return {
    paused: written?.paused ?? false,
    rollback: written?.rollback ?? true,
    windows: windows.map(({ schedule, duration, timeZone = "UTC" }) => ({ schedule, duration, timeZone })),
  };
}

function textOf(written: string | undefined): string | undefined {
  return written === "" ? undefined : written;
}
